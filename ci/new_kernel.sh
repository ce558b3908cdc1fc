#!/usr/bin/env bash
# Starts a kernel's folder from one that is like it: its contract, its trial, its plain C++ and its reference, renamed.
#
#   ci/new_kernel.sh NAME LIKE      for example: ci/new_kernel.sh silu_f32 gelu_f32
#
# The tree then builds, with a kernel that does what LIKE does: change kernel.h first, then the reference, the trial and scalar.cpp.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 2 ] || { sed -n '2,6p' "$0" | cut -c3- >&2; exit 2; }
name=$1
like=$2
case $name in *[!a-z0-9_]* | [!a-z]* | *_) echo "new_kernel: '$name' is no name: lower case letters, digits and _" >&2; exit 2 ;; esac
[ -f "kernels/$like/scalar.cpp" ] && [ -f "reference/$like.cpp" ] || {
  echo "new_kernel: there is no kernels/$like/scalar.cpp with a reference/$like.cpp; take one of:" >&2
  for folder in kernels/*/scalar.cpp; do
    kernel=$(basename "$(dirname "$folder")")
    [ ! -f "reference/$kernel.cpp" ] || echo "  $kernel" >&2
  done
  exit 2
}
[ ! -e "kernels/$name" ] && [ ! -e "reference/$name.cpp" ] || { echo "new_kernel: there is a $name already" >&2; exit 2; }

# add_f32 -> AddF32, as the trials name their classes.
camel() { echo "$1" | awk -F_ '{ for (i = 1; i <= NF; ++i) printf "%s%s", toupper(substr($i, 1, 1)), substr($i, 2) }'; }
mkdir "kernels/$name"
for file in kernel.h contract.c trial.cpp scalar.cpp; do
  sed "s/$like/$name/g; s/$(camel "$like")/$(camel "$name")/g" "kernels/$like/$file" >"kernels/$name/$file"
done
for extension in h cpp; do
  sed "s/$like/$name/g" "reference/$like.$extension" >"reference/$name.$extension"
done
echo "kernels/$name/: kernel.h contract.c trial.cpp scalar.cpp; reference/$name.h and .cpp. Change them in that order, then:"
echo "  cmake --preset test -DASSAY_KERNELS=$name && cmake --build --preset test && build/test/assay check --kernel $name"
