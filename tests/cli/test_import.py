"""spv-import: what spv-export wrote comes back the same; what is wrong is refused with its place."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from support import (DATABASE, DONE, FAILED, HANG, HEADER, INTERRUPTED, USAGE, TestCase,
                     binary, database_headers, display, mine_file, run, sha256d)

DATA = os.environ.get("SPV_TEST_DATA", "")
FORMATS = ["csv", "jsonl", "raw", "electrum", "neutrino"]
COMPRESSIONS = {"": "none", ".gz": "gzip", ".zst": "zstd"}
MAINNET_GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a" +
    "29ab5f49" + "ffff001d" + "1dac2b7c")


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Case(TestCase):
    """Chains of regtest: start (50), grown (80), other (95, forks at 50), each from genesis."""
    chains = None

    def setUp(self):
        super().setUp()
        self.file = self.path("file")
        if Case.chains is None:
            made = {}
            for name, n, seed, base in (("start", 50, 1, None), ("grown", 30, 1, "start"),
                                        ("other", 45, 2, "start")):
                made[name] = mine_file(self.path(name), n, seed=seed,
                                       base=self.path(base) if base else None)
            Case.chains = made
        self.start, self.grown, self.other = (Case.chains[n] for n in ("start", "grown", "other"))

    def write(self, data, name="file"):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def bring(self, *args, data=None, db=None, network="regtest", **more):
        if data is not None:
            self.write(data)
        return run("spv-import", "--network", network, "--db", db or self.db, "--input",
                   self.file, *args, **more)

    def imports(self, *args, **more):
        result = self.bring("--json", *args, **more)
        self.ends(result, DONE)
        final = json.loads(result.stdout.splitlines()[-1])
        self.assertEqual(final["event"], "imported")
        return final

    def export(self, *args, db=None):
        out = self.path("export.out")
        self.ends(run("spv-export", "--db", db or self.db, "--output", out, "--quiet", *args), DONE)
        return read(out)

    def refused(self, data, code, *words, args=(), db=None):
        """It ends with the code and prints these words; returns the error message."""
        result = self.bring("--json", *args, data=data, db=db)
        self.ends(result, code)
        for word in words:
            self.assertIn(word, result.stderr)
        return result.stderr


class Identity(Case):
    def check(self, source, network, branches):
        """Exports in each form, imports each into a new database, exports again."""
        for form in FORMATS:
            more = ["--branches"] if branches and form in ("csv", "jsonl") else []
            plain = self.export("--format", form, *more, db=source)
            for ending, compression in COMPRESSIONS.items():
                with self.subTest(form=form, compression=compression):
                    path, db = self.path("x" + ending), self.path(f"{form}{compression}.db")
                    self.ends(run("spv-export", "--db", source, "--format", form, "--output", path,
                                  *more), DONE)
                    result = run("spv-import", "--network", network, "--db", db, "--input", path,
                                 "--json")
                    self.ends(result, DONE)
                    final = json.loads(result.stdout.splitlines()[-1])
                    shown = "raw" if form == "electrum" else form  # the same without a hole
                    self.assertEqual((final["format"], final["compression"]), (shown, compression))
                    self.assertEqual(final["left_out"], 0)
                    self.assertEqual(self.export("--format", form, *more, db=db), plain)
                    self.assertEqual(database_headers(db), database_headers(source))
                    os.remove(db)

    def test_of_a_chain_with_side_branches(self):
        for chain in (self.grown, self.other):
            self.imports(data=chain)
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM branch_header").fetchone(), (30,))
        db.close()
        self.check(self.db, "regtest", True)

    def test_of_real_mainnet_headers(self):
        path = os.path.join(DATA, "headers/mainnet-1-32260.bin")
        if not DATA or not os.path.exists(path):
            self.skipTest("SPV_TEST_DATA has no headers/mainnet-1-32260.bin")
        raw = read(path)  # without genesis
        final = self.imports(data=raw, network="mainnet")
        self.assertEqual((final["height"], final["added"]), (32260, 32260))
        self.assertEqual(database_headers(self.db), MAINNET_GENESIS + raw)
        self.check(self.db, "mainnet", False)

    def test_of_real_signet_headers(self):
        path = os.path.join(DATA, "headers/signet-0-2015.bin")
        if not DATA or not os.path.exists(path):
            self.skipTest("SPV_TEST_DATA has no headers/signet-0-2015.bin")
        self.assertEqual(self.imports(data=read(path), network="signet")["height"], 2015)
        self.assertEqual(database_headers(self.db), read(path))

    def test_of_a_followed_file_with_its_reorganisation(self):
        for form in ("csv", "jsonl"):
            with self.subTest(form=form):
                for suffix in ("", "-lock"):
                    if os.path.exists(self.db + suffix):
                        os.remove(self.db + suffix)
                self.imports(data=self.grown)
                followed = self.path("followed")
                program = self.program("spv-export", "--db", self.db, "--format", form, "--follow",
                                       "--output", followed)
                end = time.monotonic() + HANG
                while not os.path.exists(followed) and time.monotonic() < end:
                    time.sleep(0.02)
                self.imports(data=self.other)
                while b"reorg" not in read(followed) or read(followed).count(b"\n") < 127:
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.02)
                program.signal(signal.SIGINT)
                self.assertEqual(program.end(), INTERRUPTED)
                data = read(followed)
                db = self.path(form + ".db")
                final = self.imports(data=data, db=db)
                self.assertEqual((final["height"], final["reorgs"]), (95, 1))
                self.assertEqual(self.export("--branches", db=db), self.export("--branches"))
                # and once more: all of it is known or left already
                self.assertEqual(self.imports(data=data, db=db)["added"], 0)
                os.remove(followed)


class Resume(Case):
    def test_stored_headers_are_known_and_the_others_added(self):
        self.assertEqual(self.imports(data=self.start)["added"], 50)
        final = self.imports(data=self.grown)
        self.assertEqual((final["added"], final["known"], final["height"]), (30, 51, 80))
        final = self.imports(data=self.grown)
        self.assertEqual((final["added"], final["known"]), (0, 81))
        # a file that ends below the tip contradicts nothing
        self.assertEqual(self.imports(data=self.start)["known"], 51)

    def test_a_partial_file_continues_the_database(self):
        self.imports(data=self.start)
        for args in (["raw"], ["neutrino"], ["csv"], ["jsonl"], ["electrum"]):
            with self.subTest(args):
                whole = self.path("whole.db")
                if not os.path.exists(whole):
                    self.imports(data=self.grown, db=whole)
                part = self.export("--format", *args, "--from", 40, db=whole)
                db = self.path(args[0] + ".part.db")
                self.imports(data=self.start, db=db)
                self.assertEqual(self.imports(data=part, db=db)["height"], 80)
                self.assertEqual(database_headers(db), self.grown)

    def test_a_partial_file_that_starts_too_high_is_refused(self):
        whole = self.path("whole.db")
        self.imports(data=self.grown, db=whole)
        for form in ("csv", "jsonl", "neutrino"):
            self.refused(self.export("--format", form, "--from", 40, db=whole), FAILED,
                         "begins at height 40", "ends at 0")
        self.refused(self.export("--format", "raw", "--from", 40, db=whole), FAILED,
                     display(sha256d(self.grown[39 * HEADER:40 * HEADER])), "not in the database")

    def test_sync_continues_from_an_import(self):
        self.imports(data=self.start)
        self.write(self.other)
        server = self.server("--headers", self.file)
        self.ends(self.sync("--connect", server.address), DONE)
        self.assertEqual(database_headers(self.db), self.other)

    def test_interrupted_it_keeps_imported_headers_and_resumes(self):
        big = mine_file(self.path("big"), 9000)
        pipe = subprocess.Popen([binary("spv-import"), "--network", "regtest", "--db", self.db,
                                 "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        pipe.stdin.write(big[:5000 * HEADER + 7])
        pipe.stdin.flush()
        events = [json.loads(pipe.stdout.readline())]  # something was stored
        pipe.send_signal(signal.SIGINT)
        out, err = pipe.communicate(timeout=HANG)
        self.assertEqual(pipe.returncode, INTERRUPTED, err)
        events += [json.loads(line) for line in out.splitlines()]
        self.assertEqual(events[-1]["event"], "interrupted")
        kept = len(database_headers(self.db)) // HEADER - 1
        self.assertEqual(events[-1]["height"], kept)
        self.assertGreater(kept, 0)
        final = self.imports(data=big)
        self.assertEqual((final["known"], final["added"]), (kept + 1, 9000 - kept))
        self.assertEqual(database_headers(self.db), big)

    def test_killed_it_resumes_to_the_same_export(self):
        big = mine_file(self.path("big"), 9000)
        for sent in (100, 2500, 6300):
            pipe = subprocess.Popen([binary("spv-import"), "--network", "regtest", "--db", self.db],
                                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            pipe.stdin.write(big[:sent * HEADER])
            pipe.stdin.flush()
            time.sleep(0.05)
            pipe.kill()
            pipe.wait(HANG)
            pipe.stdin.close()
        self.imports(data=big)
        self.assertEqual(self.export("--format", "raw"), big)


class Branches(Case):
    def test_a_file_with_more_work_reorganises(self):
        self.imports(data=self.grown)
        final = self.imports(data=self.other)
        self.assertEqual((final["height"], final["reorgs"], final["added"]), (95, 1, 45))
        self.assertEqual(database_headers(self.db), self.other)

    def test_a_file_with_less_work_is_refused_and_nothing_is_stored(self):
        self.imports(data=self.other)
        before = self.export("--branches")
        for form, place in (("raw", "byte 4080"), ("csv", "line 53")):
            db = self.path("grown.db")
            self.imports(data=self.grown, db=db)
            text = self.refused(self.export("--format", form, db=db), FAILED, place, "height 51",
                                display(sha256d(self.grown[51 * HEADER:52 * HEADER])),
                                display(sha256d(self.other[51 * HEADER:52 * HEADER])))
            self.assertIn("does not have more work", text)
            self.assertEqual(self.export("--branches"), before)

    def test_a_fork_below_a_checkpoint_is_refused_with_both_hashes(self):
        path = os.path.join(DATA, "headers/mainnet-1-32260.bin")
        if not DATA or not os.path.exists(path):
            self.skipTest("SPV_TEST_DATA has no headers/mainnet-1-32260.bin")
        raw = MAINNET_GENESIS + read(path)
        self.imports(data=raw[:5000 * HEADER], network="mainnet")
        wrong = bytearray(raw[:5000 * HEADER])
        wrong[1000 * HEADER + 36] ^= 1
        self.write(bytes(wrong))
        result = self.bring(network="mainnet")
        self.ends(result, FAILED)
        for word in ("byte 80000", "height 1,000", "forks below the last checkpoint",
                     display(sha256d(wrong[1000 * HEADER:1001 * HEADER])),
                     display(sha256d(raw[1000 * HEADER:1001 * HEADER]))):
            self.assertIn(word, result.stderr)

    def test_headers_of_another_network_are_reported_with_its_name(self):
        self.refused(MAINNET_GENESIS, USAGE, "mainnet", "--network mainnet")
        head = bytes.fromhex("f9beb4d9" "0000" "00000000")
        self.refused(head + MAINNET_GENESIS, USAGE, "mainnet", "not of regtest")
        self.imports(data=self.start)
        self.ends(self.bring(network="mainnet"), DATABASE)
        # a database that is there tells its network
        self.ends(run("spv-import", "--db", self.db, "--input", self.file), DONE)


class Electrum(Case):
    def test_a_hole_below_the_stored_tip_is_skipped(self):
        self.imports(data=self.start)
        holed = self.grown[:10 * HEADER] + bytes(30 * HEADER) + self.grown[40 * HEADER:]
        final = self.imports(data=holed)
        self.assertEqual((final["height"], final["format"]), (80, "electrum"))
        self.assertEqual(database_headers(self.db), self.grown)

    def test_it_stops_before_a_hole_and_sync_downloads_the_rest(self):
        for first, kept in ((0, 0), (1, 0), (20, 19)):
            with self.subTest(first=first):
                holed = self.grown[:first * HEADER] + bytes((60 - first) * HEADER) + \
                    self.grown[60 * HEADER:]
                db = self.path(f"{first}.db")
                result = self.bring("--json", data=holed, db=db)
                self.ends(result, DONE)
                self.assertIn("spv-sync", result.stderr)
                final = json.loads(result.stdout.splitlines()[-1])
                self.assertEqual((final["height"], final["missing"]), (kept, 59 - kept))
                server = self.server("--headers", self.write(self.grown))
                self.ends(self.sync("--connect", server.address, db=db), DONE)
                self.assertEqual(database_headers(db), self.grown)

    def mainnet(self):
        path = os.path.join(DATA, "headers/mainnet-1-32260.bin")
        if not DATA or not os.path.exists(path):
            self.skipTest("SPV_TEST_DATA has no headers/mainnet-1-32260.bin")
        return MAINNET_GENESIS + read(path)

    def test_a_file_that_starts_at_a_checkpoint_starts_the_database_there(self):
        raw = self.mainnet()
        first = 2016
        for name, holed in (
                ("plain", bytes(first * HEADER) + raw[first * HEADER:]),
                ("genesis", raw[:HEADER] + bytes((first - 1) * HEADER) + raw[first * HEADER:]),
                # a lone piece that was fetched below the checkpoints is not the beginning
                ("piece", raw[:HEADER] + bytes((first - 1) * HEADER) +
                 raw[first * HEADER:2 * first * HEADER] + bytes(2 * first * HEADER) +
                 raw[4 * first * HEADER:])):
            with self.subTest(name):
                db = self.path(name + ".db")
                result = self.bring("--json", data=holed, db=db, network="mainnet")
                self.ends(result, DONE)
                self.assertIn("--backfill", result.stderr)
                final = json.loads(result.stdout.splitlines()[-1])
                base = 4 * first if name == "piece" else first
                self.assertEqual((final["height"], final["missing"], final["added"]),
                                 (32260, base - 1, 32261 - base))
                self.assertEqual(self.export("--format", "electrum", db=db),
                                 bytes(base * HEADER) + raw[base * HEADER:])
                # the same file again, and a complete file: all headers are known or below the base
                self.assertEqual(self.imports(data=holed, db=db, network="mainnet")["added"], 0)
                final = self.imports(data=raw, db=db, network="mainnet")
                self.assertEqual((final["added"], final["below"], final["known"]),
                                 (0, base - 1, 32262 - base))
                with sqlite3.connect(db) as c:
                    works = dict(c.execute("SELECT height, lower(hex(work)) FROM header"))
                c.close()
                self.assertEqual(int(works[32255], 16), 32256 * (2 ** 32 + 2 ** 16 + 1))

    def test_a_period_without_a_checkpoint_cannot_start_a_database(self):
        raw = self.mainnet()
        first = 2016
        holed = bytearray(bytes(first * HEADER) + raw[first * HEADER:3 * first * HEADER])
        holed[3000 * HEADER + 36] ^= 1
        self.write(bytes(holed))
        result = self.bring(network="mainnet")
        self.ends(result, FAILED)
        self.assertIn(f"byte {3000 * HEADER}", result.stderr)
        self.assertIn("hash above its target", result.stderr)
        # links, but from another place
        holed = bytes(2 * first * HEADER) + raw[first * HEADER:2 * first * HEADER]
        self.write(holed)
        result = self.bring(network="mainnet")
        self.ends(result, FAILED)
        self.assertIn("contradicts a checkpoint", result.stderr)
        for args, data in ((["--no-checkpoints"], bytes(first * HEADER) + raw[first * HEADER:]),
                           ([], bytes(1000 * HEADER) + raw[1000 * HEADER:]),
                           ([], bytes(first * HEADER) + raw[first * HEADER:4000 * HEADER])):
            result = self.bring("--json", *args, data=data, network="mainnet")
            self.ends(result, DONE)
            self.assertIn("spv-sync downloads them", result.stderr)
            self.assertEqual(json.loads(result.stdout.splitlines()[-1])["height"], 0)
        self.assertEqual(database_headers(self.db), MAINNET_GENESIS)

    def test_zeros_in_other_formats_are_refused(self):
        holed = self.grown[:10 * HEADER] + bytes(HEADER) + self.grown[11 * HEADER:]
        self.refused(holed, FAILED, "byte 800", "zeros", args=["--format", "raw"])
        self.refused(bytes.fromhex("fabfb5da000000000000") + holed, FAILED, "byte 810", "zeros")

    def test_a_decompression_bomb_ends_at_its_limit(self):
        path = self.path("bomb.gz")
        with gzip.open(path, "wb", 1) as f:
            for _ in range(700):
                f.write(bytes(1 << 20))
        self.imports(data=self.start)
        result = run("spv-import", "--network", "regtest", "--db", self.db, "--input", path)
        self.ends(result, FAILED)
        self.assertIn("8000000 zero headers", result.stderr)


class Input(Case):
    def test_standard_input_and_plain_lines(self):
        result = subprocess.run([binary("spv-import"), "--network", "regtest", "--db", self.db,
                                 "--input", "-"], input=self.grown, capture_output=True,
                                timeout=HANG)
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertIn("regtest imported at height 80", result.stdout.decode())
        result = self.bring("--quiet", data=self.grown)
        self.ends(result, DONE)
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_a_slow_pipe_in_small_chunks(self):
        packed = gzip.compress(self.grown)
        pipe = subprocess.Popen([binary("spv-import"), "--network", "regtest", "--db", self.db,
                                 "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def feed():
            for at in range(0, len(packed), 997):
                pipe.stdin.write(packed[at:at + 997])
                pipe.stdin.flush()
            pipe.stdin.close()

        feeder = threading.Thread(target=feed)
        feeder.start()
        out = pipe.stdout.read()
        feeder.join(HANG)
        self.assertEqual(pipe.wait(HANG), DONE)
        pipe.stdout.close()
        self.assertEqual(json.loads(out.splitlines()[-1])["height"], 80)

    def test_a_second_writer_is_refused(self):
        self.imports(data=self.start)
        holder = subprocess.Popen([binary("spv-import"), "--network", "regtest", "--db", self.db,
                                   "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdin.write(self.grown[:60 * HEADER])
        holder.stdin.flush()
        holder.stdout.readline()  # it has opened the database
        result = self.bring(data=self.grown)
        self.ends(result, FAILED)
        self.assertIn(str(holder.pid), result.stderr)
        holder.communicate(timeout=HANG)
        self.assertEqual(holder.returncode, DONE)

    def test_it_builds_the_hash_index(self):
        self.imports(data=self.grown)
        with sqlite3.connect(self.db) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM sqlite_master WHERE name ="
                                        " 'header_by_hash'").fetchone(), (1,))
        db.close()


if __name__ == "__main__":
    unittest.main()
