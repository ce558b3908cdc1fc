#!/usr/bin/env bash
# A bundle runs where nothing else is: in a root folder that holds it alone. It checks, times, and runs a model.
# usage: bundle_test.sh BUILD_FOLDER     exit status 3: it cannot be tried here, as it says
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
skip() { echo "skipped: $1" && exit 3; }
# Without privileges a user namespace has its own root.
enter="unshare --mount"
[ "$(id -u)" = 0 ] || enter="unshare --user --map-root-user --mount"
$enter chroot / true 2>/dev/null || skip "this user may not change the root folder"
printf 'int main(void){return 0;}' | ${CC:-cc} -static -x c -o "$root/probe" - 2>/dev/null || skip "there is no static C library"
rm "$root/probe"

"$here/bundle.sh" --build "$1" --no-archive "$root/any where" >/dev/null
mkdir "$root/proc" "$root/tmp"
in_root() {  # with nothing but /proc, which every Linux has, where it may be mounted
  $enter sh -c 'mount -t proc proc "$0/proc" 2>/dev/null || mount --rbind /proc "$0/proc" 2>/dev/null || true
    cd "$0" && exec chroot "$0" "$@"' "$root" "$@"
}
assay="/any where/bin/assay"
export LD_PRELOAD=/no/such.so  # of the machine: not for it
in_root "$assay" check --kernel add_f32 --variant scalar,auto_v2 --samples 50 2>/dev/null
in_root "$assay" bench --kernel add_f32 --variant scalar,auto_v2 --quick --repetitions 3 --min-time 1e-5 --samples 50 \
  --out /tmp/bench.json 2>/dev/null
unset LD_PRELOAD
# A profile that it makes is one of the same build.
build_id=$(readelf -nW "$1/assay" | sed -n 's/.*Build ID: //p')
grep -q "\"build\": \"$build_id\"" "$root/tmp/bench.json"
answer=$(in_root "$assay" run -q -p '5+7=')
[ "$answer" = 12 ] || { echo "the shipped model says '$answer'" && exit 1; }
# What it needs and has not it says.
printf 'void add_f32(void) {}\n' >"$root/tmp/a.c"
status=0
said=$(in_root "$assay" try /tmp/a.c --kernel add_f32 2>&1) || status=$?
case $said in *"install g++"*) ;; *) echo "try says: $said" && exit 1 ;; esac
[ $status = 3 ]
