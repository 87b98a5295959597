# Debian wants man pages and changelogs compressed; CPack runs this before it makes the packages.
file(GLOB_RECURSE files ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*)
list(FILTER files INCLUDE REGEX "/man/man[1-8]/[^/]*[1-8]$|/changelog\\.Debian$|/libspv-doc/CHANGELOG\\.md$")
foreach(file ${files})
  execute_process(COMMAND gzip -9nf ${file} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
