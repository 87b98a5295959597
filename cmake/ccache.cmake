# ccache is used when present. Paths are made relative so that worktrees and CI share its entries.
find_program(SPV_CCACHE ccache)
if(SPV_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
                                CCACHE_NOHASHDIR=1 ${SPV_CCACHE})
endif()
# The same objects wherever the sources lie; gcov wants the true paths.
if(NOT SPV_COVERAGE)
  add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
endif()
