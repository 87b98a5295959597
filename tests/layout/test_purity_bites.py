#!/usr/bin/env python3
"""The purity checks must bite: small offenders are compiled as a pure room would be and have to be
refused. Arguments: C compiler, nm, source folder, build folder."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import purity

CC, NM, SOURCE, BUILD = sys.argv[1:5]


class Bites(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.dir = Path(self.tmp.name)

    def compile(self, text, *flags):
        """Compiles text; returns (object file, compiler's messages or None when it compiled)."""
        (self.dir / "x.c").write_text(text)
        run = subprocess.run(
            [CC, "-std=c11", "-D_POSIX_C_SOURCE=200809L", *flags, "-c", "x.c", "-o", "x.o"],
            cwd=self.dir, capture_output=True, text=True)
        return self.dir / "x.o", None if run.returncode == 0 else run.stderr

    def judge(self, room, text, pure=True, flags=()):
        """Compiles text (None: what was compiled last) and judges it as a file of the room."""
        if text is not None:
            self.obj, error = self.compile(text, *flags)
            self.assertIsNone(error)
        objects = {room: [self.obj]}
        return purity.offences(NM, f"{SOURCE}/cmake/pure-symbols.txt", objects if pure else {},
                               {} if pure else objects)[1]

    def test_pure_code_passes(self):
        text = "#include <string.h>\n" \
               "void spv_x(char *p, const char *q, unsigned long n) { memmove(p, q, n); }\n"
        self.assertEqual(self.judge("wire", text), [])

    def test_refuses_a_clock_randomness_streams_and_files(self):
        for name in ("time", "clock_gettime", "gettimeofday", "rand", "random", "getrandom", "printf",
                     "puts", "fopen", "socket", "RAND_bytes", "usleep", "getenv", "abort"):
            text = f"extern long {name}(void); long spv_x(void) {{ return {name}(); }}\n"
            for room in ("util", "wire", "peer", "spv/chain", "spv/node"):
                bad = self.judge(room, text, flags=("-fno-builtin",))
                text = None
                self.assertEqual(len(bad), 1, f"{name} in {room}")
                self.assertIn(name, bad[0])

    def test_refuses_hashing_outside_util(self):
        text = "int EVP_DigestInit_ex(void *, void *, void *);\n" \
               "int spv_x(void) { return EVP_DigestInit_ex(0, 0, 0); }\n"
        self.assertEqual(self.judge("util", text), [])
        self.assertEqual(len(self.judge("peer", None)), 1)

    def test_only_net_and_loop_call_libevent_and_only_store_calls_sqlite(self):
        event = "int event_add(void *, void *);\nint spv_x(void) { return event_add(0, 0); }\n"
        sqlite = "int sqlite3_step(void *);\nint spv_x(void) { return sqlite3_step(0); }\n"
        want = {"store": [1, 0], "net": [0, 1], "loop": [0, 1]}
        for room, codes in want.items():
            got = [len(self.judge(room, text, pure=False)) for text in (event, sqlite)]
            self.assertEqual(got, codes, room)

    def test_no_library_room_prints_or_exits(self):
        for call in ("puts(\"x\")", "exit(1)"):
            text = f"#include <stdio.h>\n#include <stdlib.h>\nvoid spv_x(void) {{ {call}; }}\n"
            self.assertEqual(len(self.judge("net", text, pure=False)), 1, call)

    def test_refuses_a_call_to_a_room_above(self):
        above, _ = self.compile("int spv_above(void); int spv_above(void) { return 1; }\n")
        above = above.rename(self.dir / "above.o")
        below, _ = self.compile("int spv_above(void); int spv_x(void) { return spv_above(); }\n")
        rules = f"{SOURCE}/cmake/pure-symbols.txt"
        self.assertEqual(purity.offences(NM, rules, {"peer": [below], "wire": [above]}, {})[1], [])
        self.assertEqual(len(purity.offences(NM, rules, {"wire": [below], "peer": [above]}, {})[1]), 1)

    def test_stubs_shadow_foreign_headers(self):
        for group, header in (("event", "event2/event.h"), ("sqlite", "sqlite3.h"),
                              ("system", "sys/socket.h"), ("clock", "time.h")):
            _, error = self.compile(f"#include <{header}>\n", f"-I{BUILD}/refuse/{group}")
            self.assertIsNotNone(error, f"<{header}> compiled")
            self.assertIn("has no place in this room", error)

    def test_a_room_sees_only_the_rooms_below_it(self):
        for room, header, sees in (("util", "util/cursor.h", True), ("util", "wire/frame.h", False),
                                    ("wire", "util/cursor.h", True),
                                   ("spv_chain", "spv/params/interval.h", True),
                                   ("spv_chain", "spv/sync/segments.h", False)):
            _, error = self.compile(f'#include "{header}"\n', f"-I{SOURCE}/include",
                                    f"-I{BUILD}/include", f"-I{BUILD}/rooms/{room}")
            self.assertEqual(error is None, sees, f"{room} and {header}: {error}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
