# A file's name is its ISA: kernels/<kernel>/<isa>.cpp or .asm is variant <isa> of <kernel>, <isa>-<nickname>.cpp another one
# for that ISA. This file derives the compile flags from the names and generates the registry; adding a variant or a kernel
# edits nothing.

include(ci/isas.cmake)
include(ci/recipe.cmake)
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
  if(EXISTS ${folder}/family.cmake)
    continue()  # a family: ci/families.cmake
  endif()
  list(APPEND kernels ${kernel})
  list(APPEND assay_contracts ${folder}/contract.c)
  recipe_unit(${kernel}_contract "" FILES ${folder}/contract.c)
  recipe_kernel(${kernel} ${kernel} kernels/${kernel}/kernel.h "" ${kernel}_contract)
endforeach()

# out: the ISA of a label.
function(isa_of label out)
  string(REGEX REPLACE "-.*" "" isa ${label})
  set(${out} ${isa} PARENT_SCOPE)
endfunction()

# out: the nickname in a label, or nothing.
function(nickname_of label out)
  string(REGEX MATCH "-.+" nickname ${label})
  string(REGEX REPLACE "^-" "" nickname "${nickname}")
  set(${out} "${nickname}" PARENT_SCOPE)
endfunction()

# out: labels of the variants that a file is compiled into.
function(variants_of_file file out)
  cmake_path(GET file STEM stem)
  isa_of(${stem} isa)
  if(NOT isa IN_LIST isas OR kind_${isa} STREQUAL "compiler")
    message(FATAL_ERROR "${file}: '${isa}' is no ISA of ${isa_table} that has files of its own; name the file for its ISA")
  endif()
  set(labels ${stem})
  if(isa STREQUAL "scalar")  # compiled again for each level
    foreach(other ${isas})
      if(kind_${other} STREQUAL "compiler")
        string(REPLACE "scalar" "${other}" label ${stem})
        list(APPEND labels ${label})
      endif()
    endforeach()
  endif()
  set(${out} ${labels} PARENT_SCOPE)
endfunction()

# For each variant: labels_<kernel>, and for <kernel>/<label> source_, symbol_ (its function) and pack_ (or nothing).
# files_<isa>: what is compiled for an ISA, with the definitions renames_<isa>.
set(assay_trials "")
foreach(file ${variant_files})
  cmake_path(GET file STEM stem)
  cmake_path(GET file PARENT_PATH folder)
  cmake_path(GET folder FILENAME kernel)
  cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE source)
  if(EXISTS ${folder}/family.cmake)
    continue()
  elseif(stem STREQUAL "trial")
    list(APPEND assay_trials ${file})
    continue()
  endif()
  file(STRINGS ${folder}/kernel.h pack_lines REGEX "${kernel}_pack_fn" LIMIT_COUNT 1)
  variants_of_file(${file} variants)
  foreach(label ${variants})
    string(REPLACE "-" "_" symbol ${label})
    isa_of(${label} isa)
    list(APPEND labels_${kernel} ${label})
    list(APPEND files_${isa} ${file})
    set(source_${kernel}/${label} ${source})
    set(symbol_${kernel}/${label} ${kernel}_${symbol})
    set(unit_${kernel}/${label} variants_${isa})
    if(pack_lines)
      set(pack_${kernel}/${label} ${kernel}_pack_${symbol})
    endif()
    if(kind_${isa} STREQUAL "compiler")  # macros rename what scalar.cpp defines
      string(REPLACE "-" "_" defined ${stem})
      list(APPEND renames_${isa} ${kernel}_${defined}=${kernel}_${symbol} ${kernel}_pack_${defined}=${kernel}_pack_${symbol})
    endif()
  endforeach()
endforeach()

# Sanitizers do not instrument variants: code in intrinsics, assembly and generated code is tried between guard pages, and
# calls into a run-time library would be the machine state that the harness checks. Only plain C++ gets UBSan, which
# calls nothing unless it has found something. So the other objects can be those of another build.
set(ASSAY_VARIANTS_FROM "" CACHE PATH "A build folder whose objects of kernels/ are linked: saves compiling them again")

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

