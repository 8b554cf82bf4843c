# install: headers, the exported target, and a package that finds what the headers need.
include(CMakePackageConfigHelpers)

set(dir ${CMAKE_INSTALL_DATADIR}/cmake/towpath)
install(TARGETS towpath EXPORT towpath-targets FILE_SET HEADERS FILE_SET optional FILE_SET cuda)
install(EXPORT towpath-targets NAMESPACE towpath:: DESTINATION ${dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/towpath-config.cmake.in ${PROJECT_BINARY_DIR}/towpath-config.cmake
  INSTALL_DESTINATION ${dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/towpath-config-version.cmake
  COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/towpath-config.cmake ${PROJECT_BINARY_DIR}/towpath-config-version.cmake
              ${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake ${CMAKE_CURRENT_LIST_DIR}/native.cmake ${CMAKE_CURRENT_LIST_DIR}/kernels.cmake
              ${CMAKE_CURRENT_LIST_DIR}/onednn.cmake ${CMAKE_CURRENT_LIST_DIR}/mpi.cmake ${CMAKE_CURRENT_LIST_DIR}/cuda.cmake
        DESTINATION ${dir})
