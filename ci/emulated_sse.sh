#!/usr/bin/env bash
# The static build on an emulated CPU without AVX: proof that no AVX leaks out of the variant files.
# usage: emulated_sse.sh ASSAY
set -eu
assay=$1
emulate="qemu-x86_64 -cpu Conroe"
$emulate "$assay" cpu
$emulate "$assay" list
status=0
# Conroe has SSSE3 but neither SSE4.2 nor POPCNT: x86-64-v2 is not runnable either, scalar and x87 are.
$emulate "$assay" check --samples 40 --jobs 2 --timeout 300 || status=$?
echo "check on Conroe: exit status $status"
[ $status -eq 0 ]
# Nehalem is x86-64-v2: the sse variants run too.
qemu-x86_64 -cpu Nehalem "$assay" check --samples 12 --jobs 2 --timeout 300
qemu-x86_64 -cpu Nehalem "$assay" run --quiet --prompt '5+7=' | tee /dev/stderr | grep -qx 12
qemu-x86_64 -cpu Conroe "$assay" run --quiet --prompt '5+7=' | tee /dev/stderr | grep -qx 12