# What the classes of Xbyak define inline is compiled once, in the object library xbyak, and not in each generator, which would take 2.4 times
# as long. GCC's pragma is about the file that it stands in: #line makes that Xbyak's. Clang has no such pragma.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/xbyak.h @ONLY CONTENT "#line 1 \"@XBYAK_INCLUDE@/xbyak/xbyak.h\"
#ifndef __clang__
#pragma interface
#endif
#line 6 \"@CMAKE_BINARY_DIR@/generated/xbyak.h\"
#include <xbyak/xbyak.h>
")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/xbyak.cpp CONTENT "#ifndef __clang__
#pragma implementation \"xbyak.h\"
#endif
#include \"generated/xbyak.h\"
")

# precompile(library isa): a variant takes most of its time to compile for its one large header, Xbyak's or that of the intrinsics, which is
# compiled once for all that have no more options than the ISA's.
function(precompile library isa)
  if(kind_${isa} STREQUAL "generated")
    set(header ${CMAKE_BINARY_DIR}/generated/xbyak.h)
  elseif(kind_${isa} STREQUAL "hand" AND NOT isa STREQUAL "x87")  # x87 is all assembly
    set(header <immintrin.h>)
  else()
    return()
  endif()
  cmake_path(GET header FILENAME name)
  string(MAKE_C_IDENTIFIER "${name} ${flags_${isa}}" name)
  if(NOT TARGET ${name})
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/header.cpp CONTENT "// The header alone.\n")
    add_library(${name} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/generated/header.cpp)
    target_compile_options(${name} PRIVATE ${flags_${isa}} ${variant_flags} -Wno-array-bounds)
    target_precompile_headers(${name} PRIVATE ${header})
  endif()
  target_precompile_headers(${library} REUSE_FROM ${name})
  # GCC 12 sees faults in Xbyak, which is no system header any more where it is precompiled.
  target_compile_options(${library} PRIVATE -Wno-array-bounds)
endfunction()

# add_variant_objects(library isa FILES files... DEFINES definitions... OPTIONS options...): compiled with the ISA's flags and the
# options, for assay_variants.
function(add_variant_objects library isa)
  cmake_parse_arguments(VARIANT "" "" "FILES;DEFINES;OPTIONS" ${ARGN})
  recipe_unit(${library} ${isa} FILES ${VARIANT_FILES} DEFINES ${VARIANT_DEFINES} OPTIONS ${VARIANT_OPTIONS})
  if(ASSAY_VARIANTS_FROM AND NOT (isa STREQUAL "scalar" AND ASSAY_SANITIZE))
    link_objects_of_another_build(assay_variants ${library} ${VARIANT_FILES})
    return()
  endif()
  add_library(${library} OBJECT ${VARIANT_FILES})
  target_compile_options(${library} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags_${isa}};${variant_flags};${VARIANT_OPTIONS}>")
  target_compile_definitions(${library} PRIVATE ${VARIANT_DEFINES})
  if(NOT VARIANT_OPTIONS)
    precompile(${library} ${isa})
  endif()
  if(isa STREQUAL "scalar" AND ASSAY_SANITIZE MATCHES "undefined")
    target_compile_options(${library} PRIVATE -fsanitize=undefined -fno-sanitize-recover=all)
  endif()
  target_sources(assay_variants INTERFACE $<TARGET_OBJECTS:${library}>)
  set(variant_objects ${variant_objects} $<TARGET_OBJECTS:${library}> PARENT_SCOPE)
  if(kind_${isa} STREQUAL "generated")
    set_property(GLOBAL APPEND PROPERTY generator_objects $<TARGET_OBJECTS:${library}>)
  else()
    set_property(GLOBAL APPEND PROPERTY compiled_objects $<TARGET_OBJECTS:${library}>)
  endif()
endfunction()

add_library(assay_variants INTERFACE)
set(variant_objects "")
if(ASSAY_VARIANTS_FROM)
  link_objects_of_another_build(assay_variants xbyak ${CMAKE_BINARY_DIR}/generated/xbyak.cpp)
else()
  add_library(xbyak OBJECT ${CMAKE_BINARY_DIR}/generated/xbyak.cpp)
  target_sources(assay_variants INTERFACE $<TARGET_OBJECTS:xbyak>)
  set_property(GLOBAL APPEND PROPERTY generator_objects $<TARGET_OBJECTS:xbyak>)
endif()
foreach(isa ${isas})
  if(files_${isa})
    add_variant_objects(variants_${isa} ${isa} FILES ${files_${isa}} DEFINES ${renames_${isa}})
  endif()
endforeach()

include(ci/families.cmake)
include(ci/defects.cmake)  # ci/defects/ -> assay_defects and the defects' registry entries

