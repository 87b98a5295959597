"""A replay server: a peer that serves headers, blocks, filters and filter headers byte for byte as
files have them, written by a reference node. Nothing is computed by libspv: the only sums here are
those of the protocol, SHA-256 by Python. It closes and is silent as Bitcoin Core does.

Timeouts here only bound hangs."""

import csv
import hashlib
import os
import socket
import struct
import threading
from pathlib import Path

HANG = int(os.environ.get("SPV_HANG", 300))
MAGIC = {"regtest": bytes.fromhex("fabfb5da"), "mainnet": bytes.fromhex("f9beb4d9")}
NETWORK, WITNESS, COMPACT_FILTERS = 1, 1 << 3, 1 << 6
MSG_WITNESS_BLOCK = 0x40000002
BASIC = 0
ZERO = bytes(32)


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact(n):
    return bytes([n]) if n < 0xfd else b"\xfd" + struct.pack("<H", n)


def read_compact(data, at):
    if data[at] < 0xfd:
        return data[at], at + 1
    return struct.unpack("<H", data[at + 1:at + 3])[0], at + 3


def filter_header(filter_bytes, previous):
    return sha256d(sha256d(filter_bytes) + previous)


class Chain:
    """Blocks by height with their filters and filter headers; `hashes` and `filter_headers` in wire
    order. A block without a filter has None."""

    def __init__(self, blocks, filters, filter_headers):
        self.blocks, self.filters, self.filter_headers = blocks, filters, filter_headers
        self.headers = [block[:80] for block in blocks]
        self.hashes = [sha256d(header) for header in self.headers]
        self.heights = {block_hash: height for height, block_hash in enumerate(self.hashes)}

    def __len__(self):
        return len(self.blocks)

    def first(self, n):
        return Chain(self.blocks[:n], self.filters[:n], self.filter_headers[:n])

    def fork(self, height, blocks):
        """The blocks below a height, and others that nobody has filters of."""
        none = [None] * len(blocks)
        return Chain(self.blocks[:height] + blocks, self.filters[:height] + none,
                     self.filter_headers[:height] + none)


def rows(path):
    csv.field_size_limit(1 << 24)
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def regtest_node(data):
    """The chain of data/regtest-node, and the blocks that left it with the height of the first."""
    folder = Path(data) / "regtest-node"
    filters = rows(folder / "filters.csv")
    chain = Chain([bytes.fromhex(row["block"]) for row in rows(folder / "blocks.csv")],
                  [bytes.fromhex(row["filter"]) for row in filters],
                  [bytes.fromhex(row["filter_header"])[::-1] for row in filters])
    stale = rows(folder / "stale.csv")
    return chain, int(stale[0]["height"]), [bytes.fromhex(row["block"]) for row in stale]


def mainnet_start(data):
    """Mainnet's blocks 0 to 255."""
    blocks = [(Path(data) / "blocks/mainnet-0.raw").read_bytes()]
    raw, at = (Path(data) / "blocks/mainnet-1-255.blocks").read_bytes(), 0
    while at < len(raw):
        size = struct.unpack("<I", raw[at:at + 4])[0]
        blocks.append(raw[at + 4:at + 4 + size])
        at += 4 + size
    filters = rows(Path(data) / "filters/mainnet-0-255.csv")
    return Chain(blocks, [bytes.fromhex(row["filter"]) for row in filters],
                 [bytes.fromhex(row["filter_header"])[::-1] for row in filters])


class Closed(Exception):
    """The peer closes the connection."""


