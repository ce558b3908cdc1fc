#!/usr/bin/env bash
# ci/emulate.sh keeps what it promises: arguments, both outputs, files in and out, exit status, signals, time limit.
# usage: emulate_test.sh CPU
set -u
emulate=$(cd "$(dirname "$0")" && pwd)/emulate.sh
cpu=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
gcc -O1 -o "$folder/probe" "$(dirname "$0")/emulate_probe.c" || exit 1
cd "$folder" || exit 1
head -c 100000 /dev/urandom > 'in file'
bad=0
expect() {  # WHAT GOT WANT
  if [ "$2" != "$3" ]; then
    printf '%s: got "%s", expected "%s"\n' "$1" "$2" "$3"
    bad=1
  fi
}

"$emulate" --out result "$cpu" -- ./probe 'in file' result signal 8 "it's" '"$x"' '' '*' > out 2> err < /dev/urandom
status=$?
if [ $status -eq 3 ]; then
  cat err
  exit 3
fi
expect "status after signal 8" $status 136
expect "standard output" "$(cat out)" "[signal][8][it's][\"\$x\"][][*] stdin empty"
expect "standard error" "$(grep -c '^to stderr$' err)" 1
expect "name of the signal" "$(grep -c 'ended by signal 8 (Floating point exception)' err)" 1
cmp 'in file' result || bad=1

# Bochs boots for longer than the limit: what is cut off there is the boot.
"$emulate" --timeout 3 "$cpu" -- ./probe 'in file' result hang 0 > out 2> err
expect "status of a hang" $? 124
expect "message of a hang" "$(grep -c 'cut off: ./probe had not ended' err)" 1

"$emulate" "$cpu" -- ./nothing > out 2> err
expect "status without a program" $? 127
"$emulate" no-such-cpu -- ./probe > out 2> err
expect "status of an unknown CPU" $? 2
"$emulate" "$cpu" --in nothing -- ./probe > out 2> err
expect "status of an input that is not there" $? 2
# A second boot for these: only where one costs nothing.
if "$emulate" --list | grep "^$cpu .*qemu-user" > /dev/null; then
  "$emulate" "$cpu" -- ./probe 'in file' result exit 77 > out 2> err
  expect "exit status" $? 77
  "$emulate" --out nothing "$cpu" -- ./probe 'in file' result exit 0 > out 2> err
  expect "status without the output file" $? 125
fi
[ $bad -eq 0 ] && echo "$cpu: arguments, outputs, files, status, signal and time limit come through"
exit $bad
