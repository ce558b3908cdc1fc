#!/usr/bin/env bash
# Installs assay from a build, and builds and tests projects with it, as a user would: one that has its kernels on trial, and one that calls
# the installed libraries.
# usage: downstream_test.sh BUILD_FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
installed=$folder/installed
cmake --install "$1" --prefix "$installed" >/dev/null
build() {  # build PROJECT: in the folder of its name
  cmake -S "$here/$1" -B "$folder/$1" -G Ninja -DCMAKE_PREFIX_PATH="$installed" >/dev/null
  cmake --build "$folder/$1" >/dev/null
  ctest --test-dir "$folder/$1" --output-on-failure --output-junit "$folder/ctest.xml"
}
build downstream
grep -q 'classname="dot_f32" name="downstream:dot"' "$folder/downstream/right.xml"

# The libraries.
build library
ldd "$folder/library/shared" | grep -q "$installed/lib.*/libassay.so.1"
! ldd "$folder/library/linked" | grep libassay || exit 1
for program in linked shared; do
  # Of each kernel it names a variant that runs here.
  "$folder/library/$program" | grep '^[a-z]*_' >"$folder/chosen"
  "$installed/bin/assay" list --json | python3 -c '
import json, sys
runs = {(v["kernel"], v["variant"]) for v in json.load(sys.stdin) if v["runnable"]}
chosen = [tuple(line.split(" ", 1)) for line in open(sys.argv[1]).read().splitlines()]
assert len(chosen) == 2 and set(chosen) <= runs, chosen
print(*(" ".join(c) for c in chosen), sep="\n")' "$folder/chosen"
  ASSAY_FORCE='*=scalar' "$folder/library/$program" >"$folder/forced"
  [ "$(grep -cE '^[a-z_0-9]+ scalar$' "$folder/forced")" = 2 ] || { cat "$folder/forced" && exit 1; }
  ! (ASSAY_FORCE='dot_f32=jit_avx2' "$folder/library/$program" >/dev/null 2>"$folder/error") 2>/dev/null || exit 1
  grep -q 'there is no such kernel and variant here' "$folder/error"
done
# By pkg-config.
config=$(dirname "$(find "$installed" -name assay.pc)")
with() { PKG_CONFIG_PATH=$config pkg-config --cflags --libs "$1"; }
# shellcheck disable=SC2046
cc "$here/export/in_c.c" $(with assay) -Wl,-rpath,"$config/.." -lm -lpthread -o "$folder/by_pkg_config"
"$folder/by_pkg_config" >"$folder/out"
# shellcheck disable=SC2046
cc "$here/library/generated.c" $(with assay_generators) -o "$folder/generated"
"$folder/generated" || [ $? = 3 ]

# What is installed beside it.
grep -q '^.SS assay check$' "$installed/share/man/man1/assay.1"
bash -n "$installed/share/bash-completion/completions/assay"
[ -s "$installed/share/assay/models/sums.gguf" ]
# Nothing of a name that others may have; the author of a plug-in finds both headers all the same.
[ "$(ls "$installed/include")" = assay-1 ]
# shellcheck disable=SC2046
cc -shared -fPIC $(with assay) "$here/plugins/dot.c" -o "$folder/dot.so"
# The installed program finds the headers beside it, and no others.
touch "$installed/include/assay-1/only_here.h"
printf '#include "only_here.h"\nvoid add_f32(float* z, const float* x, const float* y, size_t n) { for (; n--;) z[n] = x[n] + y[n]; }\n' >"$folder/my_add.c"
XDG_CACHE_HOME=$folder "$installed/bin/assay" try "$folder/my_add.c" --kernel add_f32 --no-timing --samples 300
