#!/usr/bin/env bash
# Makes a folder, and OUT.tar.gz of it, that can be copied to any x86-64 Linux and run there, whatever its C library: the program with its
# loader and libraries, the shipped models, the headers for `assay try`, and the scripts for a fleet (ci/fleet/).
# usage: ci/bundle.sh [--build FOLDER] [--no-archive] [OUT]
#   OUT       default: build/bundle/assay-VERSION-x86_64
#   --build   take the program of this build; default: build/release, which is built first
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build='' out='' archive=yes
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=${2:?--build: name the build folder} && shift ;;
    --no-archive) archive=no ;;
    -*) echo "bundle: $1 is no option; usage: ci/bundle.sh [--build FOLDER] [--no-archive] [OUT]" >&2 && exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done
if [ -z "$build" ]; then
  build=$here/build/release
  (cd "$here" && cmake --preset release >/dev/null && cmake --build --preset release)
fi
[ -x "$build/assay" ] || { echo "bundle: $build: there is no program assay; build it first" >&2 && exit 2; }
version=$("$build/assay" --version)
out=${out:-$here/build/bundle/${version/ /-}-x86_64}
# Never somebody's folder.
if [ -e "$out" ] && [ ! -e "$out/libexec/assay" ] && [ -n "$(ls -A "$out" 2>&1)" ]; then
  echo "bundle: $out is there and no bundle of assay: remove it, or name another folder" >&2 && exit 2
fi
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cmake --install "$build" --prefix "$work" >/dev/null
mkdir -p "$work/lib" "$work/libexec" "$work/share/assay" "$work/share/doc/assay/libraries"
mv "$work/bin/assay" "$work/libexec/assay"
"${CC:-cc}" -O2 -Wall -Wextra -Werror -static -o "$work/bin/assay" "$here/ci/bundle_launcher.c"
cp -r "$here/ci/fleet" "$work/share/assay/fleet"

# "libfmt.so.9 => /lib/x86_64-linux-gnu/libfmt.so.9 (0x...)", and the loader by its path alone.
ldd "$work/libexec/assay" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\) (.*/\1/p' | sort -u |
  while read -r library; do
    cp -L "$library" "$work/lib/"
    # Each under its licence, where Debian tells it. Some packages have their files in /lib, which is /usr/lib.
    file=$(realpath "$library")
    package=$({ dpkg -S "$file" || dpkg -S "${file#/usr}"; } 2>/dev/null | head -1 | cut -d: -f1) || true
    [ ! -f "/usr/share/doc/$package/copyright" ] || cp "/usr/share/doc/$package/copyright" "$work/share/doc/assay/libraries/$package"
  done
[ -x "$work/lib/ld-linux-x86-64.so.2" ] || { echo "bundle: ldd names no loader ld-linux-x86-64.so.2" >&2 && exit 3; }
id() { readelf -nW "$1" | sed -n 's/.*Build ID: //p'; }
[ "$(id "$work/libexec/assay")" = "$(id "$build/assay")" ]
printf '%s, build ID %s\n' "$version" "$(id "$build/assay")" >"$work/BUILD"
"$work/bin/assay" --version >/dev/null
rm -rf "$out"
mv "$work" "$out"
echo "$out: $(cat "$out/BUILD"); start $out/bin/assay"
if [ "$archive" = yes ]; then
  tar -C "$(dirname "$out")" --sort=name --owner=0 --group=0 --numeric-owner -czf "$out.tar.gz" "$(basename "$out")"
  echo "$out.tar.gz: $(du -h "$out.tar.gz" | cut -f1)"
fi
