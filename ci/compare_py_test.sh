#!/bin/sh
# Google Benchmark's compare.py reads what `assay bench --format google` writes.
# usage: compare_py_test.sh ASSAY     exit status 3: it is not here
set -eu
assay=$1
compare=/usr/share/benchmark/compare.py
python=/usr/bin/python3  # of the distribution, as its scipy is
[ -f $compare ] && $python -c 'import scipy' 2>/dev/null ||
  { echo 'there is no compare.py, or no scipy for it: apt-get install libbenchmark-tools python3-scipy' && exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for run in before after; do
  "$assay" bench --kernel add_f32 --quick --filter '/L1$' --samples 20 --repetitions 9 --min-time 0.0001 --format google --out "$work/$run.json" >/dev/null
done
$python $compare --no-color benchmarks "$work/before.json" "$work/after.json" | tee "$work/said"
# Each variant has its time before and after, and the test that tells them apart its p-value.
grep -q "^add_f32/scalar/L1 .*[0-9]" "$work/said"
grep -q "^add_f32/scalar/L1_pvalue .*U Test, Repetitions: 9 vs 9" "$work/said"
