# One warning a line, so that each can be found, argued and changed alone.
add_library(spv_warnings INTERFACE)
target_compile_options(
  spv_warnings
  INTERFACE
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wsign-conversion
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wold-style-definition
    -Wvla
    -Wundef
    -Wcast-align
    -Wcast-qual
    -Wwrite-strings
    -Wpointer-arith
    -Wformat=2
    -Wnull-dereference
    -Wswitch-enum
    -Wimplicit-fallthrough
    -Wdouble-promotion)
if(SPV_WERROR)
  target_compile_options(spv_warnings INTERFACE -Werror)
endif()
