#!/usr/bin/env bash
# A fleet by GNU parallel over what stands for ssh: machines are folders here, one is never reached, and one goes down while it measures.
# What stands for assay takes no time; slurm_test.sh has the program itself.
# usage: ssh_test.sh     exit status 3: it cannot be tried here, as it says
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v parallel >/dev/null || { echo "skipped: there is no GNU parallel: install parallel" && exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bundle/bin" "$work/machines/root@a" "$work/machines/b"
echo "assay 0, build ID 0123abcd" >"$work/bundle/BUILD"
cat >"$work/bundle/bin/assay" <<'END'
#!/bin/sh
case $1 in
  check) echo "[\"$*\"]" ;;
  merge) for last; do :; done && echo "$*" >"$last" && ! grep -l broken "$2" >&2 ;;
  tune) echo '{}' >"$3" && echo 'of 240 rounds 31.1% were disturbed by others on this machine; A/A control: 1.2%' ;;
  *) exit 2 ;;
esac
END
cat >"$work/ssh" <<END
#!/bin/sh
cd '$work/machines/'"\$1" 2>/dev/null || exit 255
echo "\$1: \$2" >>'$work/commands'
case \$1:\$2 in
  b:*node.sh*|b:*'sh -s'*) [ -e '$work/again' ] || exit 255 ;;
esac
HOME=\$PWD exec sh -c "\$2"
END
chmod +x "$work/ssh" "$work/bundle/bin/assay"
printf '# the machines\nroot@a\nb # goes down\nnobody\n' >"$work/nodes"
fleet() { "$here/ssh.sh" --ssh "$work/ssh" --check "--kernel 'a b'" "$@" "$work/bundle" "$work/fleet" "$work/nodes"; }
expect() { grep -Eq -- "$1" "$work/out" || { echo "it says nothing of: $1" && cat "$work/out" && exit 1; }; }

status=0
fleet --all-nodes --repeats 2 >"$work/out" 2>&1 || status=$?
[ $status = 1 ] || { echo "the exit status is $status though a machine was lost" && cat "$work/out" && exit 1; }
expect '^nobody: is not reached'
expect ' root@a +check +done'
expect ' root@a +2 +done.*DISTURBED'
expect ' b +1 +LOST'
expect '^2 profiles merged: '

touch "$work/again"
sed -i '/nobody/d' "$work/nodes"
: >"$work/commands"
fleet --all-nodes --repeats 2 >"$work/out" 2>&1 || { cat "$work/out" && exit 1; }
expect ' b +1 +done'
expect ' b +2 +done'
expect '^4 profiles merged: '
! grep 'root@a: .*sh -s' "$work/commands" || { echo "what was done was done again" && exit 1; }
# A fleet that cannot be merged is none, and that is told.
for profile in "$work/fleet/"*/1.json; do echo broken >"$profile"; done
status=0
fleet --all-nodes --repeats 2 >"$work/out" 2>&1 || status=$?
[ $status = 2 ] || { echo "the exit status is $status though nothing was merged" && cat "$work/out" && exit 1; }
expect '/1.json$'
expect '^NOT MERGED'
# Both are this machine: of one kind.
rm -r "$work/fleet"
fleet >"$work/out" 2>&1
expect '^1 profiles merged: '
