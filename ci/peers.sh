#!/usr/bin/env bash
# Holds the weight formats against llama.cpp's own library, a released npm package. Without npm or a registry it says so and exits with 3.
# usage: peers.sh     builds the preset `test` first if that is not done
set -eu
cd "$(dirname "$0")/.."
ci/install.sh npm
folder=build/peers
package=@node-llama-cpp/linux-x64@3.22.1
mkdir -p $folder
if ! npm install --silent --no-save --force --prefix $folder $package; then
  echo "peers.sh: npm cannot install $package" >&2
  exit 3
fi
cmake --build --preset test --target assay_tests
ASSAY_GGML_BASE=$(find "$PWD/$folder" -name libggml-base.so | head -n 1) build/test/assay_tests --gtest_filter='Ggml*'
