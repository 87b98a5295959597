# spv_room(NAME SOURCES ... [PURE] [LINKS ...]): one object library a room of src/, with include
# folders of its own: the public headers and, as links under build/<preset>/rooms/<NAME>/, just the
# rooms that the table allows it. Foreign headers that a room has no business with are shadowed by
# stubs that #error; what it calls in the end is read from its object files by the test
# layout.purity. So a wrong #include fails to compile and a wrong call fails the tests.

# Who may include whom, besides itself and util. A room comes after all that it uses.
set(SPV_MAY_INCLUDE_util)
set(SPV_MAY_INCLUDE_wire)
set(SPV_MAY_INCLUDE_peer wire)
set(SPV_MAY_INCLUDE_spv/params)
set(SPV_MAY_INCLUDE_spv/effects)
set(SPV_MAY_INCLUDE_spv/chain wire spv/params)
set(SPV_MAY_INCLUDE_spv/sync wire spv/effects spv/params spv/chain)
set(SPV_MAY_INCLUDE_spv/addrman wire spv/effects spv/params)
set(SPV_MAY_INCLUDE_spv/serve wire spv/chain)
set(SPV_MAY_INCLUDE_spv/formats wire spv/params spv/chain)
set(SPV_MAY_INCLUDE_spv/keys spv/params)
set(SPV_MAY_INCLUDE_spv/filters wire spv/effects spv/params spv/chain spv/sync)
set(SPV_MAY_INCLUDE_spv/wallet wire spv/effects spv/params spv/chain spv/sync spv/keys spv/filters)
set(SPV_MAY_INCLUDE_spv/node wire peer spv/params spv/effects spv/chain spv/sync spv/addrman spv/serve spv/formats spv/keys spv/filters spv/wallet)
set(SPV_MAY_INCLUDE_store wire spv/params spv/chain spv/filters spv/wallet)
set(SPV_MAY_INCLUDE_net wire peer)
set(SPV_MAY_INCLUDE_loop wire peer spv/params spv/effects spv/chain spv/sync spv/addrman spv/serve spv/formats spv/keys spv/filters spv/wallet spv/node store net)

# Foreign headers by what they would bring in. OpenSSL's own headers include <time.h>, so the room
# that links OpenSSL can't have that one shadowed; its object files are checked all the same.
set(SPV_HEADERS_event event.h evhttp.h evdns.h evutil.h event2/event.h event2/event_struct.h
                      event2/buffer.h event2/bufferevent.h event2/bufferevent_struct.h event2/dns.h
                      event2/http.h event2/listener.h event2/thread.h event2/util.h)
set(SPV_HEADERS_sqlite sqlite3.h sqlite3ext.h)
set(SPV_HEADERS_system arpa/inet.h fcntl.h netdb.h netinet/in.h netinet/tcp.h poll.h signal.h
                       sys/epoll.h sys/eventfd.h sys/mman.h sys/random.h sys/socket.h sys/stat.h
                       sys/time.h sys/un.h syslog.h threads.h unistd.h)
set(SPV_HEADERS_clock pthread.h time.h)

set(SPV_REFUSED_util event sqlite system)
set(SPV_REFUSED_wire event sqlite system clock)
set(SPV_REFUSED_peer event sqlite system clock)
set(SPV_REFUSED_spv/params event sqlite system clock)
set(SPV_REFUSED_spv/effects event sqlite system clock)
set(SPV_REFUSED_spv/chain event sqlite system clock)
set(SPV_REFUSED_spv/sync event sqlite system clock)
set(SPV_REFUSED_spv/addrman event sqlite system clock)
set(SPV_REFUSED_spv/serve event sqlite system clock)
set(SPV_REFUSED_spv/formats event sqlite system clock)
set(SPV_REFUSED_spv/keys event sqlite system clock)
set(SPV_REFUSED_spv/filters event sqlite system clock)
set(SPV_REFUSED_spv/wallet event sqlite system clock)
set(SPV_REFUSED_spv/node event sqlite system clock)
set(SPV_REFUSED_store event)
set(SPV_REFUSED_net sqlite)
set(SPV_REFUSED_loop sqlite)

foreach(group event sqlite system clock)
  foreach(header ${SPV_HEADERS_${group}})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/refuse/${group}/${header}
         CONTENT "#error \"<${header}> has no place in this room: see cmake/rooms.cmake\"\n")
  endforeach()
endforeach()

function(spv_room name)
  cmake_parse_arguments(R "PURE" "" "SOURCES;LINKS" ${ARGN})
  string(REPLACE "/" "_" word ${name})
  set(target spv_room_${word})
  set(view ${PROJECT_BINARY_DIR}/rooms/${word})
  file(REMOVE_RECURSE ${view})
  foreach(other ${name} util ${SPV_MAY_INCLUDE_${name}})
    get_filename_component(parent ${view}/${other} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${other} ${view}/${other} SYMBOLIC)
  endforeach()
  add_library(${target} OBJECT ${R_SOURCES})
  foreach(group ${SPV_REFUSED_${name}})
    target_include_directories(${target} BEFORE PRIVATE ${PROJECT_BINARY_DIR}/refuse/${group})
  endforeach()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include
                                               ${PROJECT_BINARY_DIR}/include ${view})
  target_link_libraries(${target} PRIVATE spv_warnings ${R_LINKS})
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
  if(R_PURE)
    set_property(GLOBAL APPEND PROPERTY SPV_PURE_ROOMS ${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY SPV_BUILT_ROOMS ${name})
endfunction()
