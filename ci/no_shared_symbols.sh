#!/usr/bin/env bash
# A variant's object may define no weak symbol: the linker keeps one copy of an inline function or template, and if that
# is the AVX-512 file's, a CPU without AVX-512 runs into it. Generators are compiled for the baseline: Xbyak may be shared.
set -eu
objects=()
for object in "$@"; do
  case $object in *variants_jit_*.dir*) ;; *) objects+=("$object") ;; esac
done
[ "${#objects[@]}" -gt 0 ] || { echo "no objects given"; exit 1; }
all=$(nm -AC "${objects[@]}")  # ends the script where there is no such object
if symbols=$(grep -E ' [WVu] ' <<<"$all"); then
  printf 'these objects define symbols that can be shared:\n%s\n' "$symbols"
  exit 1
fi
