# Foreign libraries, all from the distribution, by pkg-config.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent_core>=2.1)
pkg_check_modules(SECP256K1 REQUIRED IMPORTED_TARGET libsecp256k1)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib) # the apps: files ending in .gz
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd) # and in .zst
if(SPV_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

# ElligatorSwift (BIP324): libsecp256k1 has it from 0.4 on, as a module that a build may leave out.
# Otherwise src/peer/transport/ellswift.c does it.
include(CheckSymbolExists)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::SECP256K1)
check_symbol_exists(secp256k1_ellswift_xdh secp256k1_ellswift.h SPV_HAVE_ELLSWIFT)
unset(CMAKE_REQUIRED_LIBRARIES)
