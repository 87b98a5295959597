# spv_layer(NAME SOURCES ... [PURE] [LINKS ...]): one object library a layer, with include folders of
# its own: the public headers and, as links under build/<preset>/layers/<NAME>/, just the layers that
# the table allows it. Foreign headers that a layer has no business with are shadowed by stubs that
# #error (spv_refuse below); what it calls in the end is read from its object files by the test
# house.purity. So a wrong #include fails to compile and a wrong call fails the tests.

# Who may include whom. A layer comes after all that it uses.
set(SPV_MAY_INCLUDE_base base)
set(SPV_MAY_INCLUDE_wire base wire)
set(SPV_MAY_INCLUDE_peer base wire peer)
set(SPV_MAY_INCLUDE_spv base wire peer spv)
set(SPV_MAY_INCLUDE_store base wire spv store)
set(SPV_MAY_INCLUDE_link base wire peer link)
set(SPV_MAY_INCLUDE_loop base wire peer spv store link loop)

# Foreign headers by what they would bring in. OpenSSL's own headers include <time.h>, so the layer
# that links OpenSSL can't have that one shadowed; its object files are checked all the same.
set(SPV_HEADERS_event event.h evhttp.h evdns.h evutil.h event2/event.h event2/event_struct.h
                      event2/buffer.h event2/bufferevent.h event2/bufferevent_struct.h event2/dns.h
                      event2/http.h event2/listener.h event2/thread.h event2/util.h)
set(SPV_HEADERS_sqlite sqlite3.h sqlite3ext.h)
set(SPV_HEADERS_system arpa/inet.h fcntl.h netdb.h netinet/in.h netinet/tcp.h poll.h signal.h
                       sys/epoll.h sys/eventfd.h sys/mman.h sys/random.h sys/socket.h sys/stat.h
                       sys/time.h sys/un.h syslog.h threads.h unistd.h)
set(SPV_HEADERS_clock pthread.h time.h)

set(SPV_REFUSED_base event sqlite system)
set(SPV_REFUSED_wire event sqlite system clock)
set(SPV_REFUSED_peer event sqlite system clock)
set(SPV_REFUSED_spv event sqlite system clock)
set(SPV_REFUSED_store event)
set(SPV_REFUSED_link sqlite)
set(SPV_REFUSED_loop sqlite)

foreach(group event sqlite system clock)
  foreach(header ${SPV_HEADERS_${group}})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/refuse/${group}/${header}
         CONTENT "#error \"<${header}> has no place in this layer: see cmake/layer.cmake\"\n")
  endforeach()
endforeach()

function(spv_layer name)
  cmake_parse_arguments(L "PURE" "" "SOURCES;LINKS" ${ARGN})
  set(view ${PROJECT_BINARY_DIR}/layers/${name})
  file(MAKE_DIRECTORY ${view})
  foreach(other ${SPV_MAY_INCLUDE_${name}})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${other} ${view}/${other} SYMBOLIC)
  endforeach()
  add_library(spv_${name} OBJECT ${L_SOURCES})
  foreach(group ${SPV_REFUSED_${name}})
    target_include_directories(spv_${name} BEFORE PRIVATE ${PROJECT_BINARY_DIR}/refuse/${group})
  endforeach()
  target_include_directories(spv_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include
                                                 ${PROJECT_BINARY_DIR}/include ${view})
  target_link_libraries(spv_${name} PRIVATE spv_warnings ${L_LINKS})
  target_compile_definitions(spv_${name} PRIVATE _POSIX_C_SOURCE=200809L)
  if(L_PURE)
    set_property(GLOBAL APPEND PROPERTY SPV_PURE_LAYERS ${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY SPV_BUILT_LAYERS ${name})
endfunction()
