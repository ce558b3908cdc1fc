#!/usr/bin/env bash
# The unit tests and some runs of the program, built with AddressSanitizer and UBSan, then with ThreadSanitizer. A finding
# exits with 86 (ci/sanitizer_options.cpp). Needs the preset `test`, whose kernel variants are linked.
# usage: sanitize.sh [asan] [tsan]
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- asan tsan
for preset in "$@"; do
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  echo "== $preset: unit tests"
  # Without what takes long and is about kernels, times or many runs of one command: other tests go through the same code.
  filter='-Slow*:Deep*:JitGeneration.*:ModelShapes.OtherChoices*:Block.ResultsDepend*:BlockCheck.*:BenchModel.Prints*:Compare.OfTwoHundred*'
  filter=$filter:'Try.AFileOfTheHouse*:CommandLine.EveryOption*:*.MegabytesTakeLinearTime:AtomicFile.AKill*:Convert.ScalesThat*:OldModels.EveryArr*:Plugin.ACallOfTheSystem*'
  # Where there are threads or children: a single thread has no race.
  [ "$preset" = asan ] || filter='Model*:ThreadPool*:Linear*:CallCounter*:Gpt2*:BlockCheck*:ChildProcess*:JudgeTest*:Shrink*:Bench*:ProfileTest*'
  # A part of them on each CPU.
  cpus=$(nproc)
  pids=""
  for ((part = 0; part < cpus; ++part)); do
    GTEST_TOTAL_SHARDS=$cpus GTEST_SHARD_INDEX=$part build/"$preset"/assay_tests --gtest_brief=1 --gtest_filter="$filter" &
    pids="$pids $!"
  done
  for pid in $pids; do wait "$pid"; done
  echo "== $preset: the program"
  assay=build/$preset/assay
  $assay list >/dev/null
  # The variants themselves are not instrumented: of each kernel a compiled one, one in assembly and a generated one.
  $assay check --samples 60 --no-stepping --variant 'scalar,x87,jit_avx2'
  # Two threads over every kernel of the runner; scalar has UBSan inside.
  for force in '*=scalar' ''; do
    answer=$($assay run --quiet --threads 2 --prompt '5+7=' ${force:+--force "$force"})
    echo "$answer"
    [ "$answer" = 12 ]
  done
done
