#!/usr/bin/env bash
# Installs what is missing, builds the presets, and runs every test: the quick ones first.
set -eu
cd "$(dirname "$0")/.."
# For the emulated CPUs: qemu-user up to AVX2, Bochs and the pieces of its boot disc for AVX-512. For the fuzzers: clang.
ci/install.sh qemu-user bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio \
  clang-19 libclang-rt-19-dev llvm-19
cmake --preset test >/dev/null
cmake --build --preset test
# Quick ones first: a broken build should say so in a minute.
ctest --preset test --label-exclude 'slow|emulated' -j "$(nproc)"
ci/sanitize.sh
ci/fuzz.sh 60
cmake --preset static -DASSAY_VARIANTS_FROM="$PWD/build/test" >/dev/null  # their code is the same, and half of the build
cmake --build --preset static
ctest --preset test --label-regex 'slow|emulated' -j "$(nproc)"
# The matrix, for the log; 3 where a CPU could not be tried, which ctest has printed as skipped.
python3 ci/matrix.py summary build/static/assay build/test/emulated || [ $? -eq 3 ]
