# Foreign libraries, all from the distribution, by pkg-config. Those of the libraries are global: who links
# a static one from another folder needs them, too.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED GLOBAL)
find_package(OpenSSL 3 REQUIRED GLOBAL COMPONENTS Crypto)
pkg_check_modules(SPV_EVENT REQUIRED IMPORTED_TARGET GLOBAL libevent_core>=2.1)
pkg_check_modules(SPV_SECP256K1 REQUIRED IMPORTED_TARGET GLOBAL libsecp256k1)
pkg_check_modules(SPV_SQLITE3 REQUIRED IMPORTED_TARGET GLOBAL sqlite3>=3.40)
if(SPV_APPS)
  pkg_check_modules(SPV_JANSSON REQUIRED IMPORTED_TARGET jansson)
  pkg_check_modules(SPV_INIH REQUIRED IMPORTED_TARGET inih)
  pkg_check_modules(SPV_ZLIB REQUIRED IMPORTED_TARGET zlib) # files ending in .gz
  pkg_check_modules(SPV_ZSTD REQUIRED IMPORTED_TARGET libzstd) # and in .zst
endif()
if(SPV_TESTS)
  pkg_check_modules(SPV_CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

# ElligatorSwift (BIP324): libsecp256k1 has it from 0.4 on, as a module that a build may leave out.
# Otherwise src/peer/transport/ellswift.c does it.
include(CheckSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::SPV_SECP256K1)
check_symbol_exists(secp256k1_ellswift_xdh secp256k1_ellswift.h SPV_HAVE_ELLSWIFT)
unset(CMAKE_REQUIRED_LIBRARIES)
