"""Stop signals, readers that leave, and what killed exports leave behind.

Each signal is sent when the program is in a known state: it printed a line, made a file, or sleeps in
a call that /proc or the preloaded stall.so shows. Nothing is judged by a time.
"""

import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import time
import unittest

from support import (BIN, DONE, HANG, INTERRUPTED, NO_PEER, Program, TestCase, binary, run)

HUP, INT, TERM = signal.SIGHUP, signal.SIGINT, signal.SIGTERM
KEPT = "interrupted: what was committed is kept"
MARK = ".spv-tmp."


def wait_until(true, what):
    """Polls for a state; bounded by HANG alone."""
    end = time.monotonic() + HANG
    while not true():
        if time.monotonic() > end:
            raise AssertionError("timed out waiting for " + what)
        time.sleep(0.01)


def full_pipe():
    """The two ends of a pipe that takes no byte more."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    try:
        while True:
            os.write(theirs, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(theirs, True)
    return ours, theirs


def writes_into_pipe(pid):
    with open(f"/proc/{pid}/wchan", encoding="ascii") as f:
        return "pipe_write" in f.read()


def catches(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        mask = next(line for line in f if line.startswith("SigCgt")).split()[1]
    return int(mask, 16) >> (number - 1) & 1


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(") ")[2][0] == "T"


class Served(TestCase):
    """Beside a server of 3,000 headers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.peer = Program("spv-serve", "--network", "regtest", "--mine", 3000, "--listen",
                           "127.0.0.1:0", "--json")
        cls.peer_port = cls.peer.event("listening")["port"]
        cls.address = f"127.0.0.1:{cls.peer_port}"

    @classmethod
    def tearDownClass(cls):
        cls.peer.stop()
        super().tearDownClass()

    def follow_sync(self, *args, address=None):
        return self.program("spv-sync", "--network", "regtest", "--db", self.db, "--json",
                            "--follow", "--connect", address or self.address, *args)

    def synced(self):
        self.ends(self.sync("--connect", self.address), DONE)

    def watch(self, process):
        """Nothing of a process outlives its test."""
        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process


class Signals(Served):
    def test_a_synced_follow_ends_with_0_by_sigterm_and_sighup_and_with_130_by_sigint(self):
        for number, code, event in ((TERM, DONE, "stopped"), (HUP, DONE, "stopped"),
                                    (INT, INTERRUPTED, "interrupted")):
            with self.subTest(number=number):
                sync = self.follow_sync()
                sync.event("synced")
                sync.signal(number)
                self.assertEqual(sync.end(), code, sync.errors)
                self.assertIn(f'"event":"{event}"', sync.lines[-1])
                self.assertEqual(sync.errors, "")

    def test_a_follow_that_is_not_synced_ends_with_130_by_any_stop_signal(self):
        for number in (TERM, HUP, INT):
            with self.subTest(number=number):
                proxy = self.proxy(self.peer_port, limit=100 * 1000)
                sync = self.follow_sync(address=proxy.address)
                sync.event("connected")
                self.assertTrue(proxy.reached.wait(HANG))
                sync.signal(number)
                self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
                self.assertIn('"event":"interrupted"', sync.lines[-1])

    def test_sighup_reports_what_is_kept_like_sigint(self):
        proxy = self.proxy(self.peer_port, limit=100 * 1000)
        sync = self.program("spv-sync", "--network", "regtest", "--db", self.db, "--verbose",
                            "--connect", proxy.address)
        sync.wait_for(lambda line: line.startswith("connected to"))
        sync.signal(HUP)
        self.assertEqual(sync.end(), INTERRUPTED)
        self.assertRegex(sync.errors, r"^spv-sync: interrupted: everything up to height \d")

    def test_a_followed_export_ends_with_0_by_sigterm_and_sighup_and_with_130_by_sigint(self):
        self.synced()
        for number, code in ((TERM, DONE), (HUP, DONE), (INT, INTERRUPTED)):
            with self.subTest(number=number):
                export = self.program("spv-export", "--db", self.db, "--follow")
                export.wait_for(lambda line: line.startswith("3000,"))
                export.signal(number)
                self.assertEqual(export.end(), code, export.errors)
                self.assertEqual(export.errors, "")

    def test_a_server_ends_with_0_by_every_stop_signal(self):
        for number in (TERM, HUP, INT):
            with self.subTest(number=number):
                server = self.server("--mine", 10)
                server.signal(number)
                self.assertEqual(server.end(), DONE, server.errors)
                self.assertIn('"event":"stopped"', server.lines[-1])

    def test_sighup_that_was_ignored_at_the_start_stays_ignored(self):
        before = signal.signal(HUP, signal.SIG_IGN)  # as nohup does; children inherit it
        try:
            sync = self.follow_sync()
        finally:
            signal.signal(HUP, before)
        sync.event("synced")
        sync.signal(HUP)
        sync.signal(INT)
        # after a SIGHUP that counts, a synced --follow would end with 0
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)


