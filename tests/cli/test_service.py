"""What service managers see: sd_notify's datagrams, --pid-file, and the units of systemd."""

import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

from support import DONE, FAILED, USAGE, Server, TestCase, binary, run

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


class Notify(TestCase):
    def socket(self, name):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.settimeout(60)
        s.bind("\0" + name[1:] if name.startswith("@") else name)
        return s

    def start(self, name, *args):
        process = subprocess.Popen([binary(args[0]), *args[1:]], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "NOTIFY_SOCKET": name})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def until(self, s, pattern):
        """All datagrams up to the first that matches."""
        seen = []
        while not seen or not re.fullmatch(pattern, seen[-1]):
            seen.append(s.recv(4096).decode())
        return seen

    def test_a_sync_is_ready_tells_its_state_and_its_end(self):
        for name in (os.path.join(self.folder, "notify"), f"@spv-test-{os.getpid()}"):
            with self.subTest(name=name):
                server = self.server("--mine", "1500")
                s = self.socket(name)
                db = os.path.join(self.folder, f"{name.startswith('@')}.db")
                process = self.start(name, "spv-sync", "--network", "regtest", "--connect", server.address,
                                     "--follow", "--db", db)
                seen = self.until(s, "STATUS=synced at height 1,500, 1 peers")
                self.assertEqual(seen[0], "READY=1\nSTATUS=height 0")
                self.assertEqual(sum("READY=1" in text for text in seen), 1)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(self.until(s, "STOPPING=1")[-1], "STOPPING=1")
                self.assertEqual(process.wait(timeout=60), DONE)

    def test_a_server_is_ready_once_it_listens(self):
        name = os.path.join(self.folder, "notify")
        s = self.socket(name)
        process = self.start(name, "spv-serve", "--network", "regtest", "--mine", "10", "--listen",
                             "127.0.0.1:0")
        ready = self.until(s, r"READY=1\nSTATUS=listening on port \d+")[-1]
        with socket.create_connection(("127.0.0.1", int(ready.rsplit(" ", 1)[1])), timeout=60):
            pass
        process.send_signal(signal.SIGTERM)
        self.until(s, "STOPPING=1")
        self.assertEqual(process.wait(timeout=60), DONE)

    def test_a_socket_that_is_not_there_full_or_malformed_changes_nothing(self):
        server = self.server("--mine", "10")
        full = os.path.join(self.folder, "full")
        s = self.socket(full)
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(filler.close)
        filler.setblocking(False)
        try:
            while True:
                filler.sendto(b"x", full)
        except BlockingIOError:
            pass
        for i, name in enumerate(("", "relative", "/none/there", "/" + "x" * 200, "@" + "x" * 200, full)):
            with self.subTest(name=name[:20]):
                result = run("spv-sync", "--network", "regtest", "--connect", server.address, "--db",
                             os.path.join(self.folder, f"{i}.db"), env={"NOTIFY_SOCKET": name})
                self.ends(result, DONE)
                self.assertEqual(result.stderr, "")
        s.close()


class PidFile(TestCase):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.folder, "spv.pid")

    def serve(self, *args):
        return Server("--mine", "5", "--pid-file", self.file, *args)

    def test_it_holds_the_process_id_while_the_program_runs(self):
        with open(self.file, "w", encoding="ascii") as f:
            f.write("99999999999 of a program that was killed\n")
        server = self.serve()
        self.addCleanup(server.stop)
        with open(self.file, encoding="ascii") as f:
            self.assertEqual(f.read(), f"{server.process.pid}\n")
        second = run("spv-serve", "--network", "regtest", "--mine", "5", "--listen", "127.0.0.1:0",
                     "--pid-file", self.file)
        self.ends(second, FAILED)
        self.assertIn(f"--pid-file: {self.file}: belongs to a program that runs", second.stderr)
        with open(self.file, encoding="ascii") as f:  # and it was left alone
            self.assertEqual(f.read(), f"{server.process.pid}\n")
        self.end(server)

    def end(self, server):
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), DONE)
        self.assertFalse(os.path.exists(self.file))

    def test_one_of_a_killed_program_is_taken_over(self):
        server = self.serve()
        server.process.kill()
        server.process.wait()
        self.assertTrue(os.path.exists(self.file))
        server.stop()
        again = self.serve()
        self.addCleanup(again.stop)
        self.end(again)

    def test_a_sync_has_one_too_and_removes_it_when_it_fails(self):
        result = run("spv-sync", "--network", "regtest", "--connect", "127.0.0.1:1", "--timeout", "1",
                     "--pid-file", self.file, "--db", os.path.join(self.folder, "a.db"))
        self.assertNotIn(result.returncode, (DONE, USAGE))
        self.assertFalse(os.path.exists(self.file))

    def test_what_is_no_file_is_refused(self):
        target = os.path.join(self.folder, "target")
        with open(target, "w", encoding="ascii") as f:
            f.write("kept")
        os.symlink(target, os.path.join(self.folder, "link"))
        os.mkfifo(os.path.join(self.folder, "fifo"))
        for name, code, words in (("link", FAILED, "Too many levels of symbolic links"),
                                  ("fifo", USAGE, "is not a file"), (".", FAILED, "Is a directory"),
                                  ("none/there", FAILED, "No such file or directory")):
            with self.subTest(name=name):
                result = run("spv-serve", "--network", "regtest", "--mine", "5", "--pid-file",
                             os.path.join(self.folder, name))
                self.ends(result, code)
                self.assertIn("--pid-file: ", result.stderr)
                self.assertIn(words, result.stderr)
        with open(target, encoding="ascii") as f:
            self.assertEqual(f.read(), "kept")


class Units(TestCase):
    def units(self):
        """The units as they are installed, by name."""
        with open(os.path.join(ROOT, "systemd/hardening.inc"), encoding="utf-8") as f:
            hardening = f.read()
        for name in ("spv-sync", "spv-serve"):
            with open(os.path.join(ROOT, f"systemd/{name}@.service.in"), encoding="utf-8") as f:
                text = f.read().replace("@SPV_SERVICE_HARDENING@", hardening)
            yield name, text.replace("@CMAKE_INSTALL_FULL_BINDIR@", os.path.dirname(binary(name)))

    def test_their_options_are_those_of_the_programs(self):
        for name, text in self.units():
            with self.subTest(name=name):
                self.assertNotRegex(text, "@[A-Z_]+@")
                command = re.search("^ExecStart=(.*)$", text, re.M).group(1).replace("%i", "regtest").split()
                command[command.index("/var/lib/spv")] = self.folder
                result = subprocess.run([*command, "--print-config"], capture_output=True, text=True,
                                        check=False, timeout=60)
                self.assertEqual(result.returncode, DONE, result.stderr)
                self.assertIn("Type=notify", text)
                self.assertIn("RestartPreventExitStatus=2 3", text)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not there")
    def test_systemd_accepts_them(self):
        for name, text in self.units():
            with self.subTest(name=name):
                path = os.path.join(self.folder, f"{name}@.service")
                with open(path, "w", encoding="utf-8") as f:
                    f.write(re.sub("^Documentation=.*\n", "", text, flags=re.M))  # not installed here
                result = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True,
                                        check=False, timeout=120)
                self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
