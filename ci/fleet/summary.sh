#!/bin/sh
# What a fleet has come to: what failed and where, what was disturbed, and the profiles merged. The last job of slurm.sh and ssh.sh.
# usage: summary.sh ASSAY FLEET     exit status 1: something is left to do; 2: the profiles could not be merged
set -u
assay=$1 fleet=$2
left=0
noisy=''
set --
printf '%-28s %-16s %-7s %s\n' kind node what result
for folder in "$fleet"/*/; do
  [ -f "${folder}wanted" ] || continue
  kind=$(basename "$folder")
  if ! ls "$folder"*.state >/dev/null 2>&1; then
    printf '%-28s %-16s %-7s %s\n' "$kind" - - "NOTHING: $(sed 's/ / (/; s/$/)/' "${folder}nodes" | tr '\n' ' ')"
    left=1
    continue
  fi
  while read -r name <&3; do
    state='' node=- status='' seconds=''
    [ ! -s "$folder$name.state" ] || read -r state node status seconds <"$folder$name.state"
    log=$folder$name.log
    case $state in
      done)
        text="done in $seconds s"
        [ "$status" = 0 ] || text="$text; SOME VARIANTS FAILED their check: $log"
        noise=$(sed -n 's/^of [0-9]* rounds \([0-9.]*\)% were disturbed.* control: \([0-9.]*\)%$/\1 \2/p' "$log")
        if [ -n "$noise" ]; then
          text="$text; ${noise% *}% of the rounds disturbed, A/A ${noise#* }%"
          # A quarter of the rounds, or more noise than the 3% that choices may lose.
          if echo "$noise" | awk '{ exit !($1 > 25 || $2 > 3) }'; then
            text="$text: DISTURBED"
            noisy="$noisy $kind/$name.*"
          fi
        fi
        [ "$name" = check ] || set -- "$@" "$folder$name.json"
        ;;
      cannot) text="cannot: $(tail -n 1 "$log")" ;;
      '') text="NOT DONE: another failed before, or no node was free" && left=1 ;;
      running) text="LOST: the node did not come back" && left=1 ;;
      *) text="FAILED with status $status: $(tail -n 1 "$log")" && left=1 ;;
    esac
    printf '%-28s %-16s %-7s %s\n' "$kind" "$node" "$name" "$text"
  done 3<"${folder}wanted"
done
[ $left = 0 ] || echo "NOTHING, LOST, FAILED and NOT DONE are left to do: start the same again."
[ -z "$noisy" ] || echo "To measure what was disturbed again, when those nodes are quiet: cd $fleet && rm$noisy"
# Never that of another time.
rm -f "$fleet/fleet.json"
if [ $# = 0 ]; then
  echo "No profile to merge."
elif "$assay" merge "$@" --out "$fleet/fleet.json" 2>&1; then
  echo "$# profiles merged: $fleet/fleet.json"
else
  echo "NOT MERGED: the line above says why, and in which file"
  left=2
fi
exit $left