include(ci/code_identity.cmake)

# The registry: one entry for each kernel and label.
set(declarations "")
set(entries "")
set(kernel_rows "")
set(trial_declarations "")
set(trials "")
foreach(kernel ${kernels})
  string(APPEND declarations "extern \"C\" const assay_contract ${kernel}_contract;\n")
  if(family_${kernel})
    string(APPEND trial_declarations "extern const Trial& ${family_${kernel}}_trial(const char* format);\n")
    string(APPEND trials "      {\"${kernel}\", &${family_${kernel}}_trial(\"${format_${kernel}}\")},\n")
  else()
    string(APPEND trial_declarations "extern const Trial& ${kernel}_trial();\n")
    string(APPEND trials "      {\"${kernel}\", &${kernel}_trial()},\n")
  endif()
  string(APPEND kernel_rows "    {\"${kernel}\", &${kernel}_contract},\n")
  set(entry "")
  foreach(label ${labels_${kernel}})
    isa_of(${label} isa)
    nickname_of(${label} nickname)
    set(symbol ${symbol_${kernel}/${label}})
    set(pack nullptr)
    string(APPEND declarations "extern \"C\" void ${symbol}();\n")
    if(pack_${kernel}/${label})
      set(pack ${pack_${kernel}/${label}})
      string(APPEND declarations "extern \"C\" void ${pack}();\n")
    endif()
    set(jit false)
    if(kind_${isa} STREQUAL "generated")
      set(jit true)
    endif()
    identity_of_code(${kernel} ${label} code)
    lines_of_source(${source_${kernel}/${label}} own_lines shared_lines)
    set(unit_of_pack "")
    if(pack_${kernel}/${label})
      set(unit_of_pack ${unit_${kernel}/${label}})
      if(family_${kernel} AND NOT of_format_${kernel}/${label})
        set(unit_of_pack ${kernel}_format)
      endif()
    endif()
    recipe_variant(${kernel}/${label} ${unit_${kernel}/${label}} ${source_${kernel}/${label}} ${symbol} "${pack_${kernel}/${label}}"
                   "${unit_of_pack}")
    string(APPEND entry "    {\"${kernel}\", \"${isa}\", \"${source_${kernel}/${label}}\", ${symbol}, ${pack}, ${jit}, "
                        "\"${nickname}\", \"\", \"${symbol}\", \"${layout_${kernel}/${label}}\", \"${code}\", ${own_lines}, ${shared_lines}},\n")
  endforeach()
  string(APPEND entries "${entry}")
  string(APPEND entries_with_defects "${entry}${defect_entries_${kernel}}")
endforeach()
write_recipe()
set(assay_registry ${CMAKE_BINARY_DIR}/registry.cpp)
set(registry_template "// Generated from the file names in kernels/ and ci/defects/.
#include \"harness/runtime/registry.h\"
@declarations@
namespace assay {
namespace {
// Tables of constants: a compiler takes minutes over as many strings in one initializer.
constexpr struct {
  const char* name;
  const assay_contract* contract;
} kKernels[] = {
@kernel_rows@};
const struct {
  const char *kernel, *isa, *file;
  AnyFn run, pack;
  bool jit;
  const char *nickname, *defect, *symbol, *layout, *code;
  unsigned lines, shared_lines;
} kVariants[] = {
@entries@};
}  // namespace
std::vector<Kernel> generated_kernels() {
  std::vector<Kernel> kernels;
  for (const auto& k : kKernels) {
    kernels.push_back({k.name, k.contract, {}});
    for (const auto& v : kVariants) {
      if (kernels.back().name == v.kernel) {
        kernels.back().variants.push_back(
            {v.kernel, v.isa, v.file, v.run, v.pack, v.jit, v.nickname, v.defect, v.symbol, v.layout, v.code, v.lines, v.shared_lines});
      }
    }
  }
  return kernels;
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
namespace {
const struct {
  const char *variant, *defect_class, *what, *stands_for, *caught_by;
  bool large;
} kDefects[] = {
@defects@    {nullptr, nullptr, nullptr, nullptr, nullptr, false},
};
}  // namespace
std::vector<Defect> planted_defects() {
  std::vector<Defect> defects;
  for (const auto* d = kDefects; d->variant != nullptr; ++d) {
    defects.push_back({d->variant, d->defect_class, d->what, d->stands_for, d->caught_by, d->large});
  }
  return defects;
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
