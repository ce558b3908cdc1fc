#!/bin/sh
# What another compiler makes of the plain C++ is built, checked, timed and told in a report: of a few kernels, by clang.
# usage: compilers_test.sh BUILD     exit status 3: there is no clang
set -eu
cd "$(dirname "$0")/.."
build=$1
clang=''
for name in clang++-19 clang++; do
  [ -n "$clang" ] || clang=$(command -v $name) || true
done
[ -n "$clang" ] || { echo 'there is no clang++ here: ci/install.sh clang-19' && exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake -S . -B "$work/clang" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$clang" \
  -DCMAKE_C_COMPILER="$(echo "$clang" | sed 's/clang++/clang/')" '-DASSAY_KERNELS=dot_f32|softmax_f32|matmul_q4_0' >"$work/log"
cmake --build "$work/clang" --target compiler_levels >>"$work/log" || { cat "$work/log" && exit 1; }
"$build/assay" check --plugin "$work/clang/plugins/levels.so" --samples 200 | tee "$work/check"
grep -q '^dot_f32/clang:v2 .* pass ' "$work/check"
grep -q '^matmul_q4_0/clang:v2 .* pass ' "$work/check"
"$build/assay" bench --plugin "$work/clang/plugins/levels.so" --plugin "$build/plugins/naive.so" --kernel dot_f32 --quick --filter '/L1$' \
  --samples 20 --repetitions 3 --min-time 0.0001 --md "$work/report.md" >/dev/null
for heading in 'Which compiler?' 'What does effort in plain C++ bring?' 'What does it cost to write?'; do
  grep -qF "### $heading" "$work/report.md" || { echo "the report has no '$heading'" && cat "$work/report.md" && exit 1; }
done
