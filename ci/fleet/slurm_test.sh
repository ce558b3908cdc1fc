#!/usr/bin/env bash
# A fleet under a real Slurm, of three nodes on this machine: one as it is, one with an emulated CPU, which can check and not time, and
# one that dies while it measures. It must be named, the others must end, and starting again must complete it.
# usage: slurm_test.sh ASSAY     exit status 3: it cannot be tried here, as it says
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
skip() { echo "skipped: $1" && exit 3; }
[ "$(id -u)" = 0 ] || skip "only root may start these daemons"
for tool in slurmctld slurmd sbatch qemu-x86_64; do
  command -v $tool >/dev/null || skip "there is no $tool: install slurm-wlm, munge and qemu-user"
done
work=$(mktemp -d)
declare -A node
cleanup() {
  kill -KILL "${node[@]}" "${controller:-}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
host=$(hostname -s)
port=$((20000 + $$ % 20000))
mkdir "$work/state" "$work/log"
export SLURM_CONF=$work/slurm.conf
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
SlurmctldPort=$port
SlurmdSpoolDir=$work/%n
StateSaveLocation=$work/state
SlurmctldPidFile=$work/ctld.pid
SlurmdPidFile=$work/%n.pid
SlurmctldLogFile=$work/log/ctld
SlurmdLogFile=$work/log/%n
SlurmdTimeout=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 Features=here
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 Features=nehalem
NodeName=n3 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 3)) CPUs=1 Features=mortal
PartitionName=all Nodes=n1,n2,n3 Default=YES MaxTime=180 State=UP
END
# Each node's processes in a namespace of their own: they die together, as of a machine that loses its power.
start() {
  unshare --mount --pid --fork --mount-proc --kill-child=KILL slurmd -D -N "$1" >/dev/null 2>&1 &
  node[$1]=$!
}
await() {  # await SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "$what did not come about"
      tail -n 5 "$work/first" "$work/log/"* "$work"/fleet/*/*.log 2>/dev/null || true
      exit 1
    fi
    sleep 0.3
  done
}
slurmctld -D -c >/dev/null 2>&1 &
controller=$!
start n1 && start n2 && start n3
all_idle() { [ "$(sinfo -h -N -t idle -o %N | wc -l)" = 3 ]; }
await 60 "three idle nodes" all_idle

# The program of each node: of n2 on an emulated CPU, where qemu's signals lose the x87 stack, and which is not timed; of n3 one that is
# long at it, the first time.
cat >"$work/assay" <<END
#!/bin/sh
case \${SLURMD_NODENAME:-} in
  n2) case \$1 in
      check) set -- "\$@" --no-stepping ;;
      tune) echo "assay: this CPU is emulated" >&2 && exit 3 ;;
    esac
    exec qemu-x86_64 -cpu Nehalem,check=off '$program' "\$@" ;;
  n3) [ "\$1" != tune ] || [ -e '$work/again' ] || exec sleep 300 ;;
esac
exec '$program' "\$@"
END
chmod +x "$work/assay"
fleet() {
  "$here/slurm.sh" --check '--kernel add_f32 --samples 50' --tune "-m $here/../../models/sums.gguf" "$@" "$work/assay" "$work/fleet"
}
expect() { grep -Eq -- "$1" "$work/fleet/summary.txt" || { echo "the summary says nothing of: $1" && cat "$work/fleet/summary.txt" && exit 1; }; }

XDG_CACHE_HOME=$work/cache fleet --repeats 2 --wait >"$work/first" 2>&1 &
first=$!
mortal() { grep -q '^running n3' "$work"/fleet/mortal*/1.state; }
await 120 "a measurement on n3" mortal
kill -KILL "${node[n3]}"
status=0
wait $first || status=$?
cat "$work/first" "$work/fleet/summary.txt"
[ $status = 1 ] || { echo "the exit status is $status though a node was lost" && exit 1; }
expect '^mortal.* n3 +check +done'
expect '^mortal.* n3 +1 +LOST'
expect '^mortal.* 2 +NOT DONE'
expect '^here.* n1 +1 +done in .*rounds disturbed'
expect '^here.* n1 +2 +done'
expect '^nehalem.* n2 +check +done in [0-9]+ s$'
expect '^nehalem.* n2 +1 +cannot: .*this CPU is emulated'
# The emulated CPU's verdicts are its own: it has SSE4.2 and no AVX.
python3 - "$work"/fleet/nehalem*/check.json <<'END'
import json, sys
status = {v["variant"]: v["status"] for v in json.load(open(sys.argv[1]))}
assert status["sse"] == "pass" and status["avx2"] == "not-runnable", status
END
before=$(stat -c %y "$work"/fleet/here*/1.json)

touch "$work/again"
start n3
await 60 "the return of n3" all_idle
fleet --repeats 2 --wait >"$work/second" 2>&1 || { cat "$work/second" "$work/fleet/summary.txt" && exit 1; }
cat "$work/second" "$work/fleet/summary.txt"
grep -q '^here.*: nothing is left to do$' "$work/second"
expect '^mortal.* n3 +1 +done'
expect '^mortal.* n3 +2 +done'
[ "$before" = "$(stat -c %y "$work"/fleet/here*/1.json)" ] || { echo "what was done was done again" && exit 1; }
# The last job has merged them: of one CPU, as n1 and n3 are.
expect ': 4 profiles, [0-9]+ classes$'
expect '^4 profiles merged'
python3 - "$work/fleet/fleet.json" <<'END'
import json, sys
assert [m["profiles"] for m in json.load(open(sys.argv[1]))["members"]] == [4]
END
# What cannot be merged is told, by the exit status too. Nothing else is left to do, so this needs no job.
echo '{}' >"$(echo "$work"/fleet/mortal*)/2.json"
status=0
fleet --repeats 2 --wait >"$work/third" 2>&1 || status=$?
cat "$work/third"
[ $status = 2 ] || { echo "the exit status is $status though nothing was merged" && exit 1; }
grep -q 'mortal.*/2.json: is no assay profile' "$work/third"
grep -q '^NOT MERGED' "$work/third"
[ ! -e "$work/fleet/fleet.json" ] || { echo "an old fleet.json stands for a new one" && exit 1; }
