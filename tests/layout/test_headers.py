#!/usr/bin/env python3
"""Each public header compiles alone, as C11 and as C++17 with warnings as errors, and gives its
declarations C linkage in C++. Arguments: C compiler, C++ compiler (empty: there is none), source folder,
build folder."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CC, CXX, SOURCE, BUILD = sys.argv[1:5]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
HEADERS = [*sorted(Path(SOURCE, "include/spv").glob("*.h")), Path(BUILD, "include/spv/version.h")]
OPEN = '#ifdef __cplusplus\nextern "C" {\n#endif\n'
CLOSE = "#ifdef __cplusplus\n}\n#endif\n"


def faults(text):
    """What is wrong with the C++ guards of a header's text: a list of words, empty when nothing is."""
    wrong = []
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    bare = re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", "", code, flags=re.M)
    bare = bare.replace('extern "C" {', "", 1)
    if not bare.strip():
        return wrong  # macros and includes only
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        return ["no guard"]
    before, _, rest = text.partition(OPEN)
    inside, _, after = rest.partition(CLOSE)
    if "#include" in inside + after:
        wrong.append("an #include inside the guard")
    for part in (before, after):
        left = re.sub(r"/\*.*?\*/", "", part, flags=re.S)
        if re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", "", left, flags=re.M).strip():
            wrong.append("a declaration outside the guard")
    return wrong


class Headers(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def compile(self, compiler, standard, suffix):
        """Each header twice in a file of its own, all in one run of the compiler."""
        sources = []
        for header in HEADERS:
            source = Path(self.tmp.name, header.stem + suffix)
            source.write_text(f"#include <spv/{header.name}>\n#include <spv/{header.name}>\n"
                              "typedef int nothing_else;\n")
            sources.append(source)
        done = subprocess.run([compiler, f"-std={standard}", *WARNINGS, "-fsyntax-only",
                               f"-I{SOURCE}/include", f"-I{BUILD}/include", *sources],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_there_are_headers(self):
        self.assertGreater(len(HEADERS), 10)

    def test_each_compiles_alone_as_c11(self):
        self.compile(CC, "c11", ".c")

    @unittest.skipUnless(CXX, "no C++ compiler")
    def test_each_compiles_alone_as_cxx17(self):
        self.compile(CXX, "c++17", ".cpp")

    def test_each_has_one_guard_around_all_declarations(self):
        for header in HEADERS:
            self.assertEqual(faults(header.read_text()), [], header.name)

    def test_a_header_without_a_guard_is_found(self):
        good = f"#define A 1\n#include <x.h>\n\n{OPEN}\nint f(void);\n\n{CLOSE}\n#endif\n"
        self.assertEqual(faults(good), [])
        self.assertEqual(faults("/* words */\n#include <x.h>\n"), [])
        self.assertEqual(faults("int f(void);\n"), ["no guard"])
        self.assertEqual(faults(good.replace(CLOSE, "")), ["no guard"])
        self.assertEqual(faults(good.replace("int f", "#include <y.h>\nint f")),
                         ["an #include inside the guard"])
        self.assertEqual(faults("int g(void);\n" + good), ["a declaration outside the guard"])
        self.assertEqual(faults(good + "int g(void);\n"), ["a declaration outside the guard"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
