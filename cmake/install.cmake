# cmake --install: libraries with SONAMEs, headers, pkg-config files, a CMake package, programs, man pages,
# completions, documents. Each file belongs to a component, which is a Debian package (package.cmake).
include(CMakePackageConfigHelpers)

# The headers of the peer package: what include/spv/peer.h, link.h, dial.h, listener.h and resolve.h
# need, and no more. libspv has them all. tests/layout/exports.py holds each library to its headers.
set(SPV_PEER_HEADERS export error types network header tx block netaddr message peer push transport endpoint
                     reactor resolve dial listener link version)

install(TARGETS spv_shared EXPORT spvTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib NAMELINK_COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS spv_peer_shared EXPORT spvTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT peer NAMELINK_COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS spv_static spv_peer_static EXPORT spvStaticTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set_target_properties(spv_shared PROPERTIES EXPORT_NAME spv)
set_target_properties(spv_peer_shared PROPERTIES EXPORT_NAME peer)
set_target_properties(spv_peer_static PROPERTIES EXPORT_NAME peer_static)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/spv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT dev FILES_MATCHING PATTERN *.h)
install(FILES ${PROJECT_BINARY_DIR}/include/spv/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/spv
        COMPONENT dev)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/spv)
foreach(set spvTargets spvStaticTargets)
  install(EXPORT ${set} NAMESPACE spv:: DESTINATION ${package} COMPONENT dev)
endforeach()
configure_package_config_file(cmake/spvConfig.cmake.in ${PROJECT_BINARY_DIR}/spvConfig.cmake
                              INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/spvConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/spvConfig.cmake ${PROJECT_BINARY_DIR}/spvConfigVersion.cmake
        DESTINATION ${package} COMPONENT dev)

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
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT dev)
endforeach()

# The documents, as they lie in the source.
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libspv-doc COMPONENT doc)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libspv-doc/docs COMPONENT doc
        FILES_MATCHING PATTERN *.md PATTERN *.svg PATTERN man EXCLUDE)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libspv-doc COMPONENT doc
        FILES_MATCHING PATTERN *.c PATTERN *.py)

# Licence and Debian changelog of each package.
configure_file(cmake/changelog.Debian.in ${PROJECT_BINARY_DIR}/package/changelog.Debian @ONLY)
configure_file(cmake/copyright.in ${PROJECT_BINARY_DIR}/package/copyright @ONLY)
set(SPV_PACKAGE_lib libspv${SPV_SOVERSION})
set(SPV_PACKAGE_peer libspv-peer${SPV_SOVERSION})
set(SPV_PACKAGE_dev libspv-dev)
set(SPV_PACKAGE_tools spv-tools)
set(SPV_PACKAGE_doc libspv-doc)
set(components lib peer dev doc)
if(SPV_APPS)
  list(APPEND components tools)
endif()
foreach(component ${components})
  install(FILES ${PROJECT_BINARY_DIR}/package/copyright ${PROJECT_BINARY_DIR}/package/changelog.Debian
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${SPV_PACKAGE_${component}} COMPONENT ${component})
endforeach()

# The programs find the library they were installed with wherever the prefix is; in /usr the loader does.
if(SPV_APPS)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.1)
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
  install(FILES ${PROJECT_SOURCE_DIR}/docs/man/spv.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5
          COMPONENT tools)
  set(apps)
  get_property(targets DIRECTORY ${PROJECT_SOURCE_DIR}/apps PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL EXECUTABLE)
      list(APPEND apps ${target})
    endif()
  endforeach()
  if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(${apps} PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
  endif()
  install(TARGETS ${apps} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
endif()

# Each program prints what shells complete of it; one for another machine cannot be run here.
if(SPV_APPS AND NOT CMAKE_CROSSCOMPILING)
  set(zsh site-functions)
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr") # where Debian's packages have them
    set(zsh vendor-completions)
  endif()
  foreach(app ${apps})
    foreach(shell bash zsh fish)
      set(file ${PROJECT_BINARY_DIR}/completion/${shell}/${app})
      file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/completion/${shell})
      install(CODE "execute_process(COMMAND \"$<TARGET_FILE:${app}>\" --no-config --completion ${shell}
                                    OUTPUT_FILE \"${file}\" COMMAND_ERROR_IS_FATAL ANY)"
              COMPONENT tools)
    endforeach()
    install(FILES ${PROJECT_BINARY_DIR}/completion/bash/${app}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tools)
    install(FILES ${PROJECT_BINARY_DIR}/completion/zsh/${app} RENAME _${app}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh} COMPONENT tools)
    install(FILES ${PROJECT_BINARY_DIR}/completion/fish/${app} RENAME ${app}.fish
            DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT tools)
  endforeach()
endif()

# Services of systemd, both with the same restrictions. Units are found in /usr/lib for a prefix in /usr.
if(SPV_APPS)
  file(READ ${PROJECT_SOURCE_DIR}/systemd/hardening.inc SPV_SERVICE_HARDENING)
  foreach(service spv-sync@ spv-serve@)
    configure_file(systemd/${service}.service.in ${PROJECT_BINARY_DIR}/systemd/${service}.service @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/systemd/${service}.service DESTINATION lib/systemd/system COMPONENT tools)
  endforeach()
endif()
