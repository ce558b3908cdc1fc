# A file's name is its ISA: kernels/<kernel>/<isa>.cpp or .asm is variant <isa> of <kernel>. This file derives the
# compile flags from the names and generates the registry; adding a variant or a kernel edits nothing.

set(kernel_root ${CMAKE_SOURCE_DIR}/kernels)
set(ASSAY_KERNELS ".*" CACHE STRING "Regular expression of the kernels to build: a short build while you write one")
file(GLOB kernel_headers CONFIGURE_DEPENDS ${kernel_root}/*/kernel.h)
file(GLOB variant_files CONFIGURE_DEPENDS ${kernel_root}/*/*.cpp ${kernel_root}/*/*.asm ${kernel_root}/*/contract.c)
list(FILTER kernel_headers INCLUDE REGEX "/(${ASSAY_KERNELS})/kernel\\.h$")
list(FILTER variant_files INCLUDE REGEX "/(${ASSAY_KERNELS})/[^/]*$")

# GCC would contract a*b+c into an FMA where the ISA has one: the contracts allow it, as they bound the error.
set(flags_scalar -O2 -fno-tree-vectorize -fno-tree-slp-vectorize)
set(flags_auto_v2 -O3 -march=x86-64-v2)
set(flags_auto_v3 -O3 -march=x86-64-v3)
set(flags_auto_v4 -O3 -march=x86-64-v4 -mprefer-vector-width=512)
set(flags_sse -O2 -march=x86-64-v2)
set(flags_avx2 -O2 -march=x86-64-v3)
# GCC 12 warns of its own intrinsics' undefined operands (GCC bug 105593).
set(flags_avx512 -O2 -march=x86-64-v4 -mprefer-vector-width=512 -Wno-uninitialized
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
set(flags_avx512_vnni ${flags_avx512} -mavx512vnni)
set(flags_avx512_bf16 ${flags_avx512} -mavx512bf16)
# Generators: a kernel has one file for each ISA, or one jit.cpp that defines both.
set(flags_jit -O2)
set(flags_jit_avx2 ${flags_jit})
set(flags_jit_avx512 ${flags_jit})

set(kernels "")
foreach(header ${kernel_headers})
  cmake_path(GET header PARENT_PATH folder)
  cmake_path(GET folder FILENAME kernel)
  list(APPEND kernels ${kernel})
endforeach()

set(assay_trials "")
set(assay_contracts "")
set(isas "")
foreach(file ${variant_files})
  cmake_path(GET file STEM stem)
  if(stem STREQUAL "trial")
    list(APPEND assay_trials ${file})
    continue()
  elseif(stem STREQUAL "contract")
    list(APPEND assay_contracts ${file})
    continue()
  endif()
  if(NOT stem STREQUAL "x87" AND NOT DEFINED flags_${stem})
    message(FATAL_ERROR "${file}: '${stem}' is no ISA that ci/variants.cmake knows; name the file for its ISA")
  endif()
  list(APPEND files_${stem} ${file})
  list(APPEND isas ${stem})
endforeach()
list(REMOVE_DUPLICATES isas)

# scalar.cpp defines <kernel>_scalar; compiled again for each level, a macro renames what it defines.
foreach(level v2 v3 v4)
  set(files_auto_${level} ${files_scalar})
  list(APPEND isas auto_${level})
  set(renames_auto_${level} "")
  foreach(kernel ${kernels})
    list(APPEND renames_auto_${level} ${kernel}_scalar=${kernel}_auto_${level}
         ${kernel}_pack_scalar=${kernel}_pack_auto_${level})
  endforeach()
endforeach()

# Sanitizers do not instrument variants: code in intrinsics, assembly and generated code is tried between guard pages, and
# calls into a run-time library would be the machine state that the harness checks. Only plain C++ gets UBSan, which
# calls nothing unless it has found something. So the other objects can be those of another build.
set(ASSAY_VARIANTS_FROM "" CACHE PATH "A build folder whose variant objects are linked, but for scalar's: saves compiling them again")

# What its object library `library` has made of the files.
function(link_objects_of_another_build target library)
  set(objects "")
  foreach(file ${ARGN})
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
    set(object ${ASSAY_VARIANTS_FROM}/CMakeFiles/${library}.dir/${file}.o)
    if(NOT EXISTS ${object})
      message(FATAL_ERROR "${object} is missing: build ${ASSAY_VARIANTS_FROM} first")
    endif()
    list(APPEND objects ${object})
  endforeach()
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE)
  target_sources(${target} INTERFACE ${objects})
endfunction()

