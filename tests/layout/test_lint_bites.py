#!/usr/bin/env python3
"""The checks of tools/lint.sh on words and commits must bite: a small repository of its own breaks each
rule in turn. Argument: source folder."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(SOURCE / "tools"))
sys.dont_write_bytecode = True
import old_words  # noqa: E402

RENAMES = """# old -> new
# 1. everywhere
spv_crate -> spv_box
HDR_FORM -> HDR_MALFORMED
# 2. function only
spv_crate_count() -> spv_box_count()
# 3. in these files only
letter -> cmd @ src/net/*.c
# 4. members: struct.old -> new
spv_link.door -> mailbox
spv_db.hold -> begin_read
# 5. static functions: glob:old -> new
src/net/link.c:knock -> wake_loop
"""


@unittest.skipUnless(shutil.which("git"), "no git")
class Bites(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.dir = pathlib.Path(self.tmp.name)
        self.env = {**os.environ, "HOME": self.tmp.name, "GIT_CONFIG_NOSYSTEM": "1"}
        for name in [name for name in self.env if name.startswith("GIT_") and name != "GIT_CONFIG_NOSYSTEM"]:
            del self.env[name]
        (self.dir / "tools").mkdir()
        for name in ("lint.sh", "old_words.py"):
            shutil.copy(SOURCE / "tools" / name, self.dir / "tools" / name)
        self.write("tools/renames.txt", RENAMES)
        self.git("init", "-q")
        self.git("config", "user.name", "test")
        self.git("config", "user.email", "test@localhost")

    def git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.dir, env=self.env, check=True,
                              capture_output=True, text=True).stdout.strip()

    def write(self, path, text):
        (self.dir / path).parent.mkdir(parents=True, exist_ok=True)
        (self.dir / path).write_text(text)

    def lint(self, step, want, **env):
        """What a step of tools/lint.sh prints; it must end with the code `want`."""
        done = subprocess.run(["sh", "tools/lint.sh", "build/dev", step], cwd=self.dir, text=True,
                              capture_output=True, env={**self.env, **env}, check=False)
        self.assertEqual((done.returncode, done.stderr), (want, ""), done.stdout)
        return done.stdout

    def words(self, path, text, allowed=()):
        """The words of before that are found in one file."""
        self.write(path, text)
        self.git("add", "--", path)
        bad, self.unused = old_words.check(self.dir, set(allowed))
        (self.dir / path).unlink()
        return bad

    def test_the_step_greps_fails_for_a_word_and_for_an_entry_of_the_allow_list_without_one(self):
        self.write("src/a.c", "spv_crate HDR_FORM\n")
        self.git("add", "-A")
        self.assertIn("a word of before: src/a.c:1: spv_crate -> spv_box", self.lint("greps", 1))
        self.write("tools/old_words_allowed.txt", "# for now\nsrc/a.c spv_crate\nsrc/a.c HDR_FORM\n")
        self.assertNotIn("a word of before", self.lint("greps", 0))
        self.write("src/a.c", "spv_crate\n")
        self.assertIn("src/a.c has no HDR_FORM any more", self.lint("greps", 1))

    def test_the_step_greps_fails_for_the_other_forms_of_0_and_of_a_null_pointer(self):
        self.write("src/a.c", "    if (!p && q != r) return 0;\n    return p == NULL;\n")
        self.git("add", "-A")
        self.lint("greps", 0)
        for line in ("if (p != NULL)", "while (a && p == NULL)", "return SPV_OK;", "if (rc == SPV_OK)"):
            self.write("src/a.c", line + "\n")
            self.assertIn(f"src/a.c:1:{line}", self.lint("greps", 1))

    def test_a_name_of_part_1_is_refused_everywhere(self):
        for path in ("src/a.c", "include/spv/a.h", "apps/a.c", "tests/a.py", "bench/a.c", "examples/a.c",
                     "docs/a.md"):
            self.assertEqual(self.words(path, "\nstruct spv_crate;\n"),
                             [f"{path}:2: spv_crate -> spv_box"])

    def test_only_whole_words_are_refused_and_not_in_the_history(self):
        self.assertEqual(self.words("src/a.c", "spv_crate_box SPV_ERR_HDR_FORM spv_crates\n"), [])
        for path in ("CHANGELOG.md", "docs/decisions.md"):
            self.assertEqual(self.words(path, "spv_crate\n"), [])

    def test_a_function_is_refused_and_the_struct_of_its_name_is_not(self):
        self.assertEqual(self.words("src/a.c", "struct spv_crate_count s;\n"), [])
        self.assertEqual(self.words("src/a.c", "spv_crate_count(&s);\n"),
                         ["src/a.c:1: spv_crate_count() -> spv_box_count()"])

    def test_a_word_of_one_file_is_refused_in_its_code_only(self):
        self.assertEqual(self.words("src/net/a.c", "int letter; /* letter */\n"),
                         ["src/net/a.c:1: letter -> cmd"])
        self.assertEqual(self.words("src/net/a.c", '/* letter */ const char *a = "letter";\n'), [])
        self.assertEqual(self.words("src/peer/a.c", "int letter;\n"), [])

    def test_a_member_is_refused_in_its_struct_only(self):
        text = "struct {} {{\n    int a;\n    int {}[2];\n}};\n"
        self.assertEqual(self.words("src/a.h", text.format("spv_link", "door")),
                         ["src/a.h:3: spv_link.door -> mailbox"])
        self.assertEqual(self.words("src/a.h", text.format("spv_house", "door")), [])
        self.assertEqual(self.words("src/a.h", text.format("spv_link", "door_bell")), [])
        pointer = "struct spv_db {\n    int (*NAME)(void *hold, int (*hold)(int hold));\n};\n"
        self.assertEqual(self.words("src/a.h", pointer.replace("NAME", "read")), [])
        self.assertEqual(len(self.words("src/a.h", pointer.replace("NAME", "hold"))), 1)

    def test_a_static_function_is_refused_in_its_file_only(self):
        text = "static void knock(void)\n{\n}\n"
        self.assertEqual(self.words("src/net/link.c", text), ["src/net/link.c:1: knock -> wake_loop"])
        self.assertEqual(self.words("src/net/dial.c", text), [])

    def test_phrases_are_refused_in_comments_of_the_library(self):
        for phrase in ("Whoever", "nobody", "somebody", "reference node", "address book", "liars",
                       "address\n * book"):
            self.assertEqual(len(self.words("src/a.c", f"/* One {phrase}. */\n")), 1, phrase)
        self.assertEqual(len(self.words("include/spv/a.h", "// nobody\n")), 1)
        self.assertEqual(self.words("src/a.c", 'const char *a = "nobody /* nobody */";\n'), [])
        self.assertEqual(self.words("apps/a.c", "/* nobody */\n"), [])

    def test_words_that_the_field_needs_pass(self):
        text = "base rest work place mark walk record fetch"
        self.assertEqual(self.words("src/a.c", f"/* {text} */\nint {', '.join(text.split())};\n"), [])

    def test_the_allow_list_lets_one_word_of_one_file_stay(self):
        allowed = [("src/a.c", "spv_crate")]
        self.assertEqual(self.words("src/a.c", "spv_crate\n", allowed), [])
        self.assertEqual(len(self.words("src/a.c", "spv_crate HDR_FORM\n", allowed)), 1)
        self.assertEqual(self.words("src/a.c", "\n", allowed), [])
        self.assertEqual(self.unused, allowed)

    def commits(self, want, *messages):
        """What the step commits prints about these commits; the first one is where it begins."""
        for message in messages:
            self.git("commit", "-q", "--allow-empty", "-m", message)
        since = self.git("rev-parse", f"HEAD~{len(messages) - 1}")
        return self.lint("commits", want, LINT_COMMITS_SINCE=since)

    def test_commits_after_the_fixed_one_with_a_subject_and_a_body_pass(self):
        self.commits(0, "x" * 100, "sync: " + "x" * 66 + "\n\nWhy.")

    def test_a_long_subject_and_a_missing_body_are_refused(self):
        out = self.commits(1, "old", "sync: " + "x" * 67 + "\n\nWhy.", "sync: no body")
        self.assertIn("a subject of 73 characters", out)
        self.assertIn("has no body", out)
        self.assertEqual(out.count("commit "), 2, out)

    def test_a_history_without_the_fixed_commit_is_not_judged(self):
        self.assertIn("not in this history", self.lint("commits", 0, LINT_COMMITS_SINCE="0" * 40))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
