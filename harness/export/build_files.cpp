#include "harness/export/build_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "harness/runtime/text.h"

namespace assay {
namespace {

/// As an argument of a CMake command.
std::string cmake_word(const std::string& text) {
  return fmt::format("\"{}\"", replaced(replaced(text, "\\", "\\\\"), "\"", "\\\""));
}

std::string cmake_words(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const auto& word : words) {
    quoted.push_back(cmake_word(word));
  }
  return fmt::format("{}", fmt::join(quoted, " "));
}

constexpr const char* kLists =
    R"(# Kernels chosen by measurement: written by `assay export`, whose evidence.md says why these. As a part of another project:
#   add_subdirectory(DIR)   target_link_libraries(app PRIVATE assay::kernels)
# or installed, by find_package(assay_kernels) or pkg-config.
cmake_minimum_required(VERSION 3.20)
project(assay_kernels VERSION 1.0.0 LANGUAGES C CXX@nasm@)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)

add_library(assay_kernels src/dispatch.c src/kernels.c@generate@)
add_library(assay::kernels ALIAS assay_kernels)
target_compile_features(assay_kernels PRIVATE c_std_11)
target_include_directories(assay_kernels PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/assay_kernels>)
@needs@
# Each in the way in which it was checked and timed. What the including project asks of its own code stays away from the kernels' arithmetic.
function(assay_unit name)
  cmake_parse_arguments(UNIT "" "" "FILES;FLAGS;DEFINES" ${ARGN})
  add_library(${name} OBJECT ${UNIT_FILES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/include@xbyak_folder@)
  target_compile_features(${name} PRIVATE c_std_11 cxx_std_20)
  target_compile_options(${name} PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:-fno-fast-math;-fno-lto;${UNIT_FLAGS}>")
  target_compile_definitions(${name} PRIVATE ${UNIT_DEFINES})
  target_sources(assay_kernels PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()
@units@
# Its variants on trial, in your compiler's build.
option(ASSAY_KERNELS_CHECK "Add the test that has assay, where that is installed, check this build of the kernels" ON)
if(ASSAY_KERNELS_CHECK)
  add_library(assay_kernels_plugin MODULE src/plugin.c)
  target_compile_features(assay_kernels_plugin PRIVATE c_std_11)
  target_include_directories(assay_kernels_plugin PRIVATE src)
  target_link_libraries(assay_kernels_plugin PRIVATE assay_kernels)
  find_program(ASSAY_PROGRAM assay)
  enable_testing()
  if(ASSAY_PROGRAM)
    add_test(NAME assay_kernels COMMAND ${ASSAY_PROGRAM} check --plugin $<TARGET_FILE:assay_kernels_plugin>)
  else()
    add_test(NAME assay_kernels COMMAND ${CMAKE_COMMAND} -E echo "skipped: assay is not installed")
    set_tests_properties(assay_kernels PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
  endif()
endif()

set_target_properties(assay_kernels PROPERTIES EXPORT_NAME kernels)
install(TARGETS assay_kernels EXPORT assay_kernels)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/assay_kernels)
install(DIRECTORY kernels DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/assay_kernels FILES_MATCHING PATTERN kernel.h)
set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/assay_kernels)
install(EXPORT assay_kernels NAMESPACE assay:: FILE assay_kernels_targets.cmake DESTINATION ${folder})
configure_package_config_file(assay_kernels-config.cmake.in assay_kernels-config.cmake INSTALL_DESTINATION ${folder})
write_basic_package_version_file(assay_kernels-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/assay_kernels-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/assay_kernels-config-version.cmake
        DESTINATION ${folder})
configure_file(assay_kernels.pc.in assay_kernels.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/assay_kernels.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
)";

constexpr const char* kConfig = R"(@PACKAGE_INIT@
@find@include("${CMAKE_CURRENT_LIST_DIR}/assay_kernels_targets.cmake")
)";

constexpr const char* kPkgConfig = R"(prefix=@CMAKE_INSTALL_PREFIX@
Name: assay_kernels
Description: kernels of GPT inference, chosen by measurement
Version: @PROJECT_VERSION@
Cflags: -I${prefix}/@CMAKE_INSTALL_INCLUDEDIR@/assay_kernels
Libs: -L${prefix}/@CMAKE_INSTALL_LIBDIR@ -lassay_kernels
)";

}  // namespace