add_library(assay_variants INTERFACE)
set(variant_objects "")
foreach(isa ${isas})
  if(ASSAY_VARIANTS_FROM AND NOT isa STREQUAL "scalar")
    link_objects_of_another_build(assay_variants variants_${isa} ${files_${isa}})
    continue()
  endif()
  add_library(variants_${isa} OBJECT ${files_${isa}})
  if(NOT isa STREQUAL "x87")
    target_compile_options(variants_${isa} PRIVATE ${flags_${isa}} -fno-math-errno -fno-trapping-math -Wno-psabi)
    target_compile_definitions(variants_${isa} PRIVATE ${renames_${isa}})
  endif()
  if(isa STREQUAL "scalar" AND ASSAY_SANITIZE MATCHES "undefined")
    target_compile_options(variants_scalar PRIVATE -fsanitize=undefined -fno-sanitize-recover=all)
  endif()
  target_sources(assay_variants INTERFACE $<TARGET_OBJECTS:variants_${isa}>)
  list(APPEND variant_objects $<TARGET_OBJECTS:variants_${isa}>)
endforeach()

include(ci/defects.cmake)  # ci/defects/ -> assay_defects and the defects' registry entries

# The registry: one entry for each kernel and ISA; a jit.cpp defines jit_avx2 and jit_avx512.
set(declarations "")
set(entries "")
set(trial_declarations "")
set(trials "")
foreach(kernel ${kernels})
  file(STRINGS ${kernel_root}/${kernel}/kernel.h pack_lines REGEX "${kernel}_pack_fn")
  string(APPEND declarations "extern \"C\" const assay_contract ${kernel}_contract;\n")
  string(APPEND trial_declarations "extern const Trial& ${kernel}_trial();\n")
  string(APPEND trials "      {\"${kernel}\", &${kernel}_trial()},\n")
  set(entry "    {\"${kernel}\", &${kernel}_contract, {\n")
  foreach(isa ${isas})
    set(names ${isa})
    set(source kernels/${kernel}/${isa}.cpp)
    set(jit false)
    if(isa MATCHES "^jit")
      set(jit true)
    endif()
    if(isa STREQUAL "jit")
      set(names jit_avx2 jit_avx512)
    elseif(isa STREQUAL "x87")
      set(source kernels/${kernel}/x87.asm)
    elseif(isa MATCHES "^auto_")
      set(source kernels/${kernel}/scalar.cpp)
    endif()
    if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${source})
      continue()
    endif()
    foreach(name ${names})
      list(APPEND variants_of_${kernel} ${name})
      string(APPEND declarations "extern \"C\" void ${kernel}_${name}();\n")
      set(pack nullptr)
      if(pack_lines)
        string(APPEND declarations "extern \"C\" void ${kernel}_pack_${name}();\n")
        set(pack ${kernel}_pack_${name})
      endif()
      string(APPEND entry "      {\"${kernel}\", \"${name}\", \"${source}\", ${kernel}_${name}, ${pack}, ${jit}},\n")
    endforeach()
  endforeach()
  string(APPEND entries "${entry}    }},\n")
  string(APPEND entries_with_defects "${entry}${defect_entries_${kernel}}    }},\n")
endforeach()
set(assay_registry ${CMAKE_BINARY_DIR}/registry.cpp)
set(registry_template "// Generated from the file names in kernels/ and ci/defects/.
#include \"harness/runtime/registry.h\"
@declarations@
namespace assay {
std::vector<Kernel> generated_kernels() {
  return {
@entries@  };
}
}  // namespace assay
")
file(CONFIGURE OUTPUT ${assay_registry} @ONLY CONTENT "${registry_template}")

# What only checks need of it: so a program that calls kernels links neither trials nor the reference.
set(assay_trial_table ${CMAKE_BINARY_DIR}/trials.cpp)
set(trials_template "// Generated from the file names in kernels/ and ci/defects/.
#include \"harness/check/selftest.h\"
#include \"harness/check/trial.h\"
namespace assay {
@trial_declarations@
std::vector<std::pair<std::string, const Trial*>> generated_trials() {
  return {
@trials@  };
}
std::vector<Defect> planted_defects() {
  return {
@defects@  };
}
}  // namespace assay
")
set(defects "")
file(CONFIGURE OUTPUT ${assay_trial_table} @ONLY CONTENT "${trials_template}")

# The same with the planted defects, for the executable assay_selftest alone.
set(assay_registry_with_defects ${CMAKE_BINARY_DIR}/registry_with_defects.cpp ${CMAKE_BINARY_DIR}/trials_with_defects.cpp)
string(APPEND declarations "${defect_declarations}")
set(entries "${entries_with_defects}")
set(defects "${defect_list}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/registry_with_defects.cpp @ONLY CONTENT "${registry_template}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/trials_with_defects.cpp @ONLY CONTENT "${trials_template}")
