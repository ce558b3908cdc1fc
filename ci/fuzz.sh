#!/usr/bin/env bash
# Builds the fuzzers of ci/fuzz/, makes their seed corpus, and runs each for SECONDS, two at once; then prints what they ran
# and how much of the code that they are for. Fails if one finds anything: a crash, undefined behaviour, a leak, an input
# that takes over 10 s or over 1 GiB.
# usage: fuzz.sh [SECONDS [TARGET...]]     (60, all targets)
#
# Inputs that reached new code stay in build/fuzz/corpus/TARGET: a longer run goes on from there, `ci/fuzz.sh 3600 gguf`.
# Findings are in build/fuzz/findings/: `build/fuzz/fuzz_TARGET FILE` runs one again.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift $(($# > 0 ? 1 : 0))
ci/install.sh clang-19 libclang-rt-19-dev llvm-19
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
build=build/fuzz
[ $# -gt 0 ] || set -- $(cd ci/fuzz && ls ./*.cpp | sed 's|^\./||; s|\.cpp$||')
python3 ci/fuzz/corpus.py $build/corpus
mkdir -p $build/findings $build/logs

fuzz() {
  LLVM_PROFILE_FILE=$build/logs/$1.profraw $build/fuzz_"$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=768 -max_len=32768 \
    -print_final_stats=1 -artifact_prefix=$build/findings/"$1"- $build/corpus/"$1" >$build/logs/"$1".log 2>&1
}
failed=""
while [ $# -gt 0 ]; do
  first=$1 second=${2:-}
  shift $(($# > 1 ? 2 : 1))
  fuzz "$first" &
  one=$!
  [ -z "$second" ] || fuzz "$second" || failed="$failed $second"
  wait $one || failed="$failed $first"
  for target in $first $second; do
    grep -E '^#[0-9]+.DONE|number_of_executed|peak_rss' $build/logs/"$target".log | sed "s/^/$target: /" || true
    if llvm-profdata-19 merge -o $build/logs/"$target".profdata $build/logs/"$target".profraw; then
      # shellcheck disable=SC2046
      llvm-cov-19 report $build/fuzz_"$target" -instr-profile=$build/logs/"$target".profdata $(sed -n 's|^// Covers: ||p' ci/fuzz/"$target".cpp) |
        awk -v t="$target" 'NR > 2 && NF >= 10 { printf "%s: %-28s regions %s lines %s\n", t, $1, $4, $10 }'
    fi
  done
done
for target in $failed; do
  echo "$target found something:" >&2
  tail -n 40 $build/logs/"$target".log >&2
done
[ -z "$failed" ]
