#!/usr/bin/env python3
"""The format of the mutants: what is read, what is refused, and where an edit is applied."""

import pathlib
import tempfile
import unittest

import edit_list
from edit_list import Malformed

GOOD = """== less-than
kills: unit_a unit_b
why: an example
file: src/a.c
--- old
    if (a < b)
--- new
    if (a <= b)
--- end
"""

SOURCE = """int f(int a, int b)
{
    if (a < b)
        return 1;
    return 0;
}
"""


def apply(text, **files):
    """The files that the only mutant of a list changes; files are given by the stem of src/STEM.c."""
    (mutant,) = edit_list.parse(text)
    return mutant.apply(lambda path: files[pathlib.Path(path).stem])


class Parse(unittest.TestCase):
    def test_reads_every_field(self):
        (mutant,) = edit_list.parse(GOOD)
        self.assertEqual((mutant.name, mutant.kills, mutant.why),
                         ("less-than", ["unit_a", "unit_b"], "an example"))
        (edit,) = mutant.edits
        self.assertEqual((edit.file, edit.old, edit.new),
                         ("src/a.c", ["    if (a < b)"], ["    if (a <= b)"]))

    def test_reads_several_mutants_with_and_without_blank_lines(self):
        other = GOOD.replace("less-than", "other").replace("why: an example\n", "")
        for text in (GOOD + other, GOOD + "\n\n" + other):
            self.assertEqual([mutant.name for mutant in edit_list.parse(text)], ["less-than", "other"])
        self.assertEqual(edit_list.parse(""), [])

    def test_keeps_blank_lines_and_lines_that_look_like_fields_inside_a_text(self):
        text = GOOD.replace("    if (a < b)\n", "== x\n\nfile: y\n")
        self.assertEqual(edit_list.parse(text)[0].edits[0].old, ["== x", "", "file: y"])

    def assert_refused(self, text, words):
        with self.assertRaisesRegex(Malformed, words):
            edit_list.parse(text)

    def test_refuses_a_mutant_that_lacks_a_field(self):
        for line in ("kills: unit_a unit_b\n", "    if (a < b)\n"):
            self.assert_refused(GOOD.replace(line, ""), "less-than: kills, file or old text is missing")
        self.assert_refused("== x\nkills: a\n", "x: kills, file or old text is missing")
        self.assert_refused("== x\nkills: a\nfile: b\n", "x: kills, file or old text is missing")
        self.assert_refused(GOOD.replace("kills: unit_a unit_b", "kills: "), "kills, file or old text")

    def test_refuses_lines_out_of_order(self):
        self.assert_refused("kills: a\n" + GOOD, "line 1: no mutant has begun")
        self.assert_refused(GOOD.replace("file: src/a.c\n", ""), "line 4: not understood: --- old")
        self.assert_refused(GOOD.replace("--- old\n", ""), "line 5: not understood:     if")
        self.assert_refused(GOOD + "--- old\nx\n--- new\n--- end\n", "line 10: not understood: --- old")
        self.assert_refused(GOOD + "--- end\n", "line 10: not understood: --- end")

    def test_refuses_a_field_that_is_there_twice(self):
        for line in ("kills: unit_a unit_b\n", "why: an example\n"):
            self.assert_refused(GOOD.replace(line, line + line), "not understood: " + line.strip())

    def test_refuses_a_mutant_without_a_name(self):
        self.assert_refused(GOOD + GOOD.replace("less-than", ""), "line 10: not understood: == ")

    def test_refuses_unknown_lines(self):
        self.assert_refused(GOOD.replace("why:", "because:"), "line 3: not understood: because")
        self.assert_refused(GOOD + "# a comment\n", "not understood: # a comment")

    def test_refuses_a_text_without_an_end(self):
        self.assert_refused(GOOD.replace("--- end\n", ""), "ends inside less-than")
        self.assert_refused(GOOD.replace("--- new\n", ""), "ends inside less-than")