class Wire:
    """Frames of the unencrypted transport on a socket."""

    def __init__(self, sock, magic):
        sock.settimeout(HANG)
        self.sock, self.magic = sock, magic
        self.sending = threading.Lock()

    def send(self, command, payload=b""):
        with self.sending:
            self.sock.sendall(self.magic + command.encode().ljust(12, b"\0") +
                              struct.pack("<I", len(payload)) + sha256d(payload)[:4] + payload)

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise Closed
            data += more
        return bytes(data)

    def receive(self):
        head = self.read(24)
        if head[:4] != self.magic:  # an encrypted connection, which this peer does not speak
            raise Closed
        payload = self.read(struct.unpack("<I", head[16:20])[0])
        assert sha256d(payload)[:4] == head[20:24]
        return head[4:16].rstrip(b"\0").decode(), payload

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Listener:
    """Serves each connection in a thread by serve(sock), until it is closed."""

    def __init__(self, host):
        self.listener = socket.create_server((host, 0))
        self.host, self.port = self.listener.getsockname()
        self.sockets, self.closed = [], False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def _accept(self):
        while not self.closed:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.serve(sock)
        except (Closed, OSError):
            pass
        finally:
            sock.close()

    def close(self):
        self.closed = True
        self.listener.close()
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class ReplayServer(Listener):
    """Attributes may be changed while it runs: `indexed`, the height up to which its filter index has
    got (None: all that have filters); `mute`, commands that it does not answer; `close_on`, commands
    on which it closes. `requests` has each (command, payload) that it was sent."""

    def __init__(self, chain, host="127.0.0.1", network="regtest",
                 services=NETWORK | WITNESS | COMPACT_FILTERS):
        self.chain, self.network, self.services = chain, network, services
        self.indexed, self.mute, self.close_on = None, set(), set()
        self.known = dict.fromkeys(chain.hashes, chain)  # the chain that a block is served from
        self.requests, self.wires = [], []
        self.closings = []  # why it closed, each time
        super().__init__(host)

    def serve(self, sock):
        wire = Wire(sock, MAGIC[self.network])
        address = bytes(26)
        wire.send("version", struct.pack("<iQq", 70016, self.services, 1700000000) + address + address +
                  os.urandom(8) + b"\x08/replay/" + struct.pack("<i?", len(self.chain) - 1, True))
        wire.send_headers = False
        while True:
            command, payload = wire.receive()
            self.requests.append((command, payload))
            if command in self.close_on:
                self.fail(f"{command} is not served")
            if command not in self.mute:
                getattr(self, f"on_{command}", lambda *_: None)(wire, payload)

    def fail(self, why):
        self.closings.append(why)
        raise Closed

    def on_version(self, wire, payload):
        wire.send("verack")

    def on_verack(self, wire, payload):
        self.wires.append(wire)

    def on_ping(self, wire, payload):
        wire.send("pong", payload)

    def on_sendheaders(self, wire, payload):
        wire.send_headers = True

    def on_getheaders(self, wire, payload):
        n, at = read_compact(payload, 4)
        locator = [payload[at + 32 * i:at + 32 * (i + 1)] for i in range(n)]
        stop = payload[at + 32 * n:]
        chain = self.chain
        if not locator:
            found = [chain.heights[stop]] if stop in chain.heights else []
        else:
            start = next((chain.heights[h] for h in locator if h in chain.heights), 0) + 1
            end = min(len(chain), start + 2000, chain.heights.get(stop, len(chain)) + 1)
            found = range(start, end)
        wire.send("headers", compact(len(found)) + b"".join(chain.headers[h] + b"\0" for h in found))

    def find_range(self, payload, most):
        """The heights that are asked for and their chain; None where Bitcoin Core is silent."""
        kind, stop = payload[0], payload[-32:]
        if kind != BASIC:
            self.fail("a filter type that it does not have")
        if stop not in self.known:
            self.fail("an unknown stop hash")
        chain = self.known[stop]
        last = chain.heights[stop]
        first = struct.unpack("<I", payload[1:5])[0] if most else last
        if first > last:
            self.fail("a start above the stop")
        if most and last - first >= most:
            self.fail("too many blocks")
        indexed = len(chain) - 1 if self.indexed is None else self.indexed
        if last > indexed or chain.filters[last] is None:
            return None
        return chain, range(first, last + 1)

    def on_getcfcheckpt(self, wire, payload):
        found = self.find_range(payload, 0)
        if found:
            chain, heights = found
            headers = [chain.filter_headers[h] for h in range(1000, heights[-1] + 1, 1000)]
            wire.send("cfcheckpt", payload[:1] + payload[-32:] + compact(len(headers)) + b"".join(headers))

    def on_getcfheaders(self, wire, payload):
        found = self.find_range(payload, 2000)
        if found:
            chain, heights = found
            before = chain.filter_headers[heights[0] - 1] if heights[0] > 0 else ZERO
            hashes = [sha256d(chain.filters[h]) for h in heights]
            wire.send("cfheaders", payload[:1] + payload[-32:] + before + compact(len(hashes)) +
                      b"".join(hashes))

    def on_getcfilters(self, wire, payload):
        found = self.find_range(payload, 1000)
        if found:
            chain, heights = found
            for h in heights:
                data = chain.filters[h]
                wire.send("cfilter", payload[:1] + chain.hashes[h] + compact(len(data)) + data)

    def on_getdata(self, wire, payload):
        n, at = read_compact(payload, 0)
        for i in range(n):
            kind, = struct.unpack("<I", payload[at + 36 * i:at + 36 * i + 4])
            block = payload[at + 36 * i + 4:at + 36 * (i + 1)]
            assert kind == MSG_WITNESS_BLOCK, kind
            if block in self.known:  # of others it says nothing
                chain = self.known[block]
                wire.send("block", chain.blocks[chain.heights[block]])

    def announce(self, chain):
        """Replaces the chain and announces it; the blocks that left it are still known."""
        old, self.chain = self.chain, chain
        self.known.update(dict.fromkeys(chain.hashes, chain))
        fork = next((h for h, (a, b) in enumerate(zip(old.hashes, chain.hashes)) if a != b),
                    min(len(old), len(chain)))
        new = chain.headers[fork:]
        for wire in self.wires:
            try:
                if wire.send_headers and 0 < len(new) <= 8:
                    wire.send("headers", compact(len(new)) + b"".join(h + b"\0" for h in new))
                else:
                    wire.send("inv", b"\x01" + struct.pack("<I", 2) + chain.hashes[-1])
            except OSError:
                pass


