"""What the CLI tests share: running the binaries, a server to sync from, a throttling proxy between
client and server, and an independent look at chains (over the wire and in the database).

Timeouts here only bound hangs; nothing is judged by how fast it is.
"""

import hashlib
import json
import os
import queue
import random
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time
import unittest

BIN = os.environ.get("SPV_BIN_DIR", os.path.join(os.path.dirname(__file__), "../../build/dev/bin"))
HANG = int(os.environ.get("SPV_HANG", 300))  # seconds after which a test is stuck, also under
# sanitizers on a busy machine
DONE, FAILED, USAGE, DATABASE, NO_PEER, INTERRUPTED = 0, 1, 2, 3, 4, 130
REGTEST_MAGIC = bytes.fromhex("fabfb5da")
HEADER = 80

# A signal that is ignored stays so in the programs that are started here (nohup, a background shell).
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


def binary(name):
    return os.path.join(BIN, name)


def has(name):
    return os.access(binary(name), os.X_OK)


def untimed(line):
    """The object of a line, without the time at which it was printed."""
    return {key: value for key, value in json.loads(line).items() if key != "at"}


def run(name, *args, env=None, **more):
    """Runs a binary to its end; .returncode, .stdout and .stderr as text."""
    return subprocess.run([binary(name), *map(str, args)], capture_output=True, text=True,
                          timeout=HANG, stdin=subprocess.DEVNULL,
                          env=None if env is None else {**os.environ, **env}, **more)

# SQL that removes what schema 4 added.
DROP_WALLET = "".join(f"DROP VIEW {name};" for name in (
    "wallet_history", "wallet_coin", "wallet_balance")) + "".join(
        f"DROP TABLE {name};" for name in (
            "wallet_meta", "wallet_watch", "wallet_branch", "wallet_script", "wallet_tx",
            "wallet_tx_data", "wallet_output", "wallet_share", "wallet_sum", "wallet_label",
            "wallet_label_line", "broadcast"))


