#!/usr/bin/env bash
# Installs what is missing, builds the presets `test` and `static`, and runs every test: the quick ones first.
set -eu
cd "$(dirname "$0")/.."
ci/install.sh qemu-user llvm-19
cmake --preset test >/dev/null
cmake --build --preset test
cmake --preset static >/dev/null
cmake --build --preset static
# Quick ones first: a broken build should say so in a minute.
ctest --preset test --label-exclude 'slow|emulated' -j "$(nproc)"
ctest --preset test --label-regex 'slow|emulated' -j "$(nproc)"
