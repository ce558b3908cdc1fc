#!/usr/bin/env bash
# Measures machines that ssh reaches, all at once by GNU parallel, one of each kind of CPU, and then names what failed and merges the
# profiles. Started again it does what is left, and takes another machine of the kind where one failed.
# usage: ci/fleet/ssh.sh [--repeats N] [--all-nodes] [--check OPTIONS] [--tune OPTIONS] [--ssh COMMAND] BUNDLE FLEET NODES
#   BUNDLE      the folder that ci/bundle.sh made; it is copied to each machine, under ~/.cache/assay-fleet/
#   FLEET       a folder here for the results
#   NODES       a file: what ssh calls a machine, one a line; # begins a remark
#   --repeats   measurements of each machine, one after the other (default: 1)
#   --all-nodes every machine, not one of each vendor, family, model and stepping
#   --check, --tune   more options of `assay check` and `assay tune`, in one word: --tune '--quick'
#   --ssh       default: 'ssh -o BatchMode=yes -o ServerAliveInterval=30 -o ConnectTimeout=20'
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "fleet: $1" >&2 && exit "${2:-2}"; }

# Inside of parallel: one machine, from nothing to its results here.
if [ "${1:-}" = --visit ]; then
  node=$2 kind=$3
  quoted() { printf "'%s' " "${@//\'/\'\\\'\'}"; }
  # shellcheck disable=SC2086
  remote() { $ASSAY_FLEET_SSH "$node" "$1"; }
  id=$(sed 's/.*build ID //' "$ASSAY_FLEET_BUNDLE/BUILD")
  there=.cache/assay-fleet/$id
  fleet=.cache/assay-fleet/$(basename "$ASSAY_FLEET")
  # Whole or not at all; what is there from before has the same build ID.
  remote "test -x $there/bin/assay" </dev/null ||
    tar -C "$ASSAY_FLEET_BUNDLE" -cz . | remote "rm -rf $there.new && mkdir -p $there.new && tar -xzf - -C $there.new && mv $there.new $there"
  status=0
  options="ASSAY_FLEET_CHECK=$(quoted "${ASSAY_FLEET_CHECK:-}") ASSAY_FLEET_TUNE=$(quoted "${ASSAY_FLEET_TUNE:-}")"
  settled() {
    case $(cat "$ASSAY_FLEET/$kind/$1.state" 2>/dev/null || true) in
      done*) [ -s "$ASSAY_FLEET/$kind/$1.json" ] ;;
      cannot*) ;;
      *) false ;;
    esac
  }
  while read -r name <&3; do
    # What stands if the machine goes down.
    settled "$name" || echo "running $node" >"$ASSAY_FLEET/$kind/$name.state"
    [ "$name" != check ] || continue  # comes with the first repeat
    if settled "$name" && { [ "$name" != 1 ] || settled check; }; then continue; fi
    remote "$options sh -s -- $there/bin/assay $(quoted "$fleet" "$kind" "$name")" <"$here/node.sh" || status=$?
    # After each: a machine that goes down takes only what it is at.
    remote "cd $(quoted "$fleet") && tar -cf - $(quoted "$kind")" </dev/null | tar -xf - --no-same-owner -C "$ASSAY_FLEET" "$kind"
    # A machine calls itself otherwise than ssh does.
    sed -i "s/^\([a-z]* \)[^ ]*/\1$node/" "$ASSAY_FLEET/$kind/"*.state
  done 3<"$ASSAY_FLEET/$kind/wanted"
  exit $status
fi

repeats=1 all='' ssh='ssh -o BatchMode=yes -o ServerAliveInterval=30 -o ConnectTimeout=20'
while [ $# -gt 0 ]; do
  case $1 in
    --repeats) repeats=${2:?--repeats: give a number} && shift ;;
    --all-nodes) all=yes ;;
    --check) export ASSAY_FLEET_CHECK=${2?--check: give options} && shift ;;
    --tune) export ASSAY_FLEET_TUNE=${2?--tune: give options} && shift ;;
    --ssh) ssh=${2:?--ssh: give a command} && shift ;;
    -*) fail "$1 is no option; $0 begins with what there is" ;;
    *) break ;;
  esac
  shift
