# The libraries that assay installs: assay::kernels (static) and assay::kernels_shared have every compiled variant behind the C functions of
# assay/kernels.h, and take the best ISA that the CPU runs; assay::generators has those that make code. What their functions are the
# program itself writes, as it does for exports.
set(library ${CMAKE_BINARY_DIR}/library)
set(package ${CMAKE_SOURCE_DIR}/harness/export/package)
add_custom_command(
  OUTPUT ${library}/include/assay/kernels.h ${library}/src/kernels.c ${library}/src/generators_table.c
  COMMAND assay export --library --to ${library}
  DEPENDS assay
  VERBATIM)
get_property(compiled_objects GLOBAL PROPERTY compiled_objects)
get_property(generator_objects GLOBAL PROPERTY generator_objects)
add_library(assay_kernels_c OBJECT ${library}/src/kernels.c ${library}/include/assay/kernels.h ${package}/dispatch.c ${assay_contracts})
add_library(assay_generators_c OBJECT ${library}/src/generators_table.c ${package}/generators.c ${package}/generate.c)
foreach(part assay_kernels_c assay_generators_c)
  target_include_directories(${part} BEFORE PRIVATE ${library}/include ${package})
  set_target_properties(${part} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endforeach()
add_dependencies(assay_generators_c assay_kernels_c)  # the header
add_library(assay_kernels STATIC $<TARGET_OBJECTS:assay_kernels_c> ${compiled_objects})
add_library(assay_kernels_shared SHARED $<TARGET_OBJECTS:assay_kernels_c> ${compiled_objects})
add_library(assay_generators STATIC $<TARGET_OBJECTS:assay_generators_c> ${generator_objects})
set_target_properties(assay_kernels PROPERTIES EXPORT_NAME kernels LINKER_LANGUAGE C)
set_target_properties(assay_kernels_shared PROPERTIES EXPORT_NAME kernels_shared OUTPUT_NAME assay_kernels SOVERSION 1 LINKER_LANGUAGE CXX)
set_target_properties(assay_generators PROPERTIES EXPORT_NAME generators LINKER_LANGUAGE CXX)
# Of so many symbols the shared library shows those of its headers.
file(CONFIGURE OUTPUT ${library}/symbols.map CONTENT "{ global: assay_*; local: *; };\n")
target_link_options(assay_kernels_shared PRIVATE -Wl,--version-script=${library}/symbols.map)
target_link_libraries(assay_generators INTERFACE assay_kernels Threads::Threads)
foreach(part assay_kernels assay_kernels_shared assay_generators)
  target_include_directories(${part} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

include(CMakePackageConfigHelpers)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/assay)
install(TARGETS assay_kernels assay_kernels_shared assay_generators EXPORT assay)
install(EXPORT assay NAMESPACE assay:: FILE assay_targets.cmake DESTINATION ${config})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/assayConfig.cmake @ONLY CONTENT "include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(\"\${CMAKE_CURRENT_LIST_DIR}/assay_targets.cmake\")
")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/assayConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/assayConfig.cmake ${CMAKE_BINARY_DIR}/assayConfigVersion.cmake DESTINATION ${config})
install(FILES ${library}/include/assay/kernels.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/assay)
