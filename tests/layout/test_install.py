#!/usr/bin/env python3
"""An outside program finds, builds on and runs with what `cmake --install` lays down.

The build is installed into a folder that is then moved, so nothing may remember where it was.
examples/sync_tip.c and, in C++17, outside.cpp are built there with CMake's find_package and with
pkg-config, each against the shared and the static library, and sync from the installed spv-serve.
Arguments: cmake, C compiler, C++ compiler (empty: there is none), source folder, build folder,
instrumentation flags (may be empty)."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import exports

CMAKE, CC, CXX, SOURCE, BUILD = sys.argv[1:6]
FLAGS = sys.argv[6].split() if len(sys.argv) > 6 else []
CXX_FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
HEIGHT = 2500  # two messages of headers

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(outside C)
find_package(spv 0.1 CONFIG REQUIRED COMPONENTS static)
add_executable(shared sync_tip.c)
target_link_libraries(shared PRIVATE spv::spv)
add_executable(static sync_tip.c)
target_link_libraries(static PRIVATE spv::spv_static)
add_executable(peer peer.c)
target_link_libraries(peer PRIVATE spv::peer)
add_executable(peer_static peer.c)
target_link_libraries(peer_static PRIVATE spv::peer_static)
"""

# The peer package by itself: its headers, and calls into its lowest and its highest layer.
PEER = """#include <spv/link.h>
#include <spv/version.h>
#include <stdio.h>
int main(void)
{
    struct spv_reactor *reactor;
    if (spv_reactor_new(&reactor, NULL) != 0)
        return 1;
    spv_reactor_free(reactor);
    puts(spv_version());
    return 0;
}
"""


