#!/usr/bin/env bash
# Installs what is missing, builds the presets, and runs every test: the quick ones first.
# usage: test.sh [--deep]     --deep: then what takes some two hours more: ThreadSanitizer, the fuzzers, many seeds and mutants
set -eu
cd "$(dirname "$0")/.."
stage() {  # what begins, and the minutes since the script did
  printf '\n== %d min: %s\n' $((SECONDS / 60)) "$1"
}
case "${*:-}" in '' | --deep) ;; *) echo "usage: ci/test.sh [--deep]" >&2 && exit 2 ;; esac
deep=()
[ "${1:-}" != --deep ] || deep=(slurm-wlm munge parallel debootstrap dpkg-dev libbenchmark-tools python3-scipy)  # a fleet, a Debian of its own, compare.py
# For the emulated CPUs: qemu-user up to AVX2, Bochs and the pieces of its boot disc for AVX-512. For the fuzzers: clang.
ci/install.sh "${deep[@]}" qemu-user bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio \
  clang-19 libclang-rt-19-dev llvm-19
stage "build"
cmake --preset test >/dev/null
cmake --build --preset test
ci/charts.sh build/test || [ $? -eq 3 ]  # 3: not to be had here, as it has said
# Quick ones first: a broken build should say so in a minute.
stage "quick tests"
ctest --preset test --label-exclude 'slow|emulated|deep' -j "$(nproc)"
stage "AddressSanitizer"
ci/sanitize.sh asan
stage "slow tests and emulated CPUs"
ctest --preset test --label-regex 'slow|emulated' --label-exclude deep -j "$(nproc)"
# The matrix, for the log; 3 where a CPU could not be tried, which ctest has printed as skipped.
python3 ci/matrix.py summary build/test/assay build/test/emulated || [ $? -eq 3 ]
stage "done"
[ "${1:-}" = --deep ] || exit 0
ctest --preset test --label-regex deep -j "$(nproc)"
ci/sanitize.sh tsan
ci/fuzz.sh 600
ci/peers.sh || [ $? -eq 3 ]  # 3: not to be had here, as it has said
cmake --build --preset test --target assay_selftest
build/test/assay_selftest selftest --seeds 20
build/test/assay_selftest selftest --false-alarms 200 --samples 100 --stride 19 --seed 3000
python3 ci/mutate.py --build build/test --mutants 600 --seed 2