class Apply(unittest.TestCase):
    def test_replaces_whole_lines(self):
        self.assertEqual(apply(GOOD, a=SOURCE), {"src/a.c": SOURCE.replace("a < b", "a <= b")})

    def test_an_empty_new_text_removes_the_lines(self):
        text = GOOD.replace("    if (a <= b)\n", "")
        self.assertEqual(apply(text, a=SOURCE)["src/a.c"].split(), "int f(int a, int b) "
                         "{ return 1; return 0; }".split())

    def test_finds_the_first_and_the_last_line_of_a_file(self):
        for old in ("int f(int a, int b)", "}"):
            text = GOOD.replace("    if (a < b)", old).replace("    if (a <= b)", "new")
            self.assertEqual(apply(text, a=SOURCE)["src/a.c"], SOURCE.replace(old, "new"))

    def test_matches_tokens_where_the_layout_differs(self):
        for layout in ("    if (a\n            <b)\n", "\tif(a < b )\n"):
            got = apply(GOOD, a=SOURCE.replace("    if (a < b)\n", layout))["src/a.c"]
            self.assertEqual(got.split("\n")[2], "    if (a <= b)")
            self.assertEqual(got.split(), SOURCE.replace("a < b", "a <= b").split())

    def test_a_token_is_a_whole_word_and_a_string_is_one_token(self):
        for other in ("    if (aa < b)", "    if (a < bb)", '    if (a < "b")'):
            with self.assertRaisesRegex(Malformed, "there 0 times"):
                apply(GOOD, a=SOURCE.replace("    if (a < b)", other))
        text = GOOD.replace("if (a < b)", 'say("a  b");')
        with self.assertRaisesRegex(Malformed, "there 0 times"):
            apply(text, a='    say ("a b");\n')

    def test_refuses_two_places(self):
        line = "    if (a < b)\n"
        with self.assertRaisesRegex(Malformed, r"src/a\.c: the old text is there more than once"):
            apply(GOOD, a=SOURCE + line)
        loose = "    if (a  <  b)\n"
        with self.assertRaisesRegex(Malformed, "there 2 times"):
            apply(GOOD, a=loose + loose)

    def test_the_place_that_has_the_very_lines_wins_over_one_of_equal_tokens(self):
        got = apply(GOOD, a="    if (a  <  b)\n" + SOURCE)["src/a.c"]
        self.assertEqual(got, "    if (a  <  b)\n" + SOURCE.replace("a < b", "a <= b"))

    def test_refuses_old_text_that_is_not_there_or_blank(self):
        with self.assertRaisesRegex(Malformed, r"src/a\.c: the old text is there 0 times: if \(a < b\)"):
            apply(GOOD, a="int f(void);\n")
        with self.assertRaisesRegex(Malformed, "no old text"):
            apply(GOOD.replace("    if (a < b)", ""), a=SOURCE)

    def test_several_groups_change_several_files(self):
        text = GOOD + "file: src/b.c\n--- old\nint b;\n--- new\nint c;\n--- end\n"
        self.assertEqual(apply(text, a=SOURCE, b="int b;\n"),
                         {"src/a.c": SOURCE.replace("a < b", "a <= b"), "src/b.c": "int c;\n"})

    def test_several_groups_of_one_file_build_on_each_other(self):
        group = "file: src/a.c\n--- old\n{}\n--- new\n{}\n--- end\n"
        text = GOOD + group.format("    if (a <= b)", "    if (a != b)")
        self.assertEqual(apply(text, a=SOURCE)["src/a.c"], SOURCE.replace("a < b", "a != b"))
        emptied = "== x\nkills: t\n" + group.format("int a;", "") + group.format("int a;", "int b;")
        with self.assertRaisesRegex(Malformed, "there 0 times"):
            apply(emptied, a="int a;")


class ReadAll(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.dir = pathlib.Path(self.tmp.name)
        (self.dir / "room").mkdir()

    def test_reads_every_list_below_a_folder_in_the_order_of_names(self):
        (self.dir / "a.mutants").write_text(GOOD)
        (self.dir / "room/b.mutants").write_text(GOOD.replace("less-than", "and-another"))
        (self.dir / "room/b.txt").write_text("no list")
        self.assertEqual([m.name for m in edit_list.read_all(self.dir)], ["and-another", "less-than"])

    def test_refuses_a_name_that_is_there_twice(self):
        (self.dir / "a.mutants").write_text(GOOD)
        (self.dir / "room/b.mutants").write_text(GOOD)
        with self.assertRaisesRegex(Malformed, r"room/b\.mutants: less-than is there twice"):
            edit_list.read_all(self.dir)

    def test_names_the_list_that_is_malformed(self):
        (self.dir / "room/b.mutants").write_text("what\n")
        with self.assertRaisesRegex(Malformed, r"room/b\.mutants: line 1: no mutant has begun"):
            edit_list.read_all(self.dir)


if __name__ == "__main__":
    unittest.main()
