#!/usr/bin/env bash
# Measures one node of each kind of a Slurm cluster, and then, as the last job, names what failed and merges the profiles.
# Started again it does what is left, and takes another node of the kind where one failed.
# usage: ci/fleet/slurm.sh [--repeats N] [--all-nodes] [--check OPTIONS] [--tune OPTIONS] [--wait] ASSAY FLEET [SBATCH OPTIONS...]
#   ASSAY       the program, on a file system that all nodes have: bin/assay of what ci/bundle.sh makes
#   FLEET       a folder there for the results
#   --repeats   measurements of each node, one after the other (default: 1)
#   --all-nodes every node, not one of each kind: nodes are of a kind that have the same features, CPUs and sockets for Slurm
#   --check, --tune   more options of `assay check` and `assay tune`, in one word: --tune '--quick'
#   --wait      until all is done; the exit status is then the last job's: 1 if something is left to do, 2 if the profiles could not be merged
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "fleet: $1" >&2 && exit "${2:-2}"; }
repeats=1 kind_of='%f_%z' wait=()
while [ $# -gt 0 ]; do
  case $1 in
    --repeats) repeats=${2:?--repeats: give a number} && shift ;;
    --all-nodes) kind_of='%f_%z_%N' ;;
    --check) export ASSAY_FLEET_CHECK=${2?--check: give options} && shift ;;
    --tune) export ASSAY_FLEET_TUNE=${2?--tune: give options} && shift ;;
    --wait) wait=(--wait) ;;
    -*) fail "$1 is no option; $0 begins with what there is" ;;
    *) break ;;
  esac
  shift
done
[ $# -ge 2 ] || fail "give the program and a folder: ci/fleet/slurm.sh ASSAY FLEET"
[[ $repeats =~ ^[1-9][0-9]{0,2}$ ]] || fail "--repeats $repeats: give a number of 1 to 999"
[ -x "$1" ] || fail "$1: is no program; ci/bundle.sh makes one that runs on any node"
assay=$(realpath "$1")
mkdir -p "$2"
fleet=$(realpath "$2")
shift 2
command -v sbatch >/dev/null || fail "there is no sbatch here: start this where jobs are submitted" 3
if [ -s "$fleet/jobs" ] && [ -n "$(squeue -h -j "$(paste -sd, "$fleet/jobs")" 2>/dev/null)" ]; then
  fail "$fleet: its jobs $(paste -sd, "$fleet/jobs") are not done: wait for them, or scancel them"
fi
: >"$fleet/jobs"

# A node's kind as the name of a folder.
listing=$(sinfo -h -N -o "%N|%T|$kind_of" | sort -u | sed 's/(null)/no_features/' |
  awk -F'|' '{ gsub(/[^A-Za-z0-9_.-]+/, "_", $3); print $3, $1, $2 }' | sort -u)
[ -n "$listing" ] || fail "sinfo lists no nodes" 3

# A node that goes down leaves no job waiting for it for ever, and the last job waiting for that one.
deadline=now+3days

is_left() {  # is_left KIND NAME
  case $(cat "$fleet/$1/$2.state" 2>/dev/null || true) in
    done*) [ ! -s "$fleet/$1/$2.json" ] ;;
    cannot*) false ;;
  esac
}

for kind in $(cut -d' ' -f1 <<<"$listing" | uniq); do
  mkdir -p "$fleet/$kind"
  grep "^$kind " <<<"$listing" | cut -d' ' -f2- >"$fleet/$kind/nodes"
  { echo check && seq "$repeats"; } >"$fleet/$kind/wanted"
  left=$(for r in $(seq "$repeats"); do ! is_left "$kind" "$r" || echo "$r"; done)
  if [ -z "$left" ] && is_left "$kind" check; then left=1; fi
  if [ -z "$left" ]; then
    echo "$kind: nothing is left to do"
    continue
  fi
  # Nodes that are up; last those that failed before. A star marks one that does not answer.
  before=" $(cat "$fleet/$kind/"*.state 2>/dev/null | awk '$1 == "failed" || $1 == "running" { print $2 }' | paste -sd' ') "
  up=$(grep -E ' (idle|mixed|allocated|completing|planned)$' "$fleet/$kind/nodes" | cut -d' ' -f1 || true)
  node=$(for n in $up; do [[ $before == *" $n "* ]] || echo "$n"; done | head -1)
  node=${node:-${up%%$'\n'*}}
  if [ -z "$node" ]; then
    echo "$kind: no node is up: $(sed 's/ / (/; s/$/)/' "$fleet/$kind/nodes" | paste -sd' ')"
    continue
  fi
  # Each repeat behind the one before: where a node goes down, those that are left end at once. The tasks of an array would wait.
  after=()
  for repeat in $left; do
    job=$(sbatch --parsable --job-name="assay-$kind-$repeat" --nodelist="$node" --export=ALL --deadline="$deadline" \
      --output="$fleet/$kind/slurm-$repeat.log" "${after[@]}" "$@" \
      "$here/fleet.sbatch" "$here/node.sh" "$assay" "$fleet" "$kind" "$repeat")
    job=${job%%;*}
    echo "$job" >>"$fleet/jobs"
    echo "$kind: $node, repeat $repeat, job $job"
    after=(--dependency="afterok:$job" --kill-on-invalid-dep=yes)
  done
done
if [ ! -s "$fleet/jobs" ]; then
  exec "$here/summary.sh" "$assay" "$fleet"
fi
# However they end: a node that went down takes no more with it than its own results.
job=$(sbatch --parsable --job-name=assay-merge --ntasks=1 --time=30 "${wait[@]}" --output="$fleet/summary.txt" \
  --dependency="afterany:$(paste -sd: "$fleet/jobs")" --wrap "exec $(printf '%q ' "$here/summary.sh" "$assay" "$fleet")") || status=$?
echo "${job%%;*}" >>"$fleet/jobs"
echo "the last job is ${job%%;*}; it writes $fleet/summary.txt"
exit "${status:-0}"
