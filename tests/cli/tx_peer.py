"""Transactions, and peers that do with them what a test says; they speak the protocol without libspv."""

import socket
import struct
import threading

from support import HANG, FakePeer, sha256d

MSG_TX, WITNESS = 1, 0x40000000
NODE_WITNESS = 8


def prevout(n, index=0):
    return sha256d(struct.pack("<I", n)) + struct.pack("<I", index)


def transaction(spends, outputs=((1000, b"\x00\x14" + b"\x07" * 20),), witness=True, sequence=0xffffffff,
                lock_time=0, script=b"\x51\x51", version=2):
    """A raw transaction; spends are prevouts of 36 bytes."""
    ins = b"".join(p + bytes([len(script)]) + script + struct.pack("<I", sequence) for p in spends)
    outs = b"".join(struct.pack("<q", value) + bytes([len(s)]) + s for value, s in outputs)
    body = bytes([len(spends)]) + ins + bytes([len(outputs)]) + outs
    tail = b"\x01\x02\x03\x03" * len(spends) if witness else b""
    return (struct.pack("<I", version) + (b"\x00\x01" if witness else b"") + body + tail +
            struct.pack("<I", lock_time))


def stripped(raw):
    """Of one input and one output, as `transaction` makes it."""
    return raw[:4] + raw[6:-8] + raw[-4:] if raw[4:6] == b"\x00\x01" else raw


def txid_of(raw):
    return sha256d(stripped(raw))


class Network:
    """What the peers have: a transaction that one has fetched is announced by those that relay."""

    def __init__(self):
        self.txs, self.changed = {}, threading.Condition()

    def add(self, raw):
        with self.changed:
            self.txs[txid_of(raw)] = raw
            self.changed.notify_all()

    def wait(self, n):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.txs) >= n, HANG):
                raise AssertionError("no peer has fetched the transaction")


class TxPeer(FakePeer):
    """fetch: asks for what is announced. relay: announces what others have fetched; both may be. drop: asks
    and closes. reject: asks and rejects. silent: never asks. `asked` counts its getdata."""

    def __init__(self, network, *does, relay=True, wanted=(), wait=False):
        self.network, self.does, self.wanted, self.waits, self.wires = network, does, wanted, wait, []
        self.asked, self.heard, self.closing = 0, [], threading.Event()
        super().__init__(height=0, relay=relay)

    def announce(self, wire, lock):
        known = set()
        while not self.closing.is_set():
            with self.network.changed:
                self.network.changed.wait(0.05)
                new = [t for t in self.network.txs if t not in known]
            for txid in new:
                known.add(txid)
                if txid not in self.heard:
                    self.send(wire, lock, b"inv", b"\x01" + struct.pack("<I", MSG_TX) + txid)

    @staticmethod
    def send(wire, lock, command, payload):
        try:
            with lock:
                wire.send(command, payload)
        except OSError:
            pass  # it has left

    def ask(self, wire, lock, txid):
        """With witness where the other side offers it, as Bitcoin Core and bcoin do (BIP144)."""
        kind = MSG_TX | (WITNESS if wire.services & NODE_WITNESS else 0)
        self.send(wire, lock, b"getdata", b"\x01" + struct.pack("<I", kind) + txid)

    def converse(self, wire):
        lock = threading.Lock()
        self.wires.append(wire)
        if "relay" in self.does:
            threading.Thread(target=self.announce, args=(wire, lock), daemon=True).start()
        while True:
            command, payload = wire.receive()
            if command == b"ping":
                self.send(wire, lock, b"pong", payload)
            elif command == b"getheaders":
                self.send(wire, lock, b"headers", b"\x00")
            elif command == b"inv":
                self.on_inv(wire, lock, payload)
            elif command == b"tx":
                self.on_tx(wire, lock, payload)

    def on_inv(self, wire, lock, payload):
        for i in range(payload[0]):
            kind, txid = struct.unpack("<I32s", payload[1 + 36 * i:37 + 36 * i])
            assert kind == MSG_TX
            self.heard.append(txid)
            if "silent" in self.does or self.waits:
                continue
            self.asked += 1
            self.ask(wire, lock, txid)
        if "drop" in self.does:
            wire.sock.close()
            raise EOFError

    def on_tx(self, wire, lock, payload):
        if "reject" in self.does:
            self.send(wire, lock, b"reject", b"\x02tx\x42\x03fee" + txid_of(payload))
            return
        self.network.add(payload)
        spent = payload[7:39]
        if spent in self.wanted and spent not in self.network.txs:  # its parent, which it lacks
            self.ask(wire, lock, spent)

    def drop_all(self):
        for wire in self.wires:
            try:
                wire.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was first

    def close(self):
        self.closing.set()
        super().close()
