# GoogleTest suites beside their sources, and one test for each kernel x variant, named check/<kernel>/<variant> and
# labelled with its ISA: `ctest -L avx2`. Where the CPU lacks the ISA, `assay check` exits with 3: skipped, not passed.
file(GLOB test_sources CONFIGURE_DEPENDS harness/*_test.cpp runner/*_test.cpp reference/*_test.cpp reports/*_test.cpp)
add_executable(assay_tests ${test_sources})
target_compile_definitions(assay_tests PRIVATE ASSAY_BINARY="$<TARGET_FILE:assay>"
                           ASSAY_SELFTEST_BINARY="$<TARGET_FILE:assay_selftest>" ASSAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_link_libraries(assay_tests PRIVATE assay_core assay_variants GTest::gtest GTest::gtest_main)
add_dependencies(assay_tests assay assay_selftest)
target_link_options(assay_tests PRIVATE -Wl,--build-id=sha1)
include(GoogleTest)
gtest_discover_tests(assay_tests DISCOVERY_TIMEOUT 60 TEST_FILTER "-Slow*" PROPERTIES LABELS unit TIMEOUT 300)
gtest_discover_tests(assay_tests DISCOVERY_TIMEOUT 60 TEST_FILTER "Slow*" PROPERTIES LABELS slow TIMEOUT 1200)

foreach(kernel ${kernels})
  foreach(isa ${isas})
    set(names ${isa})
    if(isa STREQUAL "jit")
      set(names jit_avx2 jit_avx512)
    endif()
    foreach(name ${names})
      add_test(NAME check/${kernel}/${name} COMMAND assay check --kernel ${kernel} --variant ${name} --jobs 1)
      set_tests_properties(check/${kernel}/${name} PROPERTIES LABELS "${name};check" SKIP_RETURN_CODE 3 TIMEOUT 600)
    endforeach()
  endforeach()
endforeach()

# The harness's own test: planted defects are caught, by the check that should, with 20 seeds; true variants are not accused.
add_test(NAME selftest/planted_defects COMMAND assay_selftest selftest --seeds 20)
add_test(NAME selftest/false_alarms COMMAND assay_selftest selftest --false-alarms 3 --samples 300 --seed 1000)
set_tests_properties(selftest/planted_defects selftest/false_alarms PROPERTIES LABELS "selftest;slow" TIMEOUT 1500)

# No variant may define a symbol that the linker could share with a file of other flags.
add_test(NAME house/no_shared_symbols COMMAND ${CMAKE_SOURCE_DIR}/ci/no_shared_symbols.sh ${variant_objects})
set_tests_properties(house/no_shared_symbols PROPERTIES LABELS house)

# The static build under an emulated CPU: built by ci/test.sh beside this one.
find_program(qemu qemu-x86_64)
add_test(NAME emulated/sse_only COMMAND ${CMAKE_SOURCE_DIR}/ci/emulated_sse.sh ${CMAKE_SOURCE_DIR}/build/static/assay)
set_tests_properties(emulated/sse_only PROPERTIES LABELS emulated TIMEOUT 1200)
if(NOT qemu)
  set_tests_properties(emulated/sse_only PROPERTIES DISABLED TRUE)  # printed as "not run", not as a pass
endif()
