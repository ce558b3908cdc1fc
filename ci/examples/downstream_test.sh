#!/usr/bin/env bash
# Installs assay from a build, and builds and tests the example project with it, as a user would.
# usage: downstream_test.sh BUILD_FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder/installed" >/dev/null
cmake -S "$here/downstream" -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/installed" >/dev/null
cmake --build "$folder/build" >/dev/null
ctest --test-dir "$folder/build" --output-on-failure --output-junit "$folder/ctest.xml"
grep -q 'classname="dot_f32" name="downstream:dot"' "$folder/build/right.xml"
# What is installed beside it.
installed=$folder/installed
grep -q '^.SS assay check$' "$installed/share/man/man1/assay.1"
bash -n "$installed/share/bash-completion/completions/assay"
[ -s "$installed/share/assay/models/sums.gguf" ]
printf '#include "assay/plugin.h"\n#include "kernels/dot_f32/kernel.h"\n' |
  # shellcheck disable=SC2046
  cc $(PKG_CONFIG_PATH=$installed/share/pkgconfig pkg-config --cflags assay) -fsyntax-only -x c -
# The installed program finds the headers beside it.
printf 'void add_f32(float* z, const float* x, const float* y, size_t n) { for (; n--;) z[n] = x[n] + y[n]; }\n' >"$folder/my_add.c"
XDG_CACHE_HOME=$folder "$folder/installed/bin/assay" try "$folder/my_add.c" --kernel add_f32 --no-timing --samples 300
