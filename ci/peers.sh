#!/usr/bin/env bash
# Holds the weight formats and the models of every architecture against llama.cpp's own libraries, released npm packages. Without npm or a
# registry it says so and exits with 3.
# usage: peers.sh [matrix [SAMPLES [CPU]] | speed [FORMATS] | model FILE...]     builds the preset `test` first if that is not done
#   matrix: verdicts of all of its builds' kernels: the table of reports/peers/llama_cpp.md. CPU: one of `ci/emulate.sh --list`, for the builds
#     that this one does not run; few samples, as those take some 300 times as long there
#   speed: its products beside ours, on one thread, for each of its libraries that this CPU runs: a table in Markdown for each; with
#     `attention` for FORMATS its flash attention. ASSAY_IK of the environment: the path of a libggml.so of ik_llama.cpp that somebody has
#     built: beside both
#   model: whole models of these files in turn, on one thread and on two: a table of speed, of loading, and of memory; see ci/peers_model.mjs.
#     For three rounds of a 1B model four minutes a file
set -eu
files=()
[ "${1:-}" != model ] || mapfile -t files < <(realpath -- "${@:2}")
cd "$(dirname "$0")/.."
command -v npm >/dev/null || ci/install.sh npm
folder=build/peers
version=3.22.1
mkdir -p $folder
# Without its scripts: they would look for other builds of the library, or make one.
if ! npm install --silent --no-save --force --ignore-scripts --prefix $folder "node-llama-cpp@$version" "@node-llama-cpp/linux-x64@$version"; then
  echo "peers.sh: npm cannot install node-llama-cpp $version" >&2
  exit 3
fi
base=$(find "$PWD/$folder" -name libggml-base.so | head -n 1)
if [ "${1:-}" = matrix ]; then
  cmake --build --preset test --target assay adapter_ggml adapter_ggml_graphs adapter_ggml_repack >&2
  plugins=()
  for plugin in ggml ggml_graphs ggml_repack; do
    plugins+=(--plugin "build/test/plugins/$plugin.so:$(dirname "$base")")
  done
  build/test/assay check "${plugins[@]}" --samples "${2:-1000}" --no-shrink --json ${3:+--cpu "$3" --no-stepping} | ci/peers_matrix.py
  exit
fi
if [ "${1:-}" = speed ]; then
  cmake --build --preset test --target peers_speed >&2
  # Beside each library what we have of no more than its instructions.
  for pair in haswell=avx2,jit_avx2 alderlake=avx_vnni skylakex=avx512,jit_avx512 icelake=avx512_vnni,jit_avx512_vnni \
    sapphirerapids=avx512_vnni,jit_avx512_vnni zen4=avx512_vnni,jit_avx512_vnni; do
    build/test/peers_speed "$(dirname "$base")" "${pair%%=*}" "${pair#*=}" "${2:-all}" ${ASSAY_IK:+"$ASSAY_IK"} || [ $? -eq 3 ]
    echo
  done
  exit 0
fi
if [ "${1:-}" = model ]; then
  cmake --build --preset test --target assay >&2
  exec node ci/peers_model.mjs build/test/assay "$PWD/$folder/node_modules" "${files[@]}"
fi
cmake --build --preset test --target assay_tests
ASSAY_GGML_BASE=$base ASSAY_NODE_MODULES=$PWD/$folder/node_modules build/test/assay_tests --gtest_filter='Ggml*:LlamaCpp*'
