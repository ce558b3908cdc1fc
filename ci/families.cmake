# A family is a folder of kernels/ with a family.cmake, which says its operation and layouts: it is a kernel <operation>_<format> for
# each format of kernels/formats/ of such a layout. Its variants are compiled once for each layout of packed weights (u8, f16: LAYOUT_BITS
# are the bits of a code), its pack and its contract once for each format; macros rename what they define. Adds to what
# ci/variants.cmake knows of kernels.
file(GLOB family_files CONFIGURE_DEPENDS ${kernel_root}/*/family.cmake)
file(GLOB format_headers CONFIGURE_DEPENDS ${kernel_root}/formats/*.h)

# formats: every one, layout_of_<format>.
set(formats "")
set(format_includes "")
set(format_rows "")
foreach(header ${format_headers})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  cmake_path(GET header STEM format)
  file(STRINGS ${header} layout REGEX "\\.layout = \"[a-z]+[0-9]+\"" LIMIT_COUNT 1)
  if(layout)  # else it is what formats share
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1" layout_of_${format} "${layout}")
    list(APPEND formats ${format})
    string(APPEND format_includes "#include \"kernels/formats/${format}.h\"\n")
    string(APPEND format_rows "    &${format}_format,\n")
  endif()
endforeach()
set(assay_formats ${CMAKE_BINARY_DIR}/generated/formats.c)
file(CONFIGURE OUTPUT ${assay_formats} @ONLY CONTENT "// Generated from the file names in kernels/formats/.
@format_includes@
const struct weight_format* const assay_weight_formats[] = {
@format_rows@    0,
};
")

function(add_family family)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kernel_root}/${family}/family.cmake)
  include(${kernel_root}/${family}/family.cmake)  # operation, layouts
  # labels: of its files; file_<label>
  file(GLOB files CONFIGURE_DEPENDS ${kernel_root}/${family}/*.cpp ${kernel_root}/${family}/*.asm)
  set(labels "")
  foreach(file ${files})
    cmake_path(GET file STEM label)
    if(NOT label STREQUAL "trial")
      variants_of_file(${file} variants)
      list(APPEND labels ${variants})
      foreach(variant ${variants})
        set(file_${variant} ${file})
      endforeach()
    endif()
  endforeach()

  set(built_layouts "")
  foreach(format ${formats})
    set(kernel ${operation}_${format})
    set(layout ${layout_of_${format}})
    if(NOT layout IN_LIST layouts OR NOT kernel MATCHES "^(${ASSAY_KERNELS})$")
      continue()
    endif()
    string(REGEX REPLACE "[^0-9]" "" bits ${layout})
    set(defines LAYOUT_BITS=${bits} FORMAT=${format} "FORMAT_HEADER=\"kernels/formats/${format}.h\"")
    add_library(${kernel}_format OBJECT ${kernel_root}/${family}/pack.c ${kernel_root}/${family}/contract.c)
    target_compile_options(${kernel}_format PRIVATE -O2)
    target_compile_definitions(${kernel}_format PRIVATE ${family}_pack=${kernel}_pack ${family}_contract=${kernel}_contract ${defines})
    target_sources(assay_variants INTERFACE $<TARGET_OBJECTS:${kernel}_format>)
    set(variant_objects ${variant_objects} $<TARGET_OBJECTS:${kernel}_format>)
    foreach(label ${labels})
      string(REPLACE "-" "_" symbol ${label})
      isa_of(${label} isa)
      cmake_path(RELATIVE_PATH file_${label} BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE source)
      set(source_${kernel}/${label} ${source} PARENT_SCOPE)
      set(symbol_${kernel}/${label} ${family}_${layout}_${symbol} PARENT_SCOPE)
      set(pack_${kernel}/${label} ${kernel}_pack PARENT_SCOPE)
      if(NOT layout IN_LIST built_layouts)
        string(REGEX REPLACE "^auto_v." "scalar" defined ${symbol})
        add_variant_objects(variants_${isa}_${family}_${layout}_${symbol} ${isa} FILES ${file_${label}}
                            DEFINES LAYOUT_BITS=${bits} ${family}_${defined}=${family}_${layout}_${symbol})
      endif()
    endforeach()
    list(APPEND built_layouts ${layout})
    set(labels_${kernel} ${labels} PARENT_SCOPE)
    set(layout_${kernel} ${layout} PARENT_SCOPE)
    set(family_${kernel} ${family} PARENT_SCOPE)
    set(format_${kernel} ${format} PARENT_SCOPE)
    set(defines_${kernel} "${defines}" PARENT_SCOPE)  # what its pack and variants are compiled with
    list(APPEND kernels ${kernel})
  endforeach()
  if(built_layouts)
    list(APPEND assay_trials ${kernel_root}/${family}/trial.cpp)
  endif()
  set(assay_trials ${assay_trials} PARENT_SCOPE)
  set(kernels ${kernels} PARENT_SCOPE)
  set(variant_objects ${variant_objects} PARENT_SCOPE)
endfunction()

foreach(file ${family_files})
  cmake_path(GET file PARENT_PATH folder)
  cmake_path(GET folder FILENAME family)
  add_family(${family})
endforeach()
