# The libraries that assay installs: assay::kernels (static) and assay::kernels_shared have every compiled variant behind the C functions of
# assay/kernels.h, and take the best ISA that the CPU runs; assay::generators has those that make code. What their functions are the
# program itself writes, as it does for exports. Their files are named libassay*, since an export installs a libassay_kernels.
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
add_library(assay_headers INTERFACE)
target_include_directories(assay_headers INTERFACE $<INSTALL_INTERFACE:${assay_headers}>)
add_library(assay_kernels STATIC $<TARGET_OBJECTS:assay_kernels_c> ${compiled_objects})
add_library(assay_kernels_shared SHARED $<TARGET_OBJECTS:assay_kernels_c> ${compiled_objects})
add_library(assay_generators STATIC $<TARGET_OBJECTS:assay_generators_c> ${generator_objects})
set_target_properties(assay_headers PROPERTIES EXPORT_NAME headers)
set_target_properties(assay_kernels PROPERTIES EXPORT_NAME kernels OUTPUT_NAME assay LINKER_LANGUAGE C)
set_target_properties(assay_kernels_shared PROPERTIES EXPORT_NAME kernels_shared OUTPUT_NAME assay SOVERSION 1 LINKER_LANGUAGE C)
set_target_properties(assay_generators PROPERTIES EXPORT_NAME generators LINKER_LANGUAGE CXX)
# Of so many symbols the shared library shows those of its headers; and what it needs it has.
file(CONFIGURE OUTPUT ${library}/symbols.map CONTENT "{ global: assay_*; local: *; };\n")
target_link_options(assay_kernels_shared PRIVATE -Wl,--version-script=${library}/symbols.map -Wl,-z,defs)
target_link_libraries(assay_kernels INTERFACE assay_headers)
target_link_libraries(assay_kernels_shared INTERFACE assay_headers)
target_link_libraries(assay_generators INTERFACE assay_kernels Threads::Threads)

include(CMakePackageConfigHelpers)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/assay)
install(TARGETS assay_headers assay_kernels assay_kernels_shared assay_generators EXPORT assay)
install(EXPORT assay NAMESPACE assay:: FILE assay_targets.cmake DESTINATION ${config})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/assayConfig.cmake @ONLY CONTENT "include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(\"\${CMAKE_CURRENT_LIST_DIR}/assay_targets.cmake\")
")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/assayConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/assayConfig.cmake ${CMAKE_BINARY_DIR}/assayConfigVersion.cmake DESTINATION ${config})
install(FILES ${library}/include/assay/kernels.h DESTINATION ${assay_headers}/assay)
# For pkg-config, which finds the prefix from where its files lie.
cmake_path(SET pkgconfig NORMALIZE ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig} OUTPUT_VARIABLE to_prefix)
foreach(name assay assay_generators)
  configure_file(ci/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig})
endforeach()
