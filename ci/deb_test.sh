#!/usr/bin/env bash
# The Debian package, installed by apt into a new Debian that has nothing else, used there, and removed.
# usage: deb_test.sh BUILD_FOLDER     exit status 3: it cannot be tried here, as it says
set -eu
build=$(realpath "$1")
skip() { echo "skipped: $1" && exit 3; }
[ "$(id -u)" = 0 ] || skip "only root may make a chroot with debootstrap"
for tool in debootstrap dpkg-shlibdeps; do
  command -v $tool >/dev/null || skip "there is no $tool: install debootstrap and dpkg-dev"
done
work=$(mktemp -d)
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"

(cd "$build" && cpack -G DEB -B "$work/package" >/dev/null)
package=$(echo "$work"/package/*.deb)
dpkg-deb --info "$package" | grep -E '^ (Package|Version|Depends|Suggests|Installed-Size):'
dpkg-deb --field "$package" Depends | grep -q 'libc6 (>= ' || { echo "its dependencies are not told" && exit 1; }
# In folders that packages share it has names of its own.
shared=$(dpkg-deb --fsys-tarfile "$package" | tar -t | sed -n 's,^\./usr/\(include\|lib\)/\([^/]\+\).*,\1/\2,p' | sort -u | grep -v '/\(lib\)\?assay\|^lib/\(cmake\|pkgconfig\)$' || true)
[ -z "$shared" ] || { echo "these names in /usr are too common: $shared" && exit 1; }

# The release and the mirror of this machine.
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mirror=$(apt-get indextargets --format "\$(REPO_URI) \$(RELEASE)" 'Created-By: Packages' | awk -v r="$release" '$2 == r { print $1; exit }')
[ -n "$mirror" ] || skip "apt knows no mirror of $release"
debootstrap --variant=minbase "$release" "$root" "$mirror" >"$work/log" 2>&1 || { tail -5 "$work/log" && skip "debootstrap failed"; }
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$package" "$root/tmp/assay.deb"
mkdir "$root/tmp/cache"
# In a mount namespace of its own: nothing stays mounted.
in_root() { unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  XDG_CACHE_HOME=/tmp/cache DEBIAN_FRONTEND=noninteractive chroot "$0" "$@"' "$root" "$@"; }
in_root true || skip "proc cannot be mounted here"
in_root apt-get install -y -q --no-install-recommends /tmp/assay.deb >"$work/log" 2>&1 || { tail -20 "$work/log" && exit 1; }

in_root assay --version
in_root assay check --kernel dot_f32 --variant scalar,auto_v2 --samples 100
# There are no sources here: the model is the installed one.
answer=$(in_root assay run -q -p '5+7=')
[ "$answer" = 12 ] || { echo "the shipped model says '$answer'" && exit 1; }
in_root bash -c '. /usr/share/bash-completion/completions/assay && COMP_WORDS=(assay qu) COMP_CWORD=1 && _assay && [ "${COMPREPLY[*]}" = quantize ]'
grep -q '^.SS assay check$' "$root/usr/share/man/man1/assay.1"
[ -s "$root/usr/share/doc/assay/copyright" ] && [ -s "$root/usr/share/zsh/vendor-completions/_assay" ]
[ -f "$(PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig pkg-config --variable=includedir assay)/assay/plugin.h" ]

in_root apt-get purge -y -q --autoremove assay >/dev/null 2>&1
stayed=$(find "$root" -name '*assay*' -not -path "$root/tmp/*" -not -path "$root/var/log/*")
[ -z "$stayed" ] || { echo "these files stayed: $stayed" && exit 1; }
echo "installed, used and removed"