done
[ $# -eq 3 ] || fail "give a bundle, a folder and the list of machines: ci/fleet/ssh.sh BUNDLE FLEET NODES"
[[ $repeats =~ ^[1-9][0-9]{0,2}$ ]] || fail "--repeats $repeats: give a number of 1 to 999"
[ -s "$1/BUILD" ] || fail "$1: is no folder that ci/bundle.sh made"
mkdir -p "$2"
[[ $(basename "$(realpath "$2")") =~ ^[A-Za-z0-9_.-]+$ ]] || fail "$2: name the folder by letters, digits, _, . and - alone"
[ -r "$3" ] || fail "$3: cannot be read"
command -v parallel >/dev/null || fail "there is no GNU parallel here: install the package parallel" 3
export PARALLEL_SHELL=/bin/bash
export ASSAY_FLEET_SSH=$ssh ASSAY_FLEET_BUNDLE ASSAY_FLEET
ASSAY_FLEET_BUNDLE=$(realpath "$1")
ASSAY_FLEET=$(realpath "$2")
fleet=$ASSAY_FLEET
nodes=$(sed 's/#.*//; s/[[:space:]]//g' "$3" | awk 'NF' | sort -u)
[ -n "$nodes" ] || fail "$3: lists no machine"
! grep -n '[^A-Za-z0-9@._:-]\|^-' <<<"$nodes" >&2 || fail "$3: this is no name that ssh takes"

# What CPU each has, as CPUID says; what is not reached is named.
# shellcheck disable=SC2016
cpu='sed -n "/^processor.*: 1$/q; s/^\(vendor_id\|cpu family\|model\|stepping\)[[:space:]]*: \(.*\)/\2/p" /proc/cpuinfo | tr "\n" -'
listing=$(parallel --will-cite --jobs 0 --keep-order "printf '%s %s\n' {} \"\$($ssh {} $(printf %q "$cpu") </dev/null)\"" <<<"$nodes" || true)
while read -r node kind; do
  [ -n "$kind" ] || { echo "$node: is not reached" && continue; }
  kind=${kind%-}
  [ -z "$all" ] || kind=$kind-$node
  printf '%s %s\n' "${kind//[^A-Za-z0-9_.-]/_}" "$node"
done <<<"$listing" >"$fleet/machines"
visits=''
# shellcheck disable=SC2013
for kind in $(sed '/: is not reached$/d; s/ .*//' "$fleet/machines" | sort -u); do
  mkdir -p "$fleet/$kind"
  grep "^$kind " "$fleet/machines" | cut -d' ' -f2 | sed 's/$/ reached/' >"$fleet/$kind/nodes"
  { echo check && seq "$repeats"; } >"$fleet/$kind/wanted"
  # The one that has begun goes on, unless it failed.
  node=$(cat "$fleet/$kind/"*.state 2>/dev/null | awk '$1 == "done" { print $2 }' | head -1)
  failed=" $(cat "$fleet/$kind/"*.state 2>/dev/null | awk '$1 == "failed" || $1 == "running" { print $2 }' | paste -sd' ') "
  if [ -z "$node" ] || [[ $failed == *" $node "* ]] || ! grep -q "^$node " "$fleet/$kind/nodes"; then
    node=$(cut -d' ' -f1 "$fleet/$kind/nodes" | while read -r n; do [[ $failed == *" $n "* ]] || echo "$n"; done | head -1)
    node=${node:-$(head -1 "$fleet/$kind/nodes" | cut -d' ' -f1)}
  fi
  visits+="$node $kind"$'\n'
done
[ -n "$visits" ] || fail "no machine is reached" 3
printf %s "$visits" |
  parallel --will-cite --jobs 0 --colsep ' ' --tag --line-buffer --joblog "$fleet/joblog" "$0" --visit '{1}' '{2}' || true
status=0
"$here/summary.sh" "$ASSAY_FLEET_BUNDLE/bin/assay" "$fleet" || status=$?
if grep ': is not reached' "$fleet/machines"; then status=1; fi
exit $status
