#!/usr/bin/env python3
"""The check on the documents must bite. Argument: source folder."""

import pathlib
import sys
import tempfile
import unittest

import docs

SOURCE = pathlib.Path(sys.argv[1])
ROW = "| 1. It is read | src/a.c, src/b.c | `f`, `g` |\n"


class Bites(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.dir = pathlib.Path(self.tmp.name)
        (self.dir / "src").mkdir()
        (self.dir / "src/a.c").write_text("int f(int a,\n      int b)\n{\n    return a + b;\n}\n")
        (self.dir / "src/b.c").write_text("static void g(void)\n{\n    h();\n}\n")

    def test_paths_are_found_and_names_in_capitals_are_not(self):
        text = "see src/a.c, `src/spv/sync/segments*.c` and tests/unit/ROOM/test_FILE.c; /usr/src/x.c"
        self.assertEqual(docs.paths(text), ["src/a.c", "src/spv/sync/segments*.c"])

    def test_a_walk_through_functions_that_are_there_passes(self):
        self.assertEqual(docs.walk_faults(self.dir, ROW), [])

    def test_a_step_whose_function_is_elsewhere_or_only_called_fails(self):
        self.assertEqual(len(docs.walk_faults(self.dir, ROW.replace("`g`", "`h`"))), 1)
        self.assertEqual(len(docs.walk_faults(self.dir, ROW.replace(", src/b.c", ""))), 1)
        self.assertEqual(docs.walk_faults(self.dir, "no rows"), ["no walk"])

    def test_a_table_of_rooms_must_be_the_one_of_cmake(self):
        rooms = {"wire": ["wire", "util"], "spv/chain": ["spv/chain", "util", "wire", "spv/params"]}
        good = "| src/wire/ | frames | |\n| src/spv/chain/ | rules | wire, params |\n"
        self.assertEqual(docs.room_faults(rooms, good), [])
        self.assertEqual(len(docs.room_faults(rooms, good.replace(", params", ""))), 1)
        self.assertEqual(len(docs.room_faults(rooms, good.replace("wire, params", "wire, params, net"))), 1)
        self.assertEqual(len(docs.room_faults(rooms, good.replace("src/wire/", "src/wires/"))), 2)

    def test_a_public_function_has_a_return_value_and_a_thread_rule(self):
        good = "/* Returns one. Any thread. */\nSPV_API int spv_one(void);\nSPV_API int spv_a(void);\n"
        self.assertEqual(docs.header_faults("a.h", good), [])
        self.assertEqual(docs.header_faults("a.h", good.replace("int", "void").replace("Returns", "Does")), [])
        self.assertEqual(len(docs.header_faults("a.h", good.replace("Returns", "Makes"))), 2)
        self.assertEqual(len(docs.header_faults("a.h", good.replace("thread", "time"))), 2)
        self.assertEqual(docs.header_faults("a.h", "/* One thread. */\n" + good.replace("thread", "time")), [])
        self.assertEqual(len(docs.header_faults("a.h", good.replace(";\nSPV", ";\n\nSPV", 1))), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
