#!/usr/bin/env bash
# Installs what is missing, builds the presets, and runs every test: the quick ones first.
set -eu
cd "$(dirname "$0")/.."
# For the emulated CPUs: qemu-user up to AVX2, Bochs and the pieces of its boot disc for AVX-512.
ci/install.sh python3 qemu-user bochs bochs-term bochsbios vgabios isolinux syslinux-common genisoimage cpio llvm-19
cmake --preset test >/dev/null
cmake --build --preset test
cmake --preset static >/dev/null
cmake --build --preset static
# Quick ones first: a broken build should say so in a minute.
ctest --preset test --label-exclude 'slow|emulated' -j "$(nproc)"
ctest --preset test --label-regex 'slow|emulated' -j "$(nproc)"
# The sanitizers (ci/sanitize.sh) and the fuzzers (ci/fuzz.sh) take another 20 minutes: by hand, before a release.
