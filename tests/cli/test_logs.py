"""Times and files of what programs print: "at" in JSON, --timestamps, --log-file, and docs/json.md."""

import json
import os
import re
import signal
import time
import unittest

from support import DONE, FAILED, USAGE, TestCase, run

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "


ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
# the public key of BIP32's first vector, m, with the prefix of test networks
KEY = ("tpubD6NzVbkrYhZ4XgiXtGrdW5XDAPFCL9h7we1vwNCpn8tGbBcgfVYjXyhWo4E1xkh56hjod1RhGjxbaTLV3X4FyWuejifB9jusQ46Q"
       "zG87VKp")


class Times(TestCase):
    def test_every_object_has_the_time_in_unix_seconds(self):
        before = time.time()
        server = self.server("--mine", "10")
        objects = [json.loads(line) for line in run(
            "spv-sync", "--network", "regtest", "--connect", server.address, "--json", "--db",
            os.path.join(self.folder, "a.db")).stdout.splitlines()]
        objects += [json.loads(run("spv-address", "--json", "51").stdout)]
        after = time.time()
        times = [o["at"] for o in objects]
        self.assertEqual(times, sorted(times))
        self.assertGreater(len(times), 3)
        self.assertTrue(before - 0.001 <= times[0] and times[-1] <= after + 0.001, (before, times, after))
        self.assertTrue(any(t != int(t) for t in times))
        synced = objects[-2]
        self.assertEqual(synced["event"], "synced")
        self.assertNotIn("time", synced)
        self.assertGreater(synced["tip_time"], 1296688602)  # regtest's genesis
        self.assertIsNone(synced.get("peer", None))

    def test_the_error_object_has_it_too(self):
        lines = run("spv-db", "info", "--json", "--db", os.path.join(self.folder, "none.db")).stdout.splitlines()
        self.assertEqual(json.loads(lines[0])["event"], "error")
        self.assertIn("at", json.loads(lines[0]))

    def test_lines_of_text_begin_with_it_when_asked_for(self):
        server = self.server("--mine", "10")
        result = run("spv-sync", "--network", "regtest", "--connect", server.address, "--timestamps",
                     "--verbose", "--db", os.path.join(self.folder, "a.db"))
        self.ends(result, DONE)
        for line in result.stdout.splitlines():
            self.assertRegex(line, "^" + ISO)
        result = run("spv-sync", "--network", "regtest", "--timestamps", "--connect", "127.0.0.1:1",
                     "--timeout", "1", "--db", os.path.join(self.folder, "a.db"))
        self.assertRegex(result.stderr, "^" + ISO + "spv-sync: ")

    def test_times_of_headers_are_iso_8601(self):
        path = self.synced()
        header = json.loads(run("spv-db", "header", "0", "--json", "--db", path).stdout)
        self.assertEqual((header["time"], header["utc"]), (1296688602, "2011-02-02T23:16:42Z"))

    def synced(self):
        server = self.server("--mine", "10")
        path = os.path.join(self.folder, "synced.db")
        self.ends(run("spv-sync", "--network", "regtest", "--connect", server.address, "--db", path), DONE)
        return path


class LogFile(TestCase):
    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.folder, "spv.log")

    def lines(self, path):
        with open(path, encoding="utf-8") as f:
            return f.read().splitlines()

    def wait_for(self, path, words):
        for _ in range(1200):
            if os.path.exists(path) and any(words in line for line in self.lines(path)):
                return
            time.sleep(0.05)
        self.fail(f"{words} is not in {path}")

    def test_output_and_errors_are_appended(self):
        with open(self.log, "w", encoding="ascii") as f:
            f.write("kept\n")
        server = self.server("--mine", "10")
        result = run("spv-sync", "--network", "regtest", "--connect", server.address, "--log-file", self.log,
                     "--db", os.path.join(self.folder, "a.db"))
        self.ends(result, DONE)
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        self.assertEqual(self.lines(self.log)[0], "kept")
        self.assertIn("synced at height 10", self.lines(self.log)[-1])
        result = run("spv-sync", "--network", "regtest", "--connect", "127.0.0.1:1", "--timeout", "1",
                     "--log-file", self.log, "--json", "--db", os.path.join(self.folder, "b.db"))
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        self.assertTrue(any(line.startswith("spv-sync: ") for line in self.lines(self.log)))
        self.assertTrue(any('"event":"error"' in line for line in self.lines(self.log)))

    def test_it_is_opened_again_at_sigusr1_and_no_line_is_lost(self):
        server = self.program("spv-serve", "--network", "regtest", "--mine", "10", "--listen", "127.0.0.1:0",
                              "--json", "--log-file", self.log)
        self.wait_for(self.log, '"event":"listening"')
        port = json.loads(self.lines(self.log)[0])["port"]
        moved = []
        for i in range(5):
            moved.append(f"{self.log}.{i}")
            os.rename(self.log, moved[-1])
            server.process.send_signal(signal.SIGUSR1)
            self.wait_for_file(self.log)
            result = run("spv-sync", "--network", "regtest", "--connect", f"127.0.0.1:{port}", "--db",
                         os.path.join(self.folder, "a.db"))
            self.ends(result, DONE)
            self.wait_for(self.log, '"event":"disconnected"')
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), DONE)
        events = [json.loads(line)["event"] for path in [*moved, self.log] for line in self.lines(path)]
        self.assertEqual(events.count("connected"), 5)
        self.assertEqual(events.count("disconnected"), 5)
        self.assertEqual(events[-1], "stopped")

    def wait_for_file(self, path):
        for _ in range(1200):
            if os.path.exists(path):
                return
            time.sleep(0.05)
        self.fail(f"{path} was not opened again")

    def test_one_that_cannot_be_opened_again_leaves_the_old_one(self):
        folder = os.path.join(self.folder, "logs")
        os.mkdir(folder)
        log = os.path.join(folder, "spv.log")
        server = self.program("spv-serve", "--network", "regtest", "--mine", "10", "--listen", "127.0.0.1:0",
                              "--log-file", log)
        self.wait_for(log, "listening on")
        os.rename(folder, folder + ".moved")
        server.process.send_signal(signal.SIGUSR1)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), DONE)
        self.assertIn("stopped: ", self.lines(os.path.join(folder + ".moved", "spv.log"))[-1])

    def test_what_is_no_file_is_refused(self):
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        for path, code in ((fifo, FAILED), ("/dev/null", USAGE), (self.folder, FAILED),
                           (os.path.join(self.folder, "none", "log"), FAILED)):
            with self.subTest(path=path):
                result = run("spv-serve", "--network", "regtest", "--mine", "10", "--log-file", path)
                self.ends(result, code)
                self.assertIn(f"--log-file: {path}: ", result.stderr)


