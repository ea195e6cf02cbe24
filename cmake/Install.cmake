# What `make install` and `make deb` install beside the program: the library of everything but the command line, its
# headers, and files for pkg-config and CMake.
include(GNUInstallDirs)

set(library_modules ${modules})
list(REMOVE_ITEM library_modules cli mpi)  # the command line, and what it loads under mpirun
foreach(module ${library_modules})
  install(TARGETS committee_${module} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  install(DIRECTORY src/${module} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/committee-audit COMPONENT development
    FILES_MATCHING PATTERN "*.h" PATTERN charts EXCLUDE PATTERN web EXCLUDE)
endforeach()

# Static libraries: whoever needs another comes first, so the modules' order backwards.
set(COMMITTEE_LIBS "")
list(REVERSE library_modules)
foreach(module ${library_modules})
  string(APPEND COMMITTEE_LIBS " -lcommittee_${module}")
endforeach()
file(RELATIVE_PATH COMMITTEE_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/committee-audit.pc.in committee-audit.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/committee-audit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/committee-audit-config.cmake.in committee-audit-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/committee-audit PATH_VARS CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(committee-audit-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/committee-audit-config.cmake ${CMAKE_BINARY_DIR}/committee-audit-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/committee-audit COMPONENT development)

# Man pages and completions, of the program's own flag table.
set(share ${CMAKE_BINARY_DIR}/share)
add_custom_command(
  OUTPUT ${share}/bash ${share}/zsh ${share}/fish ${share}/man/committee-audit.1
  COMMAND ${CMAKE_COMMAND} -E make_directory ${share}
  COMMAND committee-audit manual -o ${share}/man
  COMMAND committee-audit completion bash >${share}/bash
  COMMAND committee-audit completion zsh >${share}/zsh
  COMMAND committee-audit completion fish >${share}/fish
  DEPENDS committee-audit
  COMMENT "Man pages and completions")
add_custom_target(share ALL DEPENDS ${share}/bash ${share}/zsh ${share}/fish ${share}/man/committee-audit.1)
set(data ${CMAKE_INSTALL_DATADIR})
install(DIRECTORY ${share}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
install(FILES ${share}/bash DESTINATION ${data}/bash-completion/completions RENAME committee-audit COMPONENT program)
install(FILES ${share}/zsh DESTINATION ${data}/zsh/vendor-completions RENAME _committee-audit COMPONENT program)
install(FILES ${share}/fish DESTINATION ${data}/fish/vendor_completions.d RENAME committee-audit.fish
  COMPONENT program)
install(DIRECTORY data/domains DESTINATION ${data}/committee-audit COMPONENT program)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright COMPONENT program)

set(CPACK_PACKAGE_NAME committee-audit)
set(CPACK_PACKAGE_CONTACT "committee-audit maintainers <committee-audit@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "audits the experts of Mixture-of-Experts language models")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL program development)
if(TARGET committee_mpi)
  list(APPEND CPACK_COMPONENTS_ALL mpi)  # a package of its own: MPI is large, and few need it
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME committee-audit)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "libdnnl2, libsimdjson14")  # loaded by name
set(CPACK_DEBIAN_MPI_PACKAGE_NAME committee-audit-mpi)
set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "committee-audit (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcommittee-audit-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libdnnl-dev, libfmt-dev, nlohmann-json3-dev, libsimdjson-dev, \
libpcre2-dev, libutf8proc-dev, libminizip-dev, libpugixml-dev, libxxhash-dev, libhwy-dev, zlib1g-dev, pkg-config")
include(CPack)
