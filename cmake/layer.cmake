# spv_layer(NAME SOURCES ... [PURE] [LINKS ...]): one object library a layer. A layer sees src/, the
# public headers and what it LINKS; a PURE one also sees stub headers that refuse foreign libraries.
function(spv_layer name)
  cmake_parse_arguments(L "PURE" "" "SOURCES;LINKS" ${ARGN})
  add_library(spv_${name} OBJECT ${L_SOURCES})
  target_include_directories(spv_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                ${PROJECT_BINARY_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(spv_${name} PRIVATE spv_warnings ${L_LINKS})
  target_compile_definitions(spv_${name} PRIVATE _POSIX_C_SOURCE=200809L)
endfunction()
