#!/usr/bin/env bash
# Installs what is missing, builds the presets, and runs every test: the quick ones first.
# usage: test.sh [--deep]     --deep: then what takes some two hours more: ThreadSanitizer, longer fuzzing, many seeds and mutants
set -eu
cd "$(dirname "$0")/.."
case "${*:-}" in '' | --deep) ;; *) echo "usage: ci/test.sh [--deep]" >&2 && exit 2 ;; esac
# For the emulated CPUs: qemu-user up to AVX2, Bochs and the pieces of its boot disc for AVX-512. For the fuzzers: clang.
ci/install.sh qemu-user bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio \
  clang-19 libclang-rt-19-dev llvm-19
cmake --preset test >/dev/null
cmake --build --preset test
# Quick ones first: a broken build should say so in a minute.
ctest --preset test --label-exclude 'slow|emulated' -j "$(nproc)"
ci/sanitize.sh asan
ci/fuzz.sh 30
cmake --preset static -DASSAY_VARIANTS_FROM="$PWD/build/test" >/dev/null  # their code is the same, and half of the build
cmake --build --preset static
ctest --preset test --label-regex 'slow|emulated' -j "$(nproc)"
# The matrix, for the log; 3 where a CPU could not be tried, which ctest has printed as skipped.
python3 ci/matrix.py summary build/static/assay build/test/emulated || [ $? -eq 3 ]
[ "${1:-}" = --deep ] || exit 0
ci/sanitize.sh tsan
ci/fuzz.sh 600
ci/peers.sh || [ $? -eq 3 ]  # 3: not to be had here, as it has said
cmake --build --preset test --target assay_selftest
build/test/assay_selftest selftest --seeds 20
build/test/assay_selftest selftest --false-alarms 200 --samples 100 --stride 19 --seed 3000
python3 ci/mutate.py --build build/test --mutants 600 --seed 2
