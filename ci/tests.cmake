# GoogleTest suites beside their sources, and one test for each kernel x variant, named check/<kernel>/<variant> and
# labelled with its ISA: `ctest -L avx2`. Where the CPU lacks the ISA, `assay check` exits with 3: skipped, not passed.
file(GLOB test_sources CONFIGURE_DEPENDS harness/*/*_test.cpp runner/*_test.cpp reference/*_test.cpp reports/*_test.cpp)
add_executable(assay_tests ci/tests_main.cpp ${test_sources})
target_compile_definitions(assay_tests PRIVATE ASSAY_BINARY="$<TARGET_FILE:assay>"
                           ASSAY_SELFTEST_BINARY="$<TARGET_FILE:assay_selftest>" ASSAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
set_target_properties(assay_tests PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
target_link_libraries(assay_tests PRIVATE assay_core assay_variants GTest::gtest)
# What they test is in the libraries: they themselves compile in half the time, of what was the longest part of a build.
target_compile_options(assay_tests PRIVATE -O0)
# A false warning of GCC 12 about "literal" + string (GCC bug 105651).
target_compile_options(assay_tests PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
add_dependencies(assay_tests assay assay_selftest)
# Plug-ins that the tests load: an example in C and one in assembly, some with claims, and one that goes wrong.
foreach(plugin ci/examples/plugins/dot.c ci/examples/plugins/add.asm ci/plugins/claims.c ci/plugins/hostile.c)
  cmake_path(GET plugin STEM name)
  add_library(plugin_${name} MODULE ${plugin})
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY plugins
                        LINKER_LANGUAGE C)
  target_link_libraries(plugin_${name} PRIVATE Threads::Threads)
  add_dependencies(assay_tests plugin_${name})
endforeach()
add_dependencies(assay_tests ${adapters})
target_compile_options(plugin_dot PRIVATE -O3 -march=x86-64-v3)
target_compile_options(plugin_claims PRIVATE -O2 -ffp-contract=off)
target_compile_definitions(assay_tests PRIVATE ASSAY_PLUGINS="${CMAKE_BINARY_DIR}/plugins")
target_link_options(assay_tests PRIVATE -Wl,--build-id=sha1)
include(GoogleTest)
gtest_discover_tests(assay_tests DISCOVERY_TIMEOUT 60 TEST_FILTER "-Slow*:Deep*" PROPERTIES LABELS unit TIMEOUT 300)
gtest_discover_tests(assay_tests DISCOVERY_TIMEOUT 60 TEST_FILTER "Slow*" PROPERTIES LABELS slow TIMEOUT 1200)
gtest_discover_tests(assay_tests DISCOVERY_TIMEOUT 60 TEST_FILTER "Deep*" PROPERTIES LABELS deep TIMEOUT 3600)

foreach(kernel ${kernels})
  foreach(label ${labels_${kernel}})
    add_test(NAME check/${kernel}/${label} COMMAND assay check --kernel ${kernel} --variant ${label} --jobs 1 --samples 600)
    set_tests_properties(check/${kernel}/${label} PROPERTIES LABELS "${label};check" SKIP_RETURN_CODE 3 TIMEOUT 600)
  endforeach()
endforeach()

# The harness's own test: planted defects are caught, by the check that should; true variants are not accused.
add_test(NAME selftest/planted_defects COMMAND assay_selftest selftest --seeds 3)
add_test(NAME selftest/false_alarms COMMAND assay_selftest selftest --false-alarms 1 --samples 150 --seed 1000)
# Functions of one float: a share of all 2^32 inputs, which follows from the commit; all of them in `ci/test.sh --deep`.
set(vectors "auto_v*,sse,avx2,avx512,jit_*")
set(share sh -c "$<TARGET_FILE:assay> check --exhaustive --variant \"$1\" --stride $2 --seed 0x$(git rev-parse --short=7 HEAD || echo 1)" sh)
add_test(NAME exhaustive/share/vectors WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} COMMAND ${share} ${vectors} 8)
add_test(NAME exhaustive/share/scalar WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} COMMAND ${share} scalar,x87 64)
add_test(NAME exhaustive/vectors COMMAND assay check --exhaustive --variant ${vectors})
set(exhaustive exhaustive/share/vectors exhaustive/share/scalar exhaustive/vectors)
set_tests_properties(${exhaustive} PROPERTIES LABELS "check;slow" SKIP_RETURN_CODE 3 TIMEOUT 3000)
set_tests_properties(exhaustive/vectors PROPERTIES LABELS "check;deep")
# Lengths over 2^31 bytes: one kernel on one ISA, and what is planted for it. `assay check --large` tries them all.
add_test(NAME large/dot_f32/avx2 COMMAND assay check --large --kernel dot_f32 --variant avx2)
add_test(NAME selftest/large COMMAND assay_selftest selftest --large --seeds 1)
set_tests_properties(large/dot_f32/avx2 selftest/large PROPERTIES LABELS "selftest;slow" SKIP_RETURN_CODE 3
                     RESOURCE_LOCK memory TIMEOUT 600)
set_tests_properties(selftest/planted_defects selftest/false_alarms PROPERTIES LABELS "selftest;slow" TIMEOUT 1500)

# No variant may define a symbol that the linker could share with a file of other flags.
add_test(NAME house/no_shared_symbols COMMAND ${CMAKE_SOURCE_DIR}/ci/no_shared_symbols.sh ${variant_objects}
         COMMAND_EXPAND_LISTS)
# Nor hold a variable that can be written, as some planted defects do: the second test sees those.
add_test(NAME house/static_state COMMAND ${CMAKE_SOURCE_DIR}/ci/static_state.py ${variant_objects} COMMAND_EXPAND_LISTS)
set_tests_properties(house/static_state PROPERTIES LABELS house)
if(ASSAY_KERNELS STREQUAL ".*" AND NOT ASSAY_VARIANTS_FROM)  # then the defects' objects are another build's
  add_test(NAME house/static_state_is_seen COMMAND ${CMAKE_SOURCE_DIR}/ci/static_state.py $<TARGET_OBJECTS:defects_scalar>
           COMMAND_EXPAND_LISTS)
  set_tests_properties(house/static_state_is_seen PROPERTIES LABELS house PASS_REGULAR_EXPRESSION
                       "scores \\(16384 bytes in .bss\\)")
endif()
# What plants the defects tells of an edit that does not fit.
add_test(NAME house/defects COMMAND ${python3} ${CMAKE_SOURCE_DIR}/ci/defects_test.py)
# And what makes mutants of variants: its edits, and that what it says is no defect still fits the code.
add_test(NAME house/mutate COMMAND ${python3} ${CMAKE_SOURCE_DIR}/ci/mutate_test.py)
# README.md and its translation have the same commands, and what compares them sees where they have not.
add_test(NAME house/readmes COMMAND ${python3} ${CMAKE_SOURCE_DIR}/ci/readmes.py)
add_test(NAME house/readmes_compared COMMAND ${python3} ${CMAKE_SOURCE_DIR}/ci/readmes_test.py)
set_tests_properties(house/no_shared_symbols house/defects house/mutate house/readmes house/readmes_compared PROPERTIES LABELS house)
# Some mutants of the variants; `ci/mutate.py --mutants 600` makes many (reports/mutation.md).
if(ASSAY_KERNELS STREQUAL ".*" AND NOT ASSAY_VARIANTS_FROM)
  add_test(NAME selftest/mutants COMMAND ${python3} ${CMAKE_SOURCE_DIR}/ci/mutate.py --build ${CMAKE_BINARY_DIR} --mutants 12
           --minutes 2 --allow 1)
  set_tests_properties(selftest/mutants PROPERTIES LABELS "selftest;slow" TIMEOUT 600)
endif()

# Which part may include which; that running a model needs neither the fuzzer nor the reference, and leaves arithmetic to kernels.
add_test(NAME house/includes COMMAND ${CMAKE_SOURCE_DIR}/ci/includes.py)
add_executable(runner_alone ci/runner_alone.cpp)
target_link_libraries(runner_alone PRIVATE assay_runner assay_runtime assay_variants)
add_dependencies(assay_tests runner_alone)
add_test(NAME house/runner_alone COMMAND runner_alone ${CMAKE_SOURCE_DIR}/models/sums.gguf 5+7=)
add_test(NAME house/runner_arithmetic COMMAND ${CMAKE_SOURCE_DIR}/ci/runner_arithmetic.py $<TARGET_OBJECTS:assay_runner>
         COMMAND_EXPAND_LISTS)
set_tests_properties(house/includes house/runner_alone house/runner_arithmetic PROPERTIES LABELS house)
set_tests_properties(house/runner_alone PROPERTIES PASS_REGULAR_EXPRESSION "^12\n$")

# An installed assay in somebody's project.
add_test(NAME example/downstream COMMAND ${CMAKE_SOURCE_DIR}/ci/examples/downstream_test.sh ${CMAKE_BINARY_DIR})
set_tests_properties(example/downstream PROPERTIES LABELS "unit;slow" TIMEOUT 600)

# Plain C++ as others compile and write it: contestants of reports. What naive code does not keep it claims, and no claim fails.
if(TARGET compiler_naive)
  add_test(NAME compilers/naive COMMAND assay check --plugin $<TARGET_FILE:compiler_naive> --samples 300)
  set_tests_properties(compilers/naive PROPERTIES LABELS unit PASS_REGULAR_EXPRESSION " kept what they claim \\(no pass\\), 0 failed")
  add_test(NAME compilers/clang COMMAND ${CMAKE_SOURCE_DIR}/ci/compilers_test.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(compilers/clang PROPERTIES LABELS slow SKIP_RETURN_CODE 3 TIMEOUT 300)
endif()

# What reads another format of reports.
add_test(NAME example/compare_py COMMAND ${CMAKE_SOURCE_DIR}/ci/compare_py_test.sh $<TARGET_FILE:assay>)
set_tests_properties(example/compare_py PROPERTIES LABELS deep SKIP_RETURN_CODE 3 TIMEOUT 300)

# An export in somebody's programs, on emulated CPUs too.
add_test(NAME example/export COMMAND ${CMAKE_SOURCE_DIR}/ci/examples/export_test.sh $<TARGET_FILE:assay>)
set_tests_properties(example/export PROPERTIES LABELS emulated TIMEOUT 1800 COST 500)
# What is taken to other machines: a folder that runs on any, a Debian package; and what measures a fleet of them.
add_test(NAME install/bundle COMMAND ${CMAKE_SOURCE_DIR}/ci/bundle_test.sh ${CMAKE_BINARY_DIR})
add_test(NAME install/deb COMMAND ${CMAKE_SOURCE_DIR}/ci/deb_test.sh ${CMAKE_BINARY_DIR})
add_test(NAME fleet/ssh COMMAND ${CMAKE_SOURCE_DIR}/ci/fleet/ssh_test.sh)
add_test(NAME fleet/slurm COMMAND ${CMAKE_SOURCE_DIR}/ci/fleet/slurm_test.sh $<TARGET_FILE:assay>)
set_tests_properties(install/bundle fleet/ssh PROPERTIES LABELS unit SKIP_RETURN_CODE 3 TIMEOUT 300)
set_tests_properties(install/deb fleet/slurm PROPERTIES LABELS deep SKIP_RETURN_CODE 3 TIMEOUT 1200)
# All of them run `cmake --install`, which writes into the build folder.
set_tests_properties(install/bundle install/deb example/downstream PROPERTIES RESOURCE_LOCK install)

# A report's page as Chromium shows it; with charts where ci/charts.sh has put them beside the program. Skipped without Chromium.
add_test(NAME reports/page COMMAND ${python3} ${CMAKE_SOURCE_DIR}/ci/page.py test $<TARGET_FILE:assay>)
set_tests_properties(reports/page PROPERTIES LABELS house SKIP_RETURN_CODE 3 TIMEOUT 300)

# For ci/peers.sh.
add_executable(peers_speed EXCLUDE_FROM_ALL ci/peers_speed.cpp)
target_link_libraries(peers_speed PRIVATE assay_bench assay_runner assay_variants ${CMAKE_DL_LIBS})

# Every variant on every CPU (ci/matrix.py): the program runs on this one and on emulated ones, and the summary fails if a
# variant ran on none. Without a CPU's emulator the exit status is 3: skipped, not passed.
set(emulated_tests "")
# What the CPUs of `deep` run others run, too: `ci/test.sh --deep`.
set(cpus icelake nehalem sandybridge x86-64 conroe native)
set(deep_cpus haswell zen3 skylake-x cannonlake tigerlake)
foreach(cpu ${cpus} ${deep_cpus})
  add_test(NAME emulated/${cpu} COMMAND python3 ${CMAKE_SOURCE_DIR}/ci/matrix.py check ${cpu}
           $<TARGET_FILE:assay> ${CMAKE_BINARY_DIR}/emulated)
  list(APPEND emulated_tests emulated/${cpu})
endforeach()
add_test(NAME emulated/summary COMMAND python3 ${CMAKE_SOURCE_DIR}/ci/matrix.py summary
         $<TARGET_FILE:assay> ${CMAKE_BINARY_DIR}/emulated ${cpus})
set_tests_properties(emulated/summary PROPERTIES DEPENDS "${emulated_tests}")
# Planted defects in AVX-512 variants. They are of several kernels.
if(ASSAY_KERNELS STREQUAL ".*")
  add_test(NAME emulated/defects/icelake COMMAND python3 ${CMAKE_SOURCE_DIR}/ci/emulated_defects.py icelake
           $<TARGET_FILE:assay_selftest>)
  list(APPEND emulated_tests emulated/defects/icelake)
  set_tests_properties(emulated/defects/icelake PROPERTIES COST 500)
endif()
foreach(cpu conroe skylake-x)
  add_test(NAME emulated/script/${cpu} COMMAND ${CMAKE_SOURCE_DIR}/ci/emulate_test.sh ${cpu})
  list(APPEND emulated_tests emulated/script/${cpu})
endforeach()
# A plug-in, with the library's file in the machine and a report out of it.
add_test(NAME emulated/plugin WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
         COMMAND sh -c "rm -f plugin.xml; $<TARGET_FILE:assay> check --cpu haswell --plugin plugins/dot.so --samples 60 --junit plugin.xml && cat plugin.xml")
set_tests_properties(emulated/plugin PROPERTIES PASS_REGULAR_EXPRESSION "name=\"example:sums32\"><system-out>60 samples")
list(APPEND emulated_tests emulated/plugin)
set_tests_properties(${emulated_tests} emulated/summary PROPERTIES LABELS emulated SKIP_RETURN_CODE 3 TIMEOUT 1800)
# The long ones first: two at once then end together.
set_tests_properties(emulated/icelake PROPERTIES COST 1000)
list(TRANSFORM deep_cpus PREPEND emulated/)
set_tests_properties(${deep_cpus} PROPERTIES LABELS "emulated;deep")
set_tests_properties(emulated/script/skylake-x PROPERTIES COST 100)
