# cmake --install: libraries with SONAMEs, headers, pkg-config files, a CMake package, apps, man pages.
include(CMakePackageConfigHelpers)

# The headers of the peer package: what include/spv/peer.h, link.h, dial.h, listener.h and resolve.h
# need, and no more. libspv has them all. tests/layout/exports.py holds each library to its headers.
set(SPV_PEER_HEADERS export error types network header tx block netaddr message peer push transport endpoint
                     reactor resolve dial listener link version)

install(TARGETS spv_shared spv_peer_shared EXPORT spvTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS spv_static spv_peer_static EXPORT spvStaticTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set_target_properties(spv_shared PROPERTIES EXPORT_NAME spv)
set_target_properties(spv_peer_shared PROPERTIES EXPORT_NAME peer)
set_target_properties(spv_peer_static PROPERTIES EXPORT_NAME peer_static)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/spv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.h)
install(FILES ${PROJECT_BINARY_DIR}/include/spv/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/spv)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/spv)
foreach(set spvTargets spvStaticTargets)
  install(EXPORT ${set} NAMESPACE spv:: DESTINATION ${package})
endforeach()
configure_package_config_file(cmake/spvConfig.cmake.in ${PROJECT_BINARY_DIR}/spvConfig.cmake
                              INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/spvConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/spvConfig.cmake ${PROJECT_BINARY_DIR}/spvConfigVersion.cmake
        DESTINATION ${package})

# The .pc files find their prefix from where they lie, so that `cmake --install --prefix` may move it.
file(RELATIVE_PATH SPV_PC_UP ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" SPV_PC_UP ${SPV_PC_UP})
foreach(dir LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
    set(SPV_PC_${dir} ${CMAKE_INSTALL_${dir}})
  else()
    set(SPV_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
foreach(name spv spv-peer)
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.1)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/docs/man/spv.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)

# The apps, every program of apps/, find the library they were installed with wherever the prefix is.
set(apps)
if(EXISTS ${PROJECT_SOURCE_DIR}/apps/CMakeLists.txt)
  get_property(targets DIRECTORY ${PROJECT_SOURCE_DIR}/apps PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL EXECUTABLE)
      list(APPEND apps ${target})
    endif()
  endforeach()
endif()
if(apps)
  file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(${apps} PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
  install(TARGETS ${apps} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(NOT CMAKE_CROSSCOMPILING) # each program prints what shells complete of it
    foreach(app ${apps})
      install(CODE "
        foreach(shell bash zsh fish)
          execute_process(COMMAND \"$<TARGET_FILE:${app}>\" --no-config --completion \${shell}
                          OUTPUT_FILE \"${PROJECT_BINARY_DIR}/completion/\${shell}/${app}\" COMMAND_ERROR_IS_FATAL ANY)
        endforeach()")
      install(FILES ${PROJECT_BINARY_DIR}/completion/bash/${app}
              DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
      install(FILES ${PROJECT_BINARY_DIR}/completion/zsh/${app} RENAME _${app}
              DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
      install(FILES ${PROJECT_BINARY_DIR}/completion/fish/${app} RENAME ${app}.fish
              DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
    endforeach()
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/completion/bash ${PROJECT_BINARY_DIR}/completion/zsh
         ${PROJECT_BINARY_DIR}/completion/fish)
  endif()
endif()