class Program:
    """A running binary whose standard output is read line by line."""

    def __init__(self, name, *args):
        self.process = subprocess.Popen([binary(name), *map(str, args)], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.lines = []
        self.errors = ""
        self._queue = queue.Queue()
        self._threads = [threading.Thread(target=self._read_out, daemon=True),
                         threading.Thread(target=self._read_err, daemon=True)]
        for t in self._threads:
            t.start()

    def _read_out(self):
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def _read_err(self):
        self.errors = self.process.stderr.read()

    def line(self):
        """The next line, or None at the end."""
        line = self._queue.get(timeout=HANG)
        if line is not None:
            self.lines.append(line)
        return line

    def wait_for(self, wanted):
        """Reads on until wanted(line); the line."""
        while True:
            line = self.line()
            if line is None:
                self.process.wait(HANG)
                raise AssertionError(f"ended with {self.process.returncode} before the line was printed: "
                                     f"{self.lines[-5:]} {self.errors}")
            if wanted(line):
                return line

    def event(self, *kinds):
        """Reads JSON lines on until one has an event of these kinds."""
        return json.loads(self.wait_for(lambda line: json.loads(line)["event"] in kinds))

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Waits for the end; the exit code. All output is in lines and errors then."""
        code = self.process.wait(HANG)
        for t in self._threads:
            t.join(HANG)
        while not self._queue.empty():
            line = self._queue.get()
            if line is not None:
                self.lines.append(line)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.end()


class Server(Program):
    """spv-serve on a free port, ready to answer."""

    def __init__(self, *args, network="regtest"):
        super().__init__("spv-serve", "--network", network, "--listen", "127.0.0.1:0", "--json",
                         *args)
        ready = self.event("listening")
        self.port = ready["port"]
        self.height = ready["height"]
        self.tip = ready["hash"]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class Proxy:
    """Forwards client to server without limit, and server to client at most `limit` bytes,
    so that a sync can be stopped at a chosen byte."""

    def __init__(self, port, limit=None):
        self.port_behind = port
        self.limit = limit  # bytes to the client of each connection; None: all
        self.reached = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port_behind))
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self.limit),
                             daemon=True).start()

    def _pump(self, source, sink, limit):
        try:
            while limit is None or limit > 0:
                data = source.recv(min(65536, limit) if limit is not None else 65536)
                if not data:
                    break
                sink.sendall(data)
                if limit is not None:
                    limit -= len(data)
                    if limit == 0:
                        self.reached.set()
                        return  # held open, silent
        except OSError:
            pass
        self._end(source, sink)

    @staticmethod
    def _end(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side, or the other thread, was first

    def cut(self):
        """Closes every connection; the listener stays open."""
        self._end(*list(self._sockets))

    def close(self):
        for s in [self._listener, *self._sockets]:
            s.close()


class Middlebox(Proxy):
    """A proxy that sees the first bytes of each connection: `encrypted` and `plain` count the two
    kinds. refuse(client) is called for an encrypted one, and what it returns decides: True: it is
    forwarded all the same. A chunk of bytes from the server passes through change(data, offset)."""

    def __init__(self, port, refuse=None, change=None, delay=0):
        self.encrypted = self.plain = 0
        self.refuse, self.change, self.delay = refuse, change, delay
        super().__init__(port)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def _connection(self, client):
        try:
            first = client.recv(16, socket.MSG_PEEK | socket.MSG_WAITALL)
            if first == REGTEST_MAGIC + b"version\0\0\0\0\0":
                self.plain += 1
            else:
                self.encrypted += 1
                if self.refuse and not self.refuse(client):
                    return
            server = socket.create_connection(("127.0.0.1", self.port_behind))
            self._sockets.append(server)
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            self._forward(server, client)
        except OSError:
            self._end(client)

    def _forward(self, server, client):
        offset = 0
        while True:
            data = server.recv(65536)
            if not data:
                break
            time.sleep(self.delay)
            client.sendall(self.change(data, offset) if self.change else data)
            offset += len(data)
        self._end(server, client)


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


class Wire:
    """A peer connection of our own, to see the other side's bytes without libspv."""

    def __init__(self, sock, magic=REGTEST_MAGIC):
        sock.settimeout(HANG)
        self.sock, self.magic = sock, magic

    def send(self, command, payload=b""):
        self.sock.sendall(self.magic + command.ljust(12, b"\0") +
                          struct.pack("<I", len(payload)) + sha256d(payload)[:4] + payload)

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return bytes(data)

    def receive(self):
        head = self.read(24)
        assert head[:4] == self.magic, head
        payload = self.read(struct.unpack("<I", head[16:20])[0])
        assert sha256d(payload)[:4] == head[20:24]
        return head[4:16].rstrip(b"\0"), payload

    def wait(self, command):
        while True:
            got, payload = self.receive()
            if got == b"ping":
                self.send(b"pong", payload)
            if got == command:
                return payload

    def send_version(self, height=0, unix_time=0, relay=False):
        address = bytes(26)
        self.send(b"version", struct.pack("<iQq", 70016, 0, unix_time) + address + address +
                  struct.pack("<Q", random.getrandbits(64)) + b"\x06/test/" +
                  struct.pack("<i?", height, relay))

    def dial_handshake(self):
        self.send_version()
        self.wait(b"version")
        self.send(b"verack")
        self.wait(b"verack")


class FakePeer:
    """A listening peer without encryption: it completes the handshake of each connection, then runs
    converse(wire), which a subclass overrides. Counts the unencrypted connections in `dialled`; it
    closes encrypted ones."""

    def __init__(self, height=1000, clock_offset=0, magic=REGTEST_MAGIC, relay=False):
        self.height, self.clock_offset, self.magic, self.relay = height, clock_offset, magic, relay
        self.dialled = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            if sock.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL) != self.magic:
                raise EOFError
            self.dialled += 1
            wire = Wire(sock, self.magic)
            wire.services = struct.unpack("<Q", wire.wait(b"version")[4:12])[0]
            wire.send_version(self.height, int(time.time()) + self.clock_offset, self.relay)
            wire.send(b"verack")
            self.converse(wire)
        except (EOFError, OSError):
            sock.close()

    def converse(self, wire):
        raise NotImplementedError

    def close(self):
        self._listener.close()