std::vector<Unit> units_of(const Recipe& recipe, const Contents& contents) {
  std::map<std::string, std::set<std::string>> files;  // by unit
  for (const KernelSet& set : contents.sets) {
    const std::string& of_kernel = recipe.of_kernel(set.kernel).unit;
    const auto& all = recipe.unit(of_kernel).files;
    files[of_kernel].insert(all.begin(), all.end());
    for (const Variant* v : Contents::variants_of(set)) {
      files[recipe.of_variant(*v).unit].insert(recipe.of_variant(*v).file);
    }
  }
  std::vector<Unit> units;
  Unit contracts;  // of kernels that are no family: all in one way
  contracts.name = "contracts";
  for (const auto& [name, needed] : files) {
    Unit unit = recipe.unit(name);
    unit.files.assign(needed.begin(), needed.end());
    if (name == fmt::format("variants_{}", unit.isa)) {
      // Macros rename what a scalar.cpp defines: those of other kernels are not needed.
      std::erase_if(unit.defines, [&](const std::string& define) {
        return std::ranges::none_of(needed, [&](const std::string& file) {
          return define.starts_with(std::filesystem::path(file).parent_path().filename().string() + "_");
        });
      });
    }
    if (unit.isa.empty() && unit.defines.empty()) {
      contracts.files.insert(contracts.files.end(), unit.files.begin(), unit.files.end());
    } else {
      units.push_back(std::move(unit));
    }
  }
  if (!contracts.files.empty()) {
    units.insert(units.begin(), std::move(contracts));
  }
  return units;
}

std::map<std::string, std::string> build_files(const Recipe& recipe, const Contents& contents) {
  std::string units;
  bool nasm = false;
  for (const Unit& unit : units_of(recipe, contents)) {
    std::vector<std::string> flags = {"-O3"};
    if (!unit.isa.empty()) {
      flags = recipe.flags_of(unit.isa);
      flags.insert(flags.end(), recipe.flags_of_all().begin(), recipe.flags_of_all().end());
      flags.insert(flags.end(), unit.options.begin(), unit.options.end());
    }
    nasm = nasm || std::ranges::any_of(unit.files, [](const std::string& file) { return file.ends_with(".asm"); });
    units +=
        fmt::format("assay_unit(assay_kernels_{}\n  FILES {}\n  FLAGS {}{}{})\n", unit.name, fmt::join(unit.files, " "),
                    cmake_words(flags), unit.defines.empty() ? "" : "\n  DEFINES ", cmake_words(unit.defines));
  }
  const bool generators = contents.has_generators();
  std::string lists = replaced(kLists, "@units@", units);
  lists = replaced(lists, "@nasm@", nasm ? " ASM_NASM" : "");
  lists = replaced(lists, "@generate@", generators ? " src/generate.c" : "");
  lists = replaced(lists, "@xbyak_folder@", generators ? " ${ASSAY_XBYAK_INCLUDE}" : "");
  lists = replaced(
      lists, "@needs@",
      generators
          ? R"(# Generators are C++ that needs Xbyak's header (https://github.com/herumi/xbyak), and its run-time library.
find_path(ASSAY_XBYAK_INCLUDE xbyak/xbyak.h REQUIRED)
find_package(Threads REQUIRED)
target_link_libraries(assay_kernels PUBLIC Threads::Threads)
set_target_properties(assay_kernels PROPERTIES LINKER_LANGUAGE CXX)
)"
          : "");
  return {
      {"CMakeLists.txt", lists},
      {"assay_kernels-config.cmake.in",
       replaced(kConfig, "@find@", generators ? "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\n" : "")},
      {"assay_kernels.pc.in", kPkgConfig + std::string(generators ? "Libs.private: -lstdc++ -lpthread\n" : "")}};
}

}  // namespace assay
