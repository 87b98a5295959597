"""What a person sees: the live line on a terminal, plain lines in a pipe."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

from support import DONE, HANG, INTERRUPTED, TestCase, binary, mine_file

COLUMNS = 60


def open_terminal():
    """Our end and the program's end of a pseudo-terminal."""
    try:
        return pty.openpty()
    except OSError as error:  # a bare root without /dev/pts
        raise unittest.SkipTest(f"no pseudo-terminal can be opened here: {error}") from error


def on_terminal(args, until=None, then=None, columns=COLUMNS, term="xterm"):
    """Runs a command on a pseudo-terminal; calls then(process) once `until` matches. Its output and
    exit code."""
    ours, theirs = open_terminal()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env={**os.environ, "TERM": term})
    os.close(theirs)
    seen, end = b"", time.monotonic() + HANG
    while time.monotonic() < end:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            data = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        seen += data
        if until is not None and re.search(until, seen):
            until = None
            then(process)
    os.close(ours)
    try:
        code = process.wait(HANG)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return seen, code


class Screen(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for end in open_terminal():
            os.close(end)

    def command(self, address, *args):
        return [binary("spv-sync"), "--network", "regtest", "--db", self.db, "--connect", address,
                *args]

    def test_a_terminal_shows_one_live_line_and_then_the_summary(self):
        server = self.server("--mine", 5000)
        proxy = self.proxy(server.port, limit=2 * 200 * 1000)
        command = self.command(proxy.address)
        seen, code = on_terminal(command, rb"height [1-9],000 of [^\r]*\r[^\r]*\r",
                                 lambda p: p.send_signal(signal.SIGINT))
        self.assertEqual(code, INTERRUPTED, seen)
        live, _, rest = seen.partition(b"\r\n")
        lines = live.replace(b"\033[K", b"").split(b"\r")
        self.assertGreater(len(lines), 2, seen)
        for line in lines[:-1]:
            self.assertLess(len(line), COLUMNS, line)
        self.assertIn(b"regtest interrupted at height", seen)
        self.assertNotIn(b"\r\033[K\r\n", rest, "an empty line was left behind")
        self.assertTrue(seen.endswith(b"\r\n"))

    def test_an_import_shows_one_live_line_with_its_rate(self):
        path = self.path("pipe")
        data = mine_file(self.path("file"), 8000)
        os.mkfifo(path)

        painted = threading.Event()

        def feed():
            with open(path, "wb") as pipe:
                pipe.write(data[:4000 * 80])
                pipe.flush()
                painted.wait(HANG)
                pipe.write(data[4000 * 80:])

        feeder = threading.Thread(target=feed)
        feeder.start()
        seen, code = on_terminal([binary("spv-import"), "--network", "regtest", "--db", self.db,
                                  "--input", path], rb"known  ",
                                 lambda _: painted.set())
        feeder.join(HANG)
        self.assertEqual(code, DONE, seen)
        live, _, rest = seen.partition(b"regtest imported at height 8,000")
        self.assertRegex(live, rb"\rheight [0-9,]+  [0-9,]+ added  [0-9,]+ known  [0-9,.]+/s")
        self.assertNotIn(b"\n", live)
        self.assertEqual(rest.count(b"\n"), 1, seen)

    def test_a_short_sync_ends_with_a_clean_summary(self):
        server = self.server("--mine", 10)
        seen, code = on_terminal(self.command(server.address), columns=200)
        self.assertEqual(code, DONE, seen)
        shown = re.sub(rb"[^\n]*\r\033\[K", b"", seen.replace(b"\r\n", b"\n"))
        self.assertTrue(shown.startswith(b"regtest synced at height 10,"), seen)
        self.assertEqual(shown.count(b"\n"), 1, seen)

    def test_on_a_narrow_terminal_parts_are_omitted_and_no_number_is_truncated(self):
        part = (rb"height [\d,]+( of [\d,]+ \(\d+\.\d%\))?|looking for peers \(\d+ connecting\)|"
                rb"[\d,]+ received|[\d,]+(\.\d)?/s|\d+ peers?|\d.* left")
        server = self.server("--mine", 5000)
        proxy = self.proxy(server.port, limit=2 * 200 * 1000)
        for columns in (40, 36):  # the rate just fits, and it does not
            with self.subTest(columns=columns):
                command = self.command(proxy.address, "--db", self.path(f"{columns}.db"))
                seen, code = on_terminal(command, rb"height [1-9],000 of [^\r]*\r[^\r]*\r",
                                         lambda p: p.send_signal(signal.SIGINT), columns=columns)
                self.assertEqual(code, INTERRUPTED, seen)
                lines = re.findall(rb"\r([^\r\n]+)\x1b\[K", seen)
                self.assertTrue([line for line in lines if b" of " in line], seen)
                for line in lines:
                    self.assertLess(len(line), columns, line)
                    for shown in line.split(b"  "):
                        self.assertRegex(shown, rb"^(" + part + rb")$")

    def test_a_dumb_terminal_gets_plain_lines(self):
        server = self.server("--mine", 10)
        seen, code = on_terminal(self.command(server.address), term="dumb")
        self.assertEqual(code, DONE, seen)
        self.assertNotIn(b"\033", seen)

    def test_a_pipe_gets_plain_lines(self):
        server = self.server("--mine", 5000)
        proxy = self.proxy(server.port, limit=200 * 1000)
        sync = self.program(*["spv-sync", *self.command(proxy.address)[1:]])
        line = sync.wait_for(lambda text: text.startswith("height "))
        self.assertRegex(line, r"^height [\d,]+ of [\d,]+ \(\d+\.\d%\)  .*/s  1 peer")
        sync.signal(signal.SIGINT)
        self.assertEqual(sync.end(), INTERRUPTED, sync.errors)
        for text in sync.lines:
            self.assertNotRegex(text, r"[\r\033]")
        self.assertIn("regtest interrupted at height 2,000", sync.lines[-1])

    def test_a_reader_that_leaves_does_not_stop_the_sync(self):
        server = self.server("--mine", 5000)
        process = subprocess.Popen(self.command(server.address, "--json"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        _, errors = process.communicate(timeout=HANG)
        self.assertEqual((process.returncode, errors), (DONE, b""))
        result = self.sync("--connect", server.address)
        self.assertIn("up to date at height 5,000", result.stdout)


if __name__ == "__main__":
    unittest.main()
