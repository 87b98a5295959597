#!/usr/bin/env python3
"""Another project has libspv as a part of its build: by add_subdirectory, and by FetchContent.

The project is unkind on purpose: it has targets, variables and CMake files of the names that libspv uses
inside. It links each library from C and C++17, and a plugin of its own that must not export libspv's
functions. Arguments: cmake, C compiler, C++ compiler (empty: there is none), source folder, ccache
(empty: there is none)."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CMAKE, CC, CXX, SOURCE, CCACHE = sys.argv[1:6]

PARENT = """cmake_minimum_required(VERSION 3.25)
project(parent C {cxx})
enable_testing()
list(PREPEND CMAKE_MODULE_PATH ${{CMAKE_CURRENT_SOURCE_DIR}}/cmake)
foreach(name lint room_util warnings stall support)
  add_custom_target(${{name}})
endforeach()
set(EVENT_VERSION mine)
set(SQLITE3_FOUND FALSE)
set(apps mine)
set(text_lib mine)
{how}
foreach(kept EVENT_VERSION apps text_lib)
  if(NOT ${{kept}} STREQUAL mine)
    message(FATAL_ERROR "${{kept}} was changed")
  endif()
endforeach()
if(CMAKE_BUILD_TYPE OR CMAKE_C_VISIBILITY_PRESET OR CMAKE_POSITION_INDEPENDENT_CODE)
  message(FATAL_ERROR "the parent's settings were changed")
endif()
add_executable(shared main.c)
target_link_libraries(shared PRIVATE spv::spv)
add_executable(static main.c)
target_link_libraries(static PRIVATE spv::spv_static)
add_executable(peer peer.c)
target_link_libraries(peer PRIVATE spv::peer)
add_executable(peer_static peer.c)
target_link_libraries(peer_static PRIVATE spv::peer_static)
add_library(plugin MODULE plugin.c)
set_target_properties(plugin PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(plugin PRIVATE spv::spv_static)
foreach(source {sources})
  add_executable(plus main.cpp)
  target_compile_features(plus PRIVATE cxx_std_17)
  target_link_libraries(plus PRIVATE spv::spv)
endforeach()
add_test(NAME mine COMMAND shared)
install(TARGETS shared)
"""
WAYS = {
    "add_subdirectory": "add_subdirectory({source} spv)",
    "FetchContent": "include(FetchContent)\nFetchContent_Declare(libspv SOURCE_DIR {source})\n"
                    "FetchContent_MakeAvailable(libspv)",
}
MAIN = """#include <spv/spv.h>
#include <stdio.h>
int main(void)
{
    puts(spv_params_get(SPV_REGTEST)->net.name);
    return 0;
}
"""
PEER = """#include <spv/peer.h>
#include <spv/version.h>
#include <stdio.h>
int main(void)
{
    puts(spv_version());
    return 0;
}
"""
PLUGIN = """#include <spv/spv.h>
const char *plugin_name(void);
const char *plugin_name(void)
{
    return spv_params_get(SPV_REGTEST)->net.name;
}
"""


def run(*argv, code=0, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=500,
                          check=False, **more)
    if done.returncode != code:
        raise AssertionError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Subproject(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)

    def project(self, way):
        folder = self.dir / way
        (folder / "cmake").mkdir(parents=True)
        for name in ("ccache", "warnings", "sanitizers", "packages", "rooms", "install", "package", "summary"):
            (folder / "cmake" / f"{name}.cmake").write_text("message(FATAL_ERROR \"a file of the parent's\")\n")
        for name, text in (("main.c", MAIN), ("main.cpp", MAIN), ("peer.c", PEER), ("plugin.c", PLUGIN)):
            (folder / name).write_text(text)
        (folder / "CMakeLists.txt").write_text(PARENT.format(
            how=WAYS[way].format(source=SOURCE), cxx="CXX" if CXX else "", sources="main.cpp" if CXX else ""))
        return folder

    def configure(self, folder, *options):
        out = run(CMAKE, "-G", "Unix Makefiles", "-S", folder, "-B", folder / "build", f"-DCMAKE_C_COMPILER={CC}",
                  *([f"-DCMAKE_CXX_COMPILER={CXX}"] if CXX else []),
                  *([f"-DCMAKE_C_COMPILER_LAUNCHER={CMAKE};-E;env;CCACHE_BASEDIR={SOURCE};CCACHE_NOHASHDIR=1;{CCACHE}"]
                    if CCACHE else []), *options)
        return folder / "build", out

    def check_parent(self, build):
        run(CMAKE, "--build", build, "--parallel", os.cpu_count() or 1)
        for program in ["shared", "static"] + (["plus"] if CXX else []):
            self.assertEqual(run(build / program), "regtest\n")
        for program in ("peer", "peer_static"):
            self.assertRegex(run(build / program), r"^\d+\.\d+\.\d+\n$")
        out = run("ctest", "--test-dir", build)
        self.assertIn("100% tests passed, 0 tests failed out of 1\n", out)
        self.assertEqual([str(p) for p in build.rglob("spv-sync")] + [str(p) for p in build.rglob("unit_*")], [])
        run(CMAKE, "--install", build, "--prefix", build / "prefix")
        self.assertEqual(sorted(p.name for p in (build / "prefix").rglob("*")), ["bin", "shared"])
        exported = run("nm", "-D", "--defined-only", next(build.glob("libplugin.*")))
        self.assertIn("plugin_name", exported)
        self.assertEqual(re.findall(r"\bspv_\w+", exported), [])

    def test_add_subdirectory(self):
        build, _ = self.configure(self.project("add_subdirectory"))
        self.check_parent(build)
        self.assertIn("libspv.so.0.", run("readelf", "-d", build / "shared"))
        flags = (build / "spv/src/util/CMakeFiles/spv_room_util.dir/flags.make").read_text()
        self.assertIn("-O2", flags)  # the parent chose no build type

    def test_fetch_content(self):
        build, _ = self.configure(self.project("FetchContent"))
        self.check_parent(build)

    def test_static_by_choice_and_more_when_asked_for(self):
        folder = self.project("add_subdirectory")
        build, _ = self.configure(folder, "-DBUILD_SHARED_LIBS=OFF", "-DSPV_APPS=ON", "-DSPV_EXAMPLES=ON")
        targets = run(CMAKE, "--build", build, "--target", "help")
        for name in ("spv-sync", "sync_tip"):
            self.assertIn(f" {name}\n", targets)
        self.assertNotIn(" bench_hash\n", targets)
        link = (build / "CMakeFiles/shared.dir/link.txt").read_text()
        self.assertIn("libspv.a", link)
        self.assertNotIn("libspv.so", link)
        done = subprocess.run([CMAKE, "-G", "Unix Makefiles", "-S", folder, "-B", self.dir / "tests", "-DSPV_TESTS=ON",
                               f"-DCMAKE_C_COMPILER={CC}"], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("SPV_TESTS=ON needs SPV_APPS, SPV_EXAMPLES and SPV_INSTALL", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
