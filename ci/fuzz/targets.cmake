# One file a target: ci/fuzz/<name>.cpp becomes fuzz_<name>. ci/fuzz.sh makes the corpus, builds and runs them.
# The coverage that libFuzzer steers by is not one that people can read: that is llvm-cov's.
target_compile_options(assay_runtime PUBLIC $<$<COMPILE_LANGUAGE:CXX>:-fprofile-instr-generate> $<$<COMPILE_LANGUAGE:CXX>:-fcoverage-mapping>)
target_link_options(assay_runtime PUBLIC -fprofile-instr-generate)
add_custom_target(fuzzers)
file(GLOB fuzz_sources CONFIGURE_DEPENDS ci/fuzz/*.cpp)
foreach(file ${fuzz_sources})
  cmake_path(GET file STEM name)
  add_executable(fuzz_${name} ${file})
  target_link_libraries(fuzz_${name} PRIVATE assay_core assay_variants)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers fuzz_${name})
endforeach()
