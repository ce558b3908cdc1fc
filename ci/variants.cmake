# A file's name is its ISA: kernels/<kernel>/<isa>.cpp or .asm is variant <isa> of <kernel>, <isa>-<nickname>.cpp another one
# for that ISA. This file derives the compile flags from the names and generates the registry; adding a variant or a kernel
# edits nothing.

include(ci/isas.cmake)
set(kernel_root ${CMAKE_SOURCE_DIR}/kernels)
set(ASSAY_KERNELS ".*" CACHE STRING "Regular expression of the kernels to build: a short build while you write one")
file(GLOB kernel_headers CONFIGURE_DEPENDS ${kernel_root}/*/kernel.h)
file(GLOB variant_files CONFIGURE_DEPENDS ${kernel_root}/*/*.cpp ${kernel_root}/*/*.asm)
list(FILTER kernel_headers INCLUDE REGEX "/(${ASSAY_KERNELS})/kernel\\.h$")
list(FILTER variant_files INCLUDE REGEX "/(${ASSAY_KERNELS})/[^/]*$")

# GCC would contract a*b+c into an FMA where the ISA has one: the contracts allow it, as they bound the error. GCC 12 warns of
# its own AVX-512 intrinsics' undefined operands (GCC bug 105593).
set(variant_flags -fno-math-errno -fno-trapping-math -Wno-psabi -Wno-uninitialized
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)

set(kernels "")
set(assay_contracts "")
foreach(header ${kernel_headers})
  cmake_path(GET header PARENT_PATH folder)
  cmake_path(GET folder FILENAME kernel)
  list(APPEND kernels ${kernel})
  list(APPEND assay_contracts ${folder}/contract.c)
endforeach()

# One entry for each variant: labels_<kernel>, and source_<kernel>/<label>. files_<isa>: what is compiled for an ISA.
set(assay_trials "")
foreach(file ${variant_files})
  cmake_path(GET file STEM stem)
  cmake_path(GET file PARENT_PATH folder)
  cmake_path(GET folder FILENAME kernel)
  cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE source)
  if(stem STREQUAL "trial")
    list(APPEND assay_trials ${file})
    continue()
  endif()
  set(labels ${stem})
  string(REGEX REPLACE "-.*" "" isa ${stem})
  if(NOT isa IN_LIST isas OR kind_${isa} STREQUAL "compiler")
    message(FATAL_ERROR "${file}: '${isa}' is no ISA of ${isa_table} that has files of its own; name the file for its ISA")
  endif()
  list(APPEND files_${isa} ${file})
  if(isa STREQUAL "scalar")  # compiled again for each level
    foreach(other ${isas})
      if(kind_${other} STREQUAL "compiler")
        string(REPLACE "scalar" "${other}" label ${stem})
        list(APPEND labels ${label})
        list(APPEND files_${other} ${file})
      endif()
    endforeach()
  endif()
  foreach(label ${labels})
    list(APPEND labels_${kernel} ${label})
    set(source_${kernel}/${label} ${source})
  endforeach()
endforeach()

# scalar.cpp defines <kernel>_scalar; for the others that are made of it a macro renames what it defines.
foreach(isa ${isas})
  set(renames_${isa} "")
  if(kind_${isa} STREQUAL "compiler")
    foreach(kernel ${kernels})
      list(APPEND renames_${isa} ${kernel}_scalar=${kernel}_${isa} ${kernel}_pack_scalar=${kernel}_pack_${isa})
    endforeach()
  endif()
endforeach()

# Sanitizers do not instrument variants: code in intrinsics, assembly and generated code is tried between guard pages, and
# calls into a run-time library would be the machine state that the harness checks. Only plain C++ gets UBSan, which
# calls nothing unless it has found something. So the other objects can be those of another build.
set(ASSAY_VARIANTS_FROM "" CACHE PATH "A build folder whose variant objects are linked, but for scalar's: saves compiling them again")

# What its object library `library` has made of the files.
function(link_objects_of_another_build target library)
  set(objects "")
  foreach(file ${ARGN})
    # As CMake names objects: after the path in the build folder, or else in the source folder.
    cmake_path(IS_PREFIX CMAKE_BINARY_DIR ${file} generated)
    if(generated)
      cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_BINARY_DIR})
    else()
      cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
    endif()
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
  if(NOT files_${isa})
    continue()
  elseif(ASSAY_VARIANTS_FROM AND NOT isa STREQUAL "scalar")
    link_objects_of_another_build(assay_variants variants_${isa} ${files_${isa}})
    continue()
  endif()
  add_library(variants_${isa} OBJECT ${files_${isa}})
  target_compile_options(variants_${isa} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags_${isa}};${variant_flags}>")
  target_compile_definitions(variants_${isa} PRIVATE ${renames_${isa}})
  if(isa STREQUAL "scalar" AND ASSAY_SANITIZE MATCHES "undefined")
    target_compile_options(variants_scalar PRIVATE -fsanitize=undefined -fno-sanitize-recover=all)
  endif()
  target_sources(assay_variants INTERFACE $<TARGET_OBJECTS:variants_${isa}>)
  list(APPEND variant_objects $<TARGET_OBJECTS:variants_${isa}>)
endforeach()

include(ci/defects.cmake)  # ci/defects/ -> assay_defects and the defects' registry entries

# The registry: one entry for each kernel and label.
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
  foreach(label ${labels_${kernel}})
    string(REGEX MATCH "^([^-]+)-?(.*)$" matched ${label})
    set(isa ${CMAKE_MATCH_1})
    set(nickname "${CMAKE_MATCH_2}")
    string(REPLACE "-" "_" symbol ${label})
    string(APPEND declarations "extern \"C\" void ${kernel}_${symbol}();\n")
    set(pack nullptr)
    if(pack_lines)
      set(pack ${kernel}_pack_${symbol})
      string(APPEND declarations "extern \"C\" void ${pack}();\n")
    endif()
    set(jit false)
    if(kind_${isa} STREQUAL "generated")
      set(jit true)
    endif()
    string(APPEND entry "      {\"${kernel}\", \"${isa}\", \"${source_${kernel}/${label}}\", ${kernel}_${symbol}, ${pack}, ${jit}, "
                        "\"${nickname}\"},\n")
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
