# What `cmake --install` and CPack put where: the program with its models, manual page and completion for shells, and what the author
# of a plug-in includes.
include(GNUInstallDirs)
install(TARGETS assay EXPORT assay)
# assay/ and kernels/ in a folder of their own, which find_package and pkg-config name: others may have a kernels/ too. The number is that of
# plugin.h's binary interface. harness/cli/shipped.cpp looks there, from bin/.
set(assay_headers ${CMAKE_INSTALL_INCLUDEDIR}/assay-1)
install(DIRECTORY include/assay DESTINATION ${assay_headers})
install(DIRECTORY kernels DESTINATION ${assay_headers} FILES_MATCHING PATTERN kernel.h)
# harness/cli/shipped.cpp looks there, from bin/.
install(DIRECTORY models DESTINATION share/assay)
install(FILES ${CMAKE_BINARY_DIR}/charts.js ${CMAKE_BINARY_DIR}/charts.txt DESTINATION share/assay OPTIONAL)  # of ci/charts.sh
install(FILES LICENSE DESTINATION share/doc/assay RENAME copyright)

# What `assay export` copies: the sources of the variants and what is theirs.
set(source ${CMAKE_INSTALL_DATADIR}/assay/source)
install(DIRECTORY kernels DESTINATION ${source})
install(DIRECTORY include/assay DESTINATION ${source}/include)
install(DIRECTORY harness/export/package DESTINATION ${source}/harness/export)
install(FILES LICENSE ${CMAKE_BINARY_DIR}/generated/recipe.json DESTINATION ${source})
if(NOT ASSAY_SANITIZE AND NOT ASSAY_FUZZ AND NOT ASSAY_VARIANTS_FROM)
  include(ci/library.cmake)
endif()

# The program describes itself. As it is installed, so that it is the one whose options they are.
set(described ${CMAKE_BINARY_DIR}/described)
install(CODE "
  file(MAKE_DIRECTORY \"${described}\")
  foreach(format man bash zsh fish)
    execute_process(COMMAND \"$<TARGET_FILE:assay>\" describe \${format} OUTPUT_FILE \"${described}/\${format}\"
                    COMMAND_ERROR_IS_FATAL ANY)
  endforeach()")
install(FILES ${described}/man DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 RENAME assay.1)
install(FILES ${described}/bash DESTINATION share/bash-completion/completions RENAME assay)
install(FILES ${described}/fish DESTINATION share/fish/vendor_completions.d RENAME assay.fish)
# Debian's zsh reads the first of them for packages, the other for the administrator.
install(CODE "
  if(CMAKE_INSTALL_PREFIX MATCHES \"/usr$\" AND EXISTS /etc/debian_version)
    set(folder vendor-completions)
  else()
    set(folder site-functions)
  endif()
  file(INSTALL \"${described}/zsh\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/share/zsh/\${folder}\" RENAME _assay)")

# `cpack` in the build folder makes a Debian package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME assay)
set(CPACK_PACKAGE_CONTACT "the assay authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "differential testing and timing of the kernels of GPT inference")
set(CPACK_PACKAGE_DESCRIPTION "It tells which implementation is right, which is the fastest, and which to use on the CPU at hand.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# `assay try` compiles, `assay predict` asks llvm-mca. The program keeps its symbols, by which the latter finds the variants.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "g++, nasm, binutils, llvm")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
include(CPack)
