#!/usr/bin/env python3
"""The check for circles must bite: small files that call each other are compiled and have to be found.
Arguments: C compiler, nm."""

import sys
import subprocess
import tempfile
import unittest
from pathlib import Path

import circles

CC, NM = sys.argv[1:3]

A_CALLS_B = "int b(void); int a(void); int a(void) { return b(); }\n"
B_CALLS_A = "int a(void); int b(void); int b(void) { return a(); }\n"
B_CALLS_C = "int c(void); int b(void); int b(void) { return c(); }\n"
C_CALLS_A = "int a(void); int c(void); int c(void) { return a(); }\n"
B_LEAF = "int b(void); int b(void) { return 1; }\n"


class Bites(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def check(self, allowed="", **texts):
        """Compiles each text as a file of the room x; returns what is wrong with the room."""
        objects = []
        for name, text in texts.items():
            source = Path(self.tmp.name, f"{name}.c")
            source.write_text(text)
            objects.append(str(source) + ".o")
            subprocess.run([CC, "-std=c11", "-c", source, "-o", objects[-1]], check=True)
        return circles.offences(NM, {"x": objects}, circles.read_allowed(allowed))[1]

    def test_one_direction_passes(self):
        self.assertEqual(self.check(a=A_CALLS_B, b=B_LEAF), [])

    def test_two_files_that_call_each_other_fail_with_the_symbols(self):
        bad = self.check(a=A_CALLS_B, b=B_CALLS_A)
        self.assertEqual(bad, ["x: a circle of a, b", "    a -> b: b", "    b -> a: a"])

    def test_a_circle_of_three_files_fails(self):
        bad = self.check(a=A_CALLS_B, b=B_CALLS_C, c=C_CALLS_A)
        self.assertEqual(bad[0], "x: a circle of a, b, c")
        self.assertEqual(len(bad), 4)

    def test_two_circles_are_found_apart(self):
        pair = {"d": A_CALLS_B.replace("a(", "d(").replace("b(", "e("),
                "e": B_CALLS_A.replace("b(", "e(").replace("a(", "d(")}
        bad = self.check(a=A_CALLS_B, b=B_CALLS_A, **pair)
        self.assertEqual([line for line in bad if "circle" in line],
                         ["x: a circle of a, b", "x: a circle of d, e"])

    def test_a_table_of_functions_counts_as_calls(self):
        table = "int a(void); int (*const b[])(void) = {a};\n"
        uses = "extern int (*const b[])(void); int a(void); int a(void) { return b[0] != a; }\n"
        self.assertEqual(self.check(a=uses, b=table)[0], "x: a circle of a, b")

    def test_static_functions_of_one_name_are_not_calls(self):
        b = "static int a(void) { return 1; } int b(void); int b(void) { return a(); }\n"
        self.assertEqual(self.check(a=A_CALLS_B, b=b), [])

    def test_an_allowed_circle_passes(self):
        allowed = "# a comment\n\nx: a b: a is the table of b\n"
        self.assertEqual(self.check(allowed, a=A_CALLS_B, b=B_CALLS_A), [])

    def test_an_entry_allows_only_its_own_files_and_group(self):
        for allowed in ("x: a c: other files\n", "y: a b: another group\n"):
            bad = self.check(allowed, a=A_CALLS_B, b=B_CALLS_A)
            self.assertIn("x: a circle of a, b", bad, allowed)

    def test_an_entry_that_no_circle_needs_fails(self):
        bad = self.check("x: a b: a is the table of b\n", a=A_CALLS_B, b=B_LEAF)
        self.assertEqual(len(bad), 1)
        self.assertIn("no circle of a b any more", bad[0])

    def test_an_entry_with_a_file_too_many_fails_unless_it_is_being_untied(self):
        bad = self.check("x: a b c: a is the table of b and c\n", a=A_CALLS_B, b=B_CALLS_A)
        self.assertEqual(len(bad), 1)
        self.assertIn("no circle of c any more", bad[0])
        self.assertEqual(self.check("x: a b c: being untied\n", a=A_CALLS_B, b=B_CALLS_A), [])

    def test_a_malformed_list_is_refused(self):
        for text in ("x: a b\n", "x: a: one file\n", "a b: no group\n", "x: a b: \n"):
            with self.assertRaises(circles.Malformed, msg=text):
                circles.read_allowed(text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
