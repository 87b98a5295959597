"""spv-import refuses malformed and invalid input, and reports where it is."""

import gzip
import os
import struct
import unittest

from support import DONE, FAILED, HEADER, USAGE, database_headers, display, run, sha256d
from test_import import Case, read


def remade(header, **fields):
    """A regtest header with other fields, mined again."""
    at = {"version": (0, "<i"), "time": (68, "<I"), "bits": (72, "<I")}
    h = bytearray(header)
    for name, value in fields.items():
        if name == "prev":
            h[4:36] = value
        else:
            struct.pack_into(at[name][1], h, at[name][0], value)
    for nonce in range(1000):
        struct.pack_into("<I", h, 76, nonce)
        if sha256d(h)[31] < 0x7f:
            return bytes(h)
    raise AssertionError("no nonce")


class Malformed(Case):
    def rows(self, form="csv"):
        db = self.path("rows.db")
        if not os.path.exists(db):
            self.imports(data=self.grown, db=db)
        return self.export("--format", form, db=db).decode().splitlines(keepends=True)

    def test_text_is_refused_at_its_line_and_earlier_headers_are_kept(self):
        rows = self.rows()
        n = 7  # rows[7] is line 8, height 6
        f = rows[n].rstrip("\n").split(",")
        csv = {
            "time: '-1' is not": [*f[:5], "-1", *f[6:]],
            "time: '4294967296' is not": [*f[:5], "4294967296", *f[6:]],
            "nonce: '' is not": [*f[:7], "", f[8]],
            "nonce: '1x' is not": [*f[:7], "1x", f[8]],
            "nonce: '00000000000000000000000": [*f[:7], "0" * 40, f[8]],
            "bits: '7fffff' is not": [*f[:6], "7fffff", *f[7:]],
            "previous_hash: 'abc' is not": [*f[:3], "abc", *f[4:]],
            "merkle_root: 'zz": [*f[:4], "zz" + f[4][2:], *f[5:]],
            "version: '2147483648' is not": [*f[:2], "2147483648", *f[3:]],
            "version: '-' is not": [*f[:2], "-", *f[3:]],
            "height: 'six' is not": ["six", *f[1:]],
            "the hash is not that": [f[0], f[1][:-1] + ("0" if f[1][-1] != "0" else "1"), *f[2:]],
            "chain_work: '1' is not": [*f[:8], "1"],
            "has 8 values, not 9": f[:8],
            "has 10 values, not 9": [*f, "1"],
            "height 7 comes after height 5": ["7", *f[1:]],
            "height 5 comes after height 5": rows[n - 1].rstrip("\n").split(","),
        }
        for words, fields in csv.items():
            with self.subTest(words):
                db = self.path("bad.db")
                text = "".join(rows[:n]) + ",".join(fields) + "\n" + "".join(rows[n + 1:])
                self.refused(text.encode(), FAILED, f"line {n + 1}: ", words, db=db)
                self.assertEqual(database_headers(db), self.grown[:6 * HEADER])
                os.remove(db)
        whole = "".join(rows)
        for words, text in {
                "line 9: is empty": "".join(rows[:8]) + "\n" + "".join(rows[8:]),
                "line 9: contains a zero byte": "".join(rows[:8]) + "1\0,\n" + "".join(rows[8:]),
                "line 9: is longer than 4096": "".join(rows[:8]) + "1" * 5000 + "\n",
                "line 3: is not a valid reorganisation line": "".join(rows[:2]) + "#reorg,1\n",
                "line 3: event: 'other'": "".join(rows[:2]) + f"#other,0,{f[1]},0\n",
                "above the last header": "".join(rows[:2]) + f"#reorg,7,{f[1]},0\n",
                "names the column hash twice": whole.replace("chain_work", "hash"),
                "neither names columns": "a,b\n" * 30,
                "time is missing": whole.replace("time", "tima"),
                "more than 32 columns": ",".join(f"c{i}" for i in range(40)) + "\n",
        }.items():
            with self.subTest(words):
                self.refused(text.encode(), FAILED, words)
        # no words of the file reach a terminal as they are
        text = "".join(rows[:n]) + rows[n].replace(f[5], "\x1b[2J") + "\n"
        self.assertNotIn("\x1b", self.refused(text.encode(), FAILED, "time: '?[2J'"))

    def test_columns_may_be_quoted_in_any_order_and_beside_others(self):
        rows = [row.rstrip("\n").split(",") for row in self.rows()]
        order = [7, 6, 5, 4, 3, 2, 0]
        text = "\ufeff" + "".join(
            ",".join(['"%s"' % row[k] for k in order] + [f"x{i}" if i else "other"]) + "\r\n"
            for i, row in enumerate(rows))
        self.assertEqual(self.imports(data=text.encode())["height"], 80)
        # without a line of names the columns are the usual ones; the last line needs no end
        db = self.path("bare.db")
        bare = "".join(self.rows()[1:]).rstrip("\n")
        self.assertEqual(self.imports(data=bare.encode(), db=db)["height"], 80)

    def test_json_is_refused_at_its_line(self):
        rows = self.rows("jsonl")
        good = rows[6]
        for words, line in {
                "'{' is missing": "nonsense\n",
                "an array": "[" + good.rstrip("\n") + "]\n",
                "',' or '}' is missing": good.replace(',"hash', '"hash'),
                "':' is missing": good.replace('"hash":', '"hash"'),
                "a value is missing": good.replace('"height":6', '"height":'),
                "a name is missing": good.replace('"hash"', "hash"),
                "something follows": good.rstrip("\n") + "}\n",
                "time occurs twice": good.replace("{", '{"time":1,'),
                "time is missing": good.replace('"time"', '"tame"'),
                "height: '6' is not a plain value": good.replace('"height":6', '"height":"6"'),
                "bits: '207fffff' is not a string": good.replace('"207fffff"', "207fffff"),
                "not a plain one": good.replace("{", '{"x":{"y":1},'),
                "branch: '1' is not true or false": good.replace("{", '{"branch":1,'),
                "event: 'x' is not": '{"event":"x","fork_height":1}\n',
                "removed is missing": '{"event":"reorg","fork_height":1}\n',
        }.items():
            with self.subTest(words):
                self.refused(("".join(rows[:6]) + line).encode(), FAILED, "line 7: ", words)
        spaced = "".join(row.replace('":', '" :\t').replace(",", " , ").replace(
            "{", '{ "note": "a \\"quoted\\" } thing", "more":null , ') for row in rows)
        self.assertEqual(self.imports(data=spaced.encode(), db=self.path("spaced.db"))["height"],
                         80)

    def test_binary_is_refused_at_its_byte(self):
        self.refused(b"", FAILED, "is empty")
        self.refused(self.start[:-1], FAILED, "byte 4000", "after 79 of its 80")
        self.assertEqual(len(database_headers(self.db)), 50 * HEADER)
        head = bytes.fromhex("fabfb5da")
        self.refused(head + b"\0\0\0", FAILED, "inside the 10 bytes")
        self.refused(head + bytes.fromhex("01 00 00000000") + self.start, FAILED, "version 1")
        self.refused(head + bytes.fromhex("00 01 00000000") + self.start, FAILED, "filter headers")
        self.refused(head + bytes.fromhex("00 02 00000000") + self.start, FAILED, "type 2")
        self.refused(head + bytes.fromhex("00 00 ffffffff") + self.start, FAILED, "highest height")
        self.refused(os.urandom(8), FAILED, "no file of headers", "8 bytes")
        # a start height that is not the headers' own
        fresh = self.path("fresh.db")
        self.refused(head + bytes.fromhex("00 00 01000000") + self.start, FAILED, "height 1",
                     db=fresh)

    def test_each_header_is_validated(self):
        last = self.start[-HEADER:]
        tip = sha256d(last)
        good = self.grown[51 * HEADER:52 * HEADER]
        self.assertEqual(good[4:36], tip)
        unmined = bytearray(good)
        while sha256d(unmined)[31] < 0x80:
            unmined[76] = (unmined[76] + 1) % 256
        for words, header in {
                "hash above its target": bytes(unmined),
                "above the network's limit": remade(good, bits=0x2100ffff),
                "are negative, zero or overflow": remade(good, bits=0),
                "not what the retarget rules": remade(good, bits=0x207ffffe),
                "median of the previous 11": remade(good, time=1),
                "more than two hours ahead": remade(good, time=0xfffffff0),
                "does not connect to a known header": remade(good, prev=bytes(31) + b"\1"),
        }.items():
            with self.subTest(words):
                db = self.path("judged.db")
                text = self.refused(self.start + header, FAILED, words, "byte 4080", "height 51",
                                    display(sha256d(header)), db=db)
                self.assertIn(self.file, text)
                self.assertEqual("Check this computer's clock" in text, "two hours" in words)
                self.assertEqual(database_headers(db), self.start)
                os.remove(db)

    def test_a_damaged_compressed_file_is_refused(self):
        for ending in (".gz", ".zst"):
            packed = self.path("p" + ending)
            self.imports(data=self.grown, db=self.path("x.db"))
            self.ends(run("spv-export", "--db", self.path("x.db"), "--output", packed, "--quiet"),
                      DONE)
            data = read(packed)
            self.refused(data[:len(data) // 2], FAILED, "ends too early")
            self.refused(data + b"junk", FAILED, "cannot be decompressed")
            spoilt = bytearray(data)
            spoilt[len(data) // 2] ^= 0xff
            result = self.bring(data=bytes(spoilt))
            self.ends(result, FAILED)
            # several members or frames are one file, as their tools make them
            if ending == ".gz":
                half = len(self.grown) // 2
                two = gzip.compress(self.grown[:half]) + gzip.compress(self.grown[half:])
                self.assertEqual(self.imports(data=two, db=self.path("two.db"))["height"], 80)

    def test_wrong_usage(self):
        self.write(self.start)
        self.ends(self.bring("--format", "xml"), USAGE)
        self.ends(self.bring("extra"), USAGE)
        self.ends(run("spv-import", "--input", self.folder), USAGE)
        self.ends(run("spv-import", "--db", self.db, "--input", self.path("none")), FAILED)
        self.assertFalse(os.path.exists(self.db))
        # the wrong format for the bytes
        for form in ("csv", "jsonl", "neutrino"):
            result = self.bring("--format", form)
            self.assertIn(result.returncode, (FAILED, USAGE), form)


if __name__ == "__main__":
    unittest.main()
