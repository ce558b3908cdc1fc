#!/usr/bin/env bash
# From a bare Debian 12 to a tuned GPT: installs what is missing, builds, checks, times, chooses, and runs the shipped model.
set -eu
cd "$(dirname "$0")/.."
ci/install.sh
cmake --preset release >/dev/null
cmake --build --preset release
ci/charts.sh build/release || [ $? -eq 3 ]  # 3: not to be had here, as it has said
assay=build/release/assay
$assay cpu
echo
$assay tune --quick --html build/report.html
echo
echo "\$ assay run --prompt '5+7='"
$assay run --prompt "5+7="
echo
echo "\$ echo '5 더하기 7은?' | assay chat -q -m models/koalpaca-q4_0.gguf"
echo "5 더하기 7은?" | $assay chat -q -m models/koalpaca-q4_0.gguf
cat <<'END'

Three things to try next:
  build/release/assay check --kernel exp_f32 --samples 20000    # fuzz one kernel on every ISA
  build/release/assay bench --kernel 'matmul_*' --quick         # time one kernel beside the limits of this CPU
  build/release/assay run --prompt '42+58=' --verify --list-choices
END
echo
echo "The report of this CPU, for any browser: $PWD/build/report.html"