class FixedAnswer(FakePeer):
    """A peer that answers every getheaders with the same message."""

    def __init__(self, command, payload=b"", **more):
        self.message = (command, payload)
        super().__init__(**more)

    def converse(self, wire):
        while True:
            wire.wait(b"getheaders")
            wire.send(*self.message)


def fetch_headers(port, genesis, magic=REGTEST_MAGIC):
    """All headers of a server, genesis first, fetched with a client of our own and checked to link."""
    with socket.create_connection(("127.0.0.1", port), HANG) as sock:
        wire = Wire(sock, magic)
        wire.dial_handshake()
        chain, tip = bytearray(genesis), sha256d(genesis)
        while True:
            wire.send(b"getheaders", struct.pack("<IB", 70016, 1) + tip + bytes(32))
            payload = wire.wait(b"headers")
            count, at = payload[0], 1
            if count == 0xfd:
                count, at = struct.unpack("<H", payload[1:3])[0], 3
            assert len(payload) == at + count * (HEADER + 1)
            for i in range(count):
                header = payload[at + i * 81:at + i * 81 + HEADER]
                assert header[4:36] == tip, "headers do not link"
                chain += header
                tip = sha256d(header)
            if count == 0:
                return bytes(chain)


REGTEST_GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a" +
    "dae5494d" + "ffff7f20" + "02000000")


def display(hash_bytes):
    return hash_bytes[::-1].hex()


def database_headers(path):
    """The headers of a database as raw bytes, genesis first, read with Python's own SQLite."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT height, hash, version, merkle_root, time, bits, nonce"
                          " FROM header ORDER BY height").fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    raw, previous = bytearray(), bytes(32)
    for i, (height, hash_, version, merkle, when, bits, nonce) in enumerate(rows):
        assert height == i, f"row {i} has height {height}"
        header = struct.pack("<i32s32sIII", version, previous, merkle[::-1], when, bits, nonce)
        previous = sha256d(header)
        assert previous == hash_[::-1], f"the row of height {height} has another hash"
        raw += header
    return bytes(raw)


class TestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="spv-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.db = os.path.join(self.folder, "headers.db")

    def path(self, name):
        return os.path.join(self.folder, name)

    def server(self, *args, **more):
        server = Server(*args, **more)
        self.addCleanup(server.stop)
        return server

    def program(self, name, *args):
        program = Program(name, *args)
        self.addCleanup(program.stop)
        return program

    def proxy(self, port, limit=None):
        proxy = Proxy(port, limit)
        self.addCleanup(proxy.close)
        return proxy

    def sync(self, *args, db=None, network="regtest"):
        return run("spv-sync", "--network", network, "--db", db or self.db, *args)

    def small_disk(self, size):
        """A file system in memory of this size (as mount takes it), or the test is skipped; its folder."""
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small file system")
        disk = self.path("disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", disk], check=False)
        return disk

    def resize_disk(self, disk, size):
        if subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=False).returncode != 0:
            self.skipTest("the tmpfs cannot be resized here")

    def ends(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)

    def closed_port(self):
        """A port of loopback without a listener."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            return s.getsockname()[1]


def mine_file(path, n, seed=1, network="regtest", base=None):
    """Writes the raw headers of a mined chain; returns them."""
    source = ["--headers", base] if base else []
    server = Server(*source, "--mine", n, "--seed", seed, network=network)
    try:
        raw = fetch_headers(server.port, REGTEST_GENESIS)
    finally:
        server.signal(signal.SIGTERM)
        server.end()
    with open(path, "wb") as f:
        f.write(raw)
    return raw