def run(*argv, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=300,
                          check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.dir = Path(tmp.name)
        run(CMAKE, "--install", BUILD, "--prefix", cls.dir / "staged")
        cls.prefix = (cls.dir / "staged").rename(cls.dir / "prefix")
        cls.lib = next(cls.prefix.glob("**/libspv.a")).parent
        cls.work = cls.dir / "outside"
        cls.work.mkdir()
        (cls.work / "sync_tip.c").write_bytes(Path(SOURCE, "examples/sync_tip.c").read_bytes())
        (cls.work / "outside.cpp").write_bytes(Path(SOURCE, "tests/layout/outside.cpp").read_bytes())
        (cls.work / "peer.c").write_text(PEER)
        (cls.work / "CMakeLists.txt").write_text(PROJECT)

        cls.server = subprocess.Popen(
            [cls.prefix / "bin/spv-serve", "--network", "regtest", "--mine", str(HEIGHT), "--listen",
             "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop_server)
        cls.serving = json.loads(cls.server.stdout.readline())

    @classmethod
    def stop_server(cls):
        cls.server.terminate()
        cls.server.wait(timeout=60)
        cls.server.stdout.close()

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments,
                   env={**os.environ, "PKG_CONFIG_PATH": str(self.lib / "pkgconfig")}).split()

    def needed(self, program):
        """The project's libraries that a program asks the loader for."""
        lines = run("readelf", "-d", program).splitlines()
        names = [line.split("[")[1].rstrip("]") for line in lines if "(NEEDED)" in line]
        return [name for name in names if name.startswith("libspv")]

    def assert_syncs(self, program, env=None):
        db = self.work / f"{Path(program).name}.db"
        out = run(program, f"127.0.0.1:{self.serving['port']}", db, env=env)
        self.assertIn(str(HEIGHT), out)
        self.assertIn(self.serving["hash"], out)

    def test_cmake_package(self):
        build = self.work / "build"
        run(CMAKE, "-S", self.work, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_COMPILER={CC}", f"-DCMAKE_C_FLAGS={' '.join(FLAGS)}")
        run(CMAKE, "--build", build)
        self.assertEqual(self.needed(build / "shared"), ["libspv.so.0.1"])
        self.assertEqual(self.needed(build / "static"), [])
        self.assertEqual(self.needed(build / "peer"), ["libspv-peer.so.0.1"])
        self.assert_syncs(build / "shared")
        self.assert_syncs(build / "static")
        self.assertEqual(run(build / "peer"), run(build / "peer_static"))

    def test_an_unknown_component_is_named(self):
        folder = self.work / "unknown"
        folder.mkdir()
        (folder / "CMakeLists.txt").write_text(PROJECT.split("add_executable")[0].replace("static", "statik"))
        done = subprocess.run([CMAKE, "-S", folder, "-B", folder / "b", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                               f"-DCMAKE_C_COMPILER={CC}"], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("libspv has no component 'statik'. It has: spv, peer, static.",
                      " ".join(done.stderr.split()))

    def test_a_plugin_does_not_export_the_static_library(self):
        plugin = self.work / "plugin.so"
        (self.work / "plugin.c").write_text(
            "#include <spv/spv.h>\nconst char *plugin_name(void);\nconst char *plugin_name(void)\n"
            "{\n    return spv_params_get(SPV_REGTEST)->net.name;\n}\n")
        libs = [arg.replace("-lspv", "-l:libspv.a")
                for arg in self.pkg_config("--cflags", "--libs", "--static", "spv")]
        run(CC, *FLAGS, "-shared", "-fPIC", self.work / "plugin.c", *libs, "-o", plugin)
        exported = exports.exported("nm", plugin)
        self.assertIn("plugin_name", exported)
        self.assertEqual([name for name in exported if name.startswith("spv_")], [])

    def test_pkg_config(self):
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.lib)}
        shared = self.work / "pc_shared"
        run(CC, *FLAGS, self.work / "sync_tip.c", *self.pkg_config("--cflags", "--libs", "spv"),
            "-o", shared)
        self.assertEqual(self.needed(shared), ["libspv.so.0.1"])
        self.assert_syncs(shared, env=env)

        static = self.work / "pc_static"
        libs = [arg.replace("-lspv", "-l:libspv.a")
                for arg in self.pkg_config("--cflags", "--libs", "--static", "spv")]
        run(CC, *FLAGS, self.work / "sync_tip.c", *libs, "-o", static)
        self.assertEqual(self.needed(static), [])
        self.assert_syncs(static)

        peer = self.work / "pc_peer"
        run(CC, *FLAGS, self.work / "peer.c", *self.pkg_config("--cflags", "--libs", "spv-peer"),
            "-o", peer)
        self.assertEqual(self.needed(peer), ["libspv-peer.so.0.1"])
        version = self.pkg_config("--modversion", "spv-peer")[0]
        self.assertEqual(run(peer, env=env).strip(), version)

    @unittest.skipUnless(CXX, "no C++ compiler")
    def test_cxx17_program_syncs(self):
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.lib)}
        cflags = self.pkg_config("--cflags", "spv")
        shared = self.work / "cxx_shared"
        run(CXX, *CXX_FLAGS, *FLAGS, *cflags, self.work / "outside.cpp", *self.pkg_config("--libs", "spv"),
            "-o", shared)
        self.assertEqual(self.needed(shared), ["libspv.so.0.1"])
        self.assert_syncs(shared, env=env)

        static = self.work / "cxx_static"
        libs = [arg.replace("-lspv", "-l:libspv.a") for arg in self.pkg_config("--libs", "--static", "spv")]
        run(CXX, *CXX_FLAGS, *FLAGS, *cflags, self.work / "outside.cpp", *libs, "-o", static)
        self.assert_syncs(static)

    @unittest.skipUnless(CXX, "no C++ compiler")
    def test_cxx17_links_every_public_function(self):
        headers = sorted((self.prefix / "include/spv").glob("*.h"))
        names = sorted(set().union(*(exports.declared(header) for header in headers)))
        self.assertGreater(len(names), 100)
        source = self.work / "all.cpp"
        source.write_text("#include <spv/spv.h>\n#include <spv/version.h>\n#include <cstdio>\n"
                          "static const void *const all[] = {\n"
                          + "".join(f"    reinterpret_cast<const void *>(&{name}),\n" for name in names)
                          + "};\nint main()\n{\n    for (const void *one : all)\n"
                          "        std::printf(\"%d\\n\", one != nullptr);\n}\n")
        program = self.work / "all"
        run(CXX, *CXX_FLAGS, *FLAGS, source, *self.pkg_config("--cflags", "--libs", "spv"), "-o", program)
        out = run(program, env={**os.environ, "LD_LIBRARY_PATH": str(self.lib)})
        self.assertEqual(out, "1\n" * len(names))

    def test_installs_apps_and_their_pages(self):
        for app in ("spv-sync", "spv-export", "spv-serve", "spv-db", "spv-proof", "spv-address", "spv-watch", "spv-send"):
            self.assertTrue((self.prefix / "bin" / app).exists(), app)
            self.assertTrue((self.prefix / f"share/man/man1/{app}.1").exists(), f"{app}.1")
            for file in (f"bash-completion/completions/{app}", f"zsh/site-functions/_{app}",
                         f"fish/vendor_completions.d/{app}.fish"):
                self.assertIn("--network" if "fish" not in file else "-l network",
                              (self.prefix / "share" / file).read_text(), file)
            run(self.prefix / "bin" / app, "--version")
        self.assertTrue((self.prefix / "share/man/man5/spv.conf.5").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
