#!/bin/sh
# What one node does of a fleet's work, and no more than is left of it: the verdicts of its kind, once, and one measurement.
# usage: node.sh ASSAY FLEET KIND REPEAT
#   ASSAY    the program    FLEET/KIND/   gets check.json, REPEAT.json (a profile), a log and a state of each
# ASSAY_FLEET_CHECK and ASSAY_FLEET_TUNE hold more options of `assay check` and `assay tune`.
# A state is one line: done, failed or cannot; the node; the exit status; seconds. `running` is what a node leaves that went down.
set -u
assay=$1 folder=$2/$3 repeat=$4
node=${SLURMD_NODENAME:-$(uname -n)}
mkdir -p "$folder" || exit 2

# step NAME COMMAND...: what it prints goes to NAME.log. It is done if there is NAME.json then.
step() {
  name=$1
  shift
  case $(cat "$folder/$name.state" 2>/dev/null) in
    done*) [ -s "$folder/$name.json" ] && return ;;
    cannot*) return ;;
  esac
  rm -f "$folder/$name.json"
  echo "running $node" >"$folder/$name.state"
  begin=$(date +%s)
  "$@" >"$folder/$name.log" 2>&1
  status=$?
  # 1: some variant failed its check, which is a result as well.
  if [ $status -le 1 ] && [ -s "$folder/$name.json" ]; then
    state='done'
  elif [ $status -eq 3 ]; then
    state=cannot
  else
    state=failed
  fi
  echo "$state $node $status $(($(date +%s) - begin))" >"$folder/$name.state.new"
  mv "$folder/$name.state.new" "$folder/$name.state"
}

check() {
  # shellcheck disable=SC2086
  "$assay" check --json ${ASSAY_FLEET_CHECK:-} >"$folder/check.json.new"
  checked=$?
  [ $checked -gt 1 ] || mv "$folder/check.json.new" "$folder/check.json"
  rm -f "$folder/check.json.new"
  return $checked
}

tune() {
  # shellcheck disable=SC2086
  "$assay" tune --out "$folder/$repeat.json" ${ASSAY_FLEET_TUNE:-}
}

[ "$repeat" != 1 ] || step check check
step "$repeat" tune
case $(cat "$folder/$repeat.state") in
  failed*) exit 1 ;;
esac
