# cpack: one .deb a component of install.cmake. `tools/packages.sh build package`, then
#   cmake --preset package && cmake --build --preset package && cpack --preset package
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME libspv)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
# Each component has a text of its own: without this, the project's comes before it.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${CMAKE_PROJECT_NAME} built using CMake")
set(CPACK_PACKAGE_CONTACT "The libspv developers <developers@libspv.example>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL lib peer dev tools doc)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_gzip.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/src)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

set(text_lib "SPV light-client toolkit for Bitcoin: shared library
Syncs and validates the block-header chain of a Bitcoin network into SQLite,
finds a wallet's transactions with compact filters or merkle proofs, and
speaks the peer-to-peer protocol, without keys and without a full node.")
set(text_peer "Bitcoin's peer-to-peer protocol on a socket: shared library
The part of libspv below the header chain: messages, handshake, encrypted
transport, keep-alive and statistics of connections to Bitcoin peers.")
set(text_dev "SPV light-client toolkit for Bitcoin: development files
Headers, static libraries, pkg-config files and a CMake package of libspv and
of libspv-peer, its part that speaks the peer-to-peer protocol.")
set(text_tools "programs of an SPV light client for Bitcoin
Download, verify, export, import and serve the block headers of a Bitcoin
network, check merkle proofs, and convert addresses and descriptors.")
set(text_doc "SPV light-client toolkit for Bitcoin: documents and examples
The README, the changelog, how libspv is built, its database schema and file
formats, its threat model, and small programs that use it.")

set(section_lib libs)
set(section_peer libs)
set(section_dev libdevel)
set(section_tools utils)
set(section_doc doc)
set(same "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(depends_dev "${SPV_PACKAGE_lib} ${same}, ${SPV_PACKAGE_peer} ${same}, libevent-dev, libsecp256k1-dev, libsqlite3-dev, libssl-dev")
set(depends_tools "${SPV_PACKAGE_lib} ${same}")
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${SPV_PACKAGE_${component}})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section_${component}})
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${text_${component}}")
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${text_${component}}")
  if(depends_${component})
   set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends_${component}}")
  endif()
endforeach()
set(CPACK_DEBIAN_DOC_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DOC_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
# The loader's cache follows the libraries.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/package/triggers CONTENT "activate-noawait ldconfig\n")
foreach(component LIB PEER)
  set(CPACK_DEBIAN_${component}_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package/triggers)
endforeach()
include(CPack)
