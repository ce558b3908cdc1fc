#!/usr/bin/env bash
# Exports kernels for CPUs whose times are made up, builds the example with them in both ways and by both compilers, and runs it here and on emulated
# CPUs: each must take the variants that the fleet chose for it.
# usage: export_test.sh ASSAY
set -eu
here=$(cd "$(dirname "$0")" && pwd)
assay=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$assay" cpu --json >native.json
like=(native.json)
emulated=()
for cpu in nehalem haswell skylake-x; do
  if "$here/../emulate.sh" "$cpu" -- "$assay" cpu --json >"$cpu.json" 2>"$cpu.log"; then
    like+=("$cpu.json")
    emulated+=("$cpu")
  else
    echo "not tried: $cpu: $(tail -n 1 "$cpu.log")"
  fi
done
python3 "$here/../made_up_profiles.py" "$assay" profiles --like "${like[@]}" --repeats 2 --classes 4 --kernels 'dot_f32,softmax_f32,matmul_q4_0,quantize_q8_0'
"$assay" merge profiles/*.json --out fleet.json >/dev/null
"$assay" export fleet.json --to exported --kernels 'dot_f32,softmax_f32,matmul_q4_0,quantize_q8_0' --within 10
"$assay" export --check exported
# What each CPU must say that it takes: the labels of its classes, in their order, each once.
wanted() {
  python3 - "$1" "$2" <<'PYTHON'
import json, sys
evidence, brand = json.load(open("exported/evidence.json")), json.load(open(sys.argv[1] + ".json"))["brand"]
[number] = [n for n, cpu in enumerate(evidence["cpus"]) if cpu["name"].startswith(brand + " (")]
labels = [row["call"] for row in evidence["kernels"][sys.argv[2]]["cpus"][str(number)]]
print(", ".join(dict.fromkeys(labels)) + ": as measured on " + evidence["cpus"][number]["name"])
PYTHON
}
# expect PLACE FILE: what a program has printed is what the fleet chose.
expect() {
  while read -r kernel text; do
    case $kernel in *_*) [ "$text" = "$(wanted "$1" "$kernel")" ] || { echo "$1: $kernel takes '$text', not '$(wanted "$1" "$kernel")'" >&2; exit 1; } ;; esac
  done <"$2"
  cat "$2"
}
for compiler in g++ clang++-19; do
  command -v $compiler >/dev/null || { echo "not tried: $compiler is not installed"; continue; }
  c=${compiler/clang++/clang}
  flags=(-G Ninja -DCMAKE_CXX_COMPILER=$compiler "-DCMAKE_C_COMPILER=${c/g++/gcc}" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_INSTALL_PREFIX=$folder/installed")
  cmake -S "$here/export" -B $compiler "${flags[@]}" -DKERNELS="$folder/exported" -DASSAY_PROGRAM="$assay" -DCMAKE_EXE_LINKER_FLAGS=-static >/dev/null
  cmake --build $compiler >/dev/null
  ctest --test-dir $compiler --output-on-failure  # with the verdict on this compiler's build
  both="$compiler/in_c && $compiler/in_cpp"
  sh -c "$both" >out && expect native out
  for cpu in "${emulated[@]}"; do
    [ $compiler = g++ ] || [ "$cpu" = nehalem ] || continue  # the others' emulator starts a machine each time
    echo "on $cpu, built by $compiler:"
    if [ "$cpu" = nehalem ]; then  # of which qemu-user emulates one process
      "$here/../emulate.sh" "$cpu" -- $compiler/in_c >out 2>err && "$here/../emulate.sh" "$cpu" -- $compiler/in_cpp >>out 2>>err
    else
      "$here/../emulate.sh" --in $compiler/in_c --in $compiler/in_cpp "$cpu" -- /bin/sh -c "$both" >out 2>err
    fi || { cat out err >&2; exit 1; }
    expect "$cpu" out
  done
  # Forced, and forced wrongly.
  ASSAY_FORCE='*=scalar' $compiler/in_cpp | grep -qx 'dot_f32 scalar'
  ! (ASSAY_FORCE='dot_f64=scalar' $compiler/in_cpp >/dev/null 2>err) 2>/dev/null || exit 1
  grep -q 'there is no such kernel' err
done
# In one header and one file.
"$assay" export fleet.json --to dropped --within 10 --format header >/dev/null
"$assay" export --check dropped
mkdir -p include/assay
cp dropped/assay_kernels.h include/assay/kernels.h
g++ -std=c++20 -O2 -Wall -Werror -fno-math-errno -fno-trapping-math -Iinclude -c dropped/assay_kernels.cpp -o dropped.o
g++ -std=c++20 -O2 -Iinclude "$here/export/in_cpp.cpp" dropped.o -lpthread -o dropped_in
./dropped_in >out && expect native out
# Installed, found by CMake and by pkg-config.
cmake --install g++ >/dev/null
cmake -S "$here/export" -B found -G Ninja -DCMAKE_PREFIX_PATH="$folder/installed" >/dev/null
cmake --build found >/dev/null
ctest --test-dir found --output-on-failure
config() { PKG_CONFIG_PATH=$(dirname "$(find "$folder/installed" -name assay_kernels.pc)") pkg-config --static "$1" assay_kernels; }
# shellcheck disable=SC2046
gcc "$here/export/in_c.c" $(config --cflags) $(config --libs) -lm -lpthread -o by_pkg_config
./by_pkg_config >out && expect native out