class Readers(Served):
    """A reader of standard output that has exited."""

    def left(self, program):
        program.stdout.close()
        self.assertEqual(program.wait(HANG), DONE)
        self.assertEqual(program.stderr.read(), "")

    def start(self, name, *args):
        """A program whose output this test reads by itself."""
        program = subprocess.Popen([binary(name), *map(str, args)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   bufsize=1)
        return self.watch(program)

    def test_a_followed_sync_ends_with_its_reader(self):
        sync = self.start("spv-sync", "--network", "regtest", "--db", self.db, "--json", "--follow",
                          "--connect", self.address)
        for line in sync.stdout:
            if '"event":"synced"' in line:
                break
        self.left(sync)

    def test_a_followed_sync_without_a_peer_ends_with_its_reader(self):
        sync = self.start("spv-sync", "--network", "regtest", "--db", self.db, "--json", "--follow",
                          "--timeout", 0, "--connect", f"127.0.0.1:{self.closed_port()}")
        self.assertIn("connect_failed", sync.stdout.readline())
        self.left(sync)

    def test_a_quiet_followed_sync_needs_no_reader(self):
        sync = self.start("spv-sync", "--network", "regtest", "--db", self.db, "--quiet",
                          "--follow", "--timeout", 1, "--connect",
                          f"127.0.0.1:{self.closed_port()}")
        sync.stdout.close()
        self.assertEqual(sync.wait(HANG), NO_PEER)  # a second after its reader has exited

    def test_a_followed_export_ends_with_its_reader(self):
        self.synced()
        export = self.start("spv-export", "--db", self.db, "--follow")
        for line in export.stdout:
            if line.startswith("3000,"):
                break
        self.left(export)

    def test_a_followed_export_into_a_named_pipe_ends_with_its_reader(self):
        self.synced()
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        export = self.start("spv-export", "--db", self.db, "--follow", "--output", pipe)
        with open(pipe, encoding="ascii") as f:
            for line in f:
                if line.startswith("3000,"):
                    break
        self.left(export)


class Waits(Served):
    """The first signal ends a program, whatever it waits for."""

    def stalled(self, call, name, *args, stdout=subprocess.PIPE):
        """A program inside a call that never returns. In the dev build libasan must come first in
        the order of libraries, or its check must be off."""
        sign = self.path(f"stalled-{len(os.listdir(self.folder))}")
        env = {**os.environ, "LD_PRELOAD": os.path.join(BIN, "stall.so"), "SPV_STALL": call,
               "SPV_STALLED": sign,
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        process = subprocess.Popen([binary(name), *map(str, args)], env=env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
        self.watch(process)
        wait_until(lambda: os.path.exists(sign) or process.poll() is not None, call)
        self.assertIsNone(process.poll(), "ended before it was stalled")
        return process

    def stopped(self, process, number):
        process.send_signal(number)
        _, errors = process.communicate(timeout=HANG)
        return process.returncode, errors

    def test_a_name_server_that_never_answers(self):
        sync = self.stalled("getaddrinfo", "spv-sync", "--network", "regtest", "--db", self.db,
                            "--connect", "peer.example")
        serve = self.stalled("getaddrinfo", "spv-serve", "--network", "regtest", "--mine", 1,
                             "--listen", "server.example:0")
        for process in (sync, serve):
            process.send_signal(TERM)
        self.assertEqual(self.stopped(sync, TERM)[0], INTERRUPTED)
        self.assertEqual(self.stopped(serve, TERM)[0], DONE)

    def test_a_disk_that_never_answers(self):
        good = self.path("good.db")
        self.ends(self.sync("--connect", self.address, db=good), DONE)
        raw = self.path("raw")
        self.ends(run("spv-export", "--db", good, "--format", "raw", "--output", raw), DONE)
        mute = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(mute.close)
        started = [
            self.stalled("fsync", "spv-sync", "--network", "regtest", "--db", self.db, "--connect",
                         f"127.0.0.1:{mute.getsockname()[1]}"),
            self.stalled("fsync", "spv-import", "--network", "regtest", "--db", self.path("i.db"),
                         "--input", raw),
            self.stalled("fsync", "spv-db", "compact", "--db", good),
            self.stalled("fsync", "spv-export", "--db", good, "--output", self.path("out.csv")),
        ]
        for process in started:
            process.send_signal(TERM)
        ends = [self.stopped(process, TERM) for process in started]
        self.assertEqual([code for code, _ in ends], 4 * [INTERRUPTED], ends)
        self.assertEqual([name for name in os.listdir(self.folder) if "out.csv" in name], [])
        self.assertIn("spv-sync: " + KEPT, ends[0][1])
        self.assertIn("spv-import: " + KEPT, ends[1][1])
        # only the first 3 are forced: no line for an export, which keeps nothing
        self.assertEqual(ends[3][1], "")
        self.ends(run("spv-db", "verify", "--full", "--db", good), DONE)

    def test_a_reader_that_does_not_read(self):
        self.synced()
        started, ends = [], []
        for args in (("spv-sync", "--network", "regtest", "--db", self.db, "--json", "--follow",
                      "--connect", self.address),
                     ("spv-serve", "--network", "regtest", "--mine", "1", "--listen", "127.0.0.1:0"),
                     ("spv-db", "info", "--db", self.db)):
            ours, theirs = full_pipe()
            ends.append(ours)
            process = subprocess.Popen([binary(args[0]), *args[1:]], stdin=subprocess.DEVNULL,
                                       stdout=theirs, stderr=subprocess.PIPE, text=True)
            self.watch(process)
            os.close(theirs)
            wait_until(lambda p=process: writes_into_pipe(p.pid) or p.poll() is not None, "write")
            self.assertIsNone(process.poll())
            started.append(process)
        for process in started:
            process.send_signal(TERM)
        self.assertEqual([self.stopped(process, TERM)[0] for process in started],
                         [INTERRUPTED, DONE, INTERRUPTED])
        for end in ends:
            os.close(end)

    def test_a_full_standard_error_does_not_delay_the_exit(self):
        ours, theirs = full_pipe()
        self.addCleanup(os.close, ours)
        mute = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(mute.close)
        process = subprocess.Popen([binary("spv-sync"), "--network", "regtest", "--db", self.db,
                                    "--start-height", "1", "--connect",
                                    f"127.0.0.1:{mute.getsockname()[1]}"],
                                   stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
        self.watch(process)
        os.close(theirs)
        wait_until(lambda: writes_into_pipe(process.pid) or process.poll() is not None, "write")
        self.assertIsNone(process.poll())
        process.send_signal(INT)
        self.assertEqual(process.wait(HANG), INTERRUPTED)

    def test_an_export_into_a_pipe_that_is_full_ends_in_order(self):
        self.synced()
        ours, theirs = os.pipe()
        self.addCleanup(os.close, ours)
        export = subprocess.Popen([binary("spv-export"), "--db", self.db, "--format", "jsonl"],
                                  stdout=theirs, stderr=subprocess.PIPE)
        self.watch(export)
        wait_until(lambda: not select.select([], [theirs], [], 0)[1], "a full pipe")
        os.close(theirs)
        export.send_signal(INT)
        self.assertEqual(export.wait(HANG), INTERRUPTED)
        self.assertEqual(export.stderr.read(), b"")

    def test_a_named_pipe_without_a_reader_ends_in_order(self):
        self.synced()
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        export = subprocess.Popen([binary("spv-export"), "--db", self.db, "--output", pipe],
                                  stderr=subprocess.PIPE)
        self.watch(export)
        wait_until(lambda: catches(export.pid, INT), "a signal handler")
        export.send_signal(INT)
        self.assertEqual(export.wait(HANG), INTERRUPTED)
        self.assertEqual(export.stderr.read(), b"")


class LeftOvers(TestCase):
    """Temporary files of exports that were killed."""

    def setUp(self):
        super().setUp()
        server = self.server("--mine", 3000)
        self.ends(self.sync("--connect", server.address), DONE)
        self.out = self.path("out.csv")

    def export(self, *args):
        return run("spv-export", "--db", self.db, "--output", self.out, *args)

    def beside(self):
        return sorted(name for name in os.listdir(self.folder) if name.startswith("out.csv."))

    def locked(self):
        """Temporary files that have their writer's lock."""
        with open("/proc/locks", encoding="ascii") as f:
            locks = f.read()
        names = []
        for name in self.beside():
            try:
                inode = os.stat(self.path(name)).st_ino
            except FileNotFoundError:
                continue
            if MARK in name and re.search(rf"FLOCK .*:{inode} ", locks):
                names.append(name)
        return names

    def make(self, name):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write("x")

    def test_temporary_files_of_a_killed_export_are_removed_by_the_next_one(self):
        for _ in range(200):
            killed = subprocess.Popen([binary("spv-export"), "--db", self.db, "--output", self.out])
            while killed.poll() is None and not self.locked():
                pass
            killed.send_signal(signal.SIGSTOP)
            wait_until(lambda p=killed: p.poll() is not None or is_stopped(p.pid), "the halt")
            if killed.poll() is None and self.locked():
                break
            killed.send_signal(signal.SIGCONT)
            killed.wait(HANG)
        else:
            self.fail("never caught in time")
        name = self.beside()[0]
        self.ends(self.export("--to", 5), DONE)
        self.assertEqual(self.beside(), [name], "its writer lives")
        killed.kill()
        killed.wait(HANG)
        self.assertEqual(self.beside(), [name])
        self.ends(self.export("--to", 5), DONE)
        self.assertEqual(self.beside(), [])

    def test_only_unlocked_files_of_this_output_are_removed(self):
        self.make(f"out.csv{MARK}Abc123")
        self.make(f"out.csv.sha256{MARK}abcdef")
        kept = [f"out.csv{MARK}short", f"out.csv{MARK}toolong", f"out.csv{MARK}with-d",
                "out.csv.backup", "out.csv.sha256x", f"out.csv.bak{MARK}abcdef"]
        for name in kept:
            self.make(name)
        os.mkfifo(self.path(f"out.csv{MARK}ffffff"))
        os.symlink(self.path("out.csv.backup"), self.path(f"out.csv{MARK}llllll"))
        self.make(f"out.csv{MARK}locked")
        kept += [f"out.csv{MARK}ffffff", f"out.csv{MARK}llllll", f"out.csv{MARK}locked"]
        with open(self.path(f"out.csv{MARK}locked"), encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            self.ends(self.export("--checksum"), DONE)
        self.assertEqual(self.beside(), sorted([*kept, "out.csv.sha256"]))

    def test_temporary_files_of_a_killed_drawing_are_removed_too(self):
        self.make(f"chain.svg{MARK}Abc123")
        self.ends(run("spv-db", "stats", "--db", self.db, "--svg", self.path("chain.svg")), DONE)
        self.assertEqual([n for n in os.listdir(self.folder) if MARK in n], [])


if __name__ == "__main__":
    unittest.main()