class Keys(TestCase):
    def documented(self):
        with open(os.path.join(ROOT, "docs/json.md"), encoding="utf-8") as f:
            rows = [line.split("|") for line in f if line.startswith("| `")]
        return {key for row in rows for cell in (row[1], row[3]) for key in re.findall(r"`([a-z_]+)`", cell)}

    def seen(self, value, keys):
        if isinstance(value, dict):
            keys |= set(value)
            for one in value.values():
                self.seen(one, keys)
        elif isinstance(value, list):
            for one in value:
                self.seen(one, keys)
        return keys

    def test_every_key_that_programs_print_is_documented(self):
        known = self.documented()
        path = os.path.join(self.folder, "a.db")
        server = self.server("--mine", "2100")
        headers = os.path.join(self.folder, "headers.bin")
        base = ["--network", "regtest", "--json"]
        export = ("spv-export", "--format", "raw", "--output", headers, "--network", "regtest", "--db", path)
        runs = [("spv-sync", *base, "--connect", server.address, "--verbose", "--filters", "--timeout", "2",
                 "--db", path),
                ("spv-db", "info", "--json", "--db", path), ("spv-db", "tip", "--json", "--db", path),
                ("spv-db", "verify", "--json", "--full", "--db", path),
                ("spv-db", "stats", "--json", "--db", path), ("spv-db", "compact", "--json", "--db", path),
                ("spv-db", "repair", "--json", "--db", path),
                ("spv-db", "header", "99999", "--json", "--db", path),
                ("spv-import", *base, "--db", os.path.join(self.folder, "b.db"), headers),
                ("spv-db", "prune", "--below", "2016", "--json", "--db", path),
                ("spv-address", "--json", "51", "5120" + "00" * 32, "x",
                 "wpkh(0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798)"),
                ("spv-watch", "add", ADDRESS, f"wpkh({KEY}/<0;1>/*)", *base, "--tag", "x", "--db", path),
                ("spv-watch", "address", "--json", "--db", path), ("spv-watch", "list", "--json", "--db", path),
                ("spv-watch", "scan", "--source", "blocks", "--connect", server.address, "--timeout", "2", "--json",
                 "--db", path),
                ("spv-watch", "balance", "--json", "--db", path), ("spv-watch", "remove", "1", "--json", "--db", path),
                ("spv-watch", "history", "--json", "--db", os.path.join(self.folder, "none.db")),
                ("spv-sync", "--print-config", "--json")]
        for command in runs:
            if command[0] == "spv-import":
                self.ends(run(*export), DONE)
            result = run(*command)
            for line in result.stdout.splitlines():
                unknown = self.seen(json.loads(line), set()) - known
                self.assertEqual(unknown, set(), (command, line))
        server.stop()
        for event in server.lines:
            self.assertEqual(self.seen(json.loads(event), set()) - known, set(), event)

    def test_every_documented_key_is_one_that_a_program_prints(self):
        text = ""
        folder = os.path.join(ROOT, "apps")
        for name in os.listdir(folder):
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    text += f.read()
        missing = [key for key in self.documented() if not re.search(rf'\\?"{key}\\?"', text)]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
