#!/usr/bin/env bash
# Installs the Debian packages that are missing: nothing if all are there. As root, or with sudo.
set -eu
packages="g++ cmake ninja-build nasm pkg-config libbenchmark-dev libgtest-dev libxbyak-dev libcpuid-dev libcli11-dev
libzydis-dev nlohmann-json3-dev libfmt-dev libmd-dev libpcre2-dev python3 $*"
missing=""
for p in $packages; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "these packages are missing and there is no sudo:$missing" >&2; exit 3; }
  as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root apt-get install -y -q --no-install-recommends $missing