class LiarProxy(Listener):
    """Forwards frames between its clients and a server. Each frame of the server passes
    change(command, payload), which returns the frames to be sent instead."""

    def __init__(self, server, change, host="127.0.0.1"):
        self.server, self.change = server, change
        super().__init__(host)

    def serve(self, sock):
        magic = MAGIC[self.server.network]
        behind = socket.create_connection((self.server.host, self.server.port), HANG)
        self.sockets.append(behind)
        client, server = Wire(sock, magic), Wire(behind, magic)
        threading.Thread(target=self._forward, args=(server, client, self.change), daemon=True).start()
        try:
            self._forward(client, server, lambda *frame: [frame])
        finally:
            server.close()

    @staticmethod
    def _forward(source, target, change):
        try:
            while True:
                for command, payload in change(*source.receive()):
                    target.send(command, payload)
        except (Closed, OSError):
            target.close()


class FalseFilters:
    """A change for LiarProxy: other filters at some heights ({height: bytes}), in all answers: the
    filter headers from there on commit to them. With `contradict` the answers of one command stay
    as the server gave them."""

    def __init__(self, chain, false, contradict=()):
        self.chain, self.contradict = chain, contradict
        self.filters = [false.get(h, data) for h, data in enumerate(chain.filters)]
        self.headers, header = [], ZERO
        for data in self.filters:
            header = filter_header(data, header)
            self.headers.append(header)

    def __call__(self, command, payload):
        change = getattr(self, f"on_{command}", None)
        if change is None or command in self.contradict:
            return [(command, payload)]
        return [(command, change(payload))]

    def on_cfilter(self, payload):
        data = self.filters[self.chain.heights[payload[1:33]]]
        return payload[:33] + compact(len(data)) + data

    def on_cfheaders(self, payload):
        n, _ = read_compact(payload, 65)
        last = self.chain.heights[payload[1:33]]
        first = last - n + 1
        before = self.headers[first - 1] if first > 0 else ZERO
        hashes = [sha256d(data) for data in self.filters[first:last + 1]]
        return payload[:33] + before + compact(n) + b"".join(hashes)

    def on_cfcheckpt(self, payload):
        headers = self.headers[1000:self.chain.heights[payload[1:33]] + 1:1000]
        return payload[:33] + compact(len(headers)) + b"".join(headers)
