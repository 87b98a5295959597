#!/usr/bin/env python3
"""libspv-peer against a foreign full node: bcoin on regtest, which speaks version 70015.

peer_tool is one connection of ours, driven by lines; node.js is theirs. Arguments: the peer_tool
program. Exits with 77 when node or bcoin is not there."""

import contextlib
import hashlib
import struct
import subprocess
import sys
import time
import unittest

from bcoin import PATIENCE, Lines, Node, main

PEER_TOOL = sys.argv[1] if len(sys.argv) > 1 else "build/dev/tests/interop/peer_tool"

NETWORK, BLOOM, WITNESS = 1, 4, 8
TX, BLOCK, FILTERED_BLOCK, WITNESS_FLAG = 1, 2, 3, 1 << 30
MAGIC = bytes.fromhex("fabfb5da")


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def frame(command, payload=b"", magic=MAGIC, length=None, checksum=None):
    """A message as bytes in hex, with whatever is wrong about it."""
    length = len(payload) if length is None else length
    checksum = sha256d(payload)[:4] if checksum is None else checksum
    name = command.encode().ljust(12, b"\0")
    return (magic + name + struct.pack("<I", length) + checksum + payload).hex()


def version_payload():
    return (struct.pack("<IQq", 70015, NETWORK | WITNESS, int(time.time())) + bytes(26 + 26)
            + b"nonce678" + b"\x05/try/" + struct.pack("<i", 0) + b"\x01")


WRONG_MAGIC = frame("getaddr", magic=b"\x0b\x11\x09\x07")
WRONG_CHECKSUM = frame("ping", b"12345678", checksum=b"\0\0\0\0")
OVERSIZED = frame("ping", length=4_000_001)
ENDLESS_COMMAND = frame("abcdefghijkl")
SHORT_INV = frame("inv", b"\x02" + bytes(36))


def murmur3(data, seed):
    """MurmurHash3, 32 bits, as in BIP37."""
    def rotate(x, r):
        return ((x << r) | (x >> (32 - r))) & 0xffffffff

    h = seed & 0xffffffff
    whole = len(data) & ~3
    for i in range(0, len(data), 4):
        k = int.from_bytes(data[i:i + 4], "little")
        k = rotate(k * 0xcc9e2d51 & 0xffffffff, 15) * 0x1b873593 & 0xffffffff
        h ^= k
        if i < whole:
            h = (rotate(h, 13) * 5 + 0xe6546b64) & 0xffffffff
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85ebca6b & 0xffffffff
    h = (h ^ h >> 13) * 0xc2b2ae35 & 0xffffffff
    return h ^ h >> 16


def filterload(element, size=512, functions=10, tweak=77):
    """The line that loads a bloom filter with one element."""
    bits = bytearray(size)
    for i in range(functions):
        at = murmur3(element, i * 0xfba4c795 + tweak) % (8 * size)
        bits[at >> 3] |= 1 << (at & 7)
    return f"filterload {functions} {tweak} 0 {bits.hex()}"


def matches_of_merkleblock(block):
    """Walks the partial tree (BIP37): the root and the ids of the leaves that match."""
    bits = [byte >> i & 1 for byte in bytes.fromhex(block["flags"]) for i in range(8)]
    hashes = [bytes.fromhex(h)[::-1] for h in block["hashes"]]
    matches = []

    def walk(height, at):
        flag = bits.pop(0)
        if height == 0 or not flag:
            hash_ = hashes.pop(0)
            if flag:
                matches.append(hash_[::-1].hex())
            return hash_
        left = right = walk(height - 1, 2 * at)
        if (2 * at + 1) << (height - 1) < block["total"]:
            right = walk(height - 1, 2 * at + 1)
        return sha256d(left + right)

    root = walk((block["total"] - 1).bit_length(), 0)
    assert not hashes and not any(bits)
    return root[::-1].hex(), matches


class Tool(Lines):
    """One connection of ours."""

    def __init__(self, mode, port, **options):
        super().__init__([PEER_TOOL, mode, f"127.0.0.1:{port}",
                          *(f"{k}={v}" for k, v in options.items())], stdin=subprocess.PIPE)
        self.passed = []  # what until() has taken, in order

    def until(self, event, command=None):
        """The next event of this kind, or the next message or completion of this command."""
        end = time.monotonic() + PATIENCE  # the node's own pings must not feed a wait for ever
        while True:
            said = self.next()
            self.passed.append(said)
            if time.monotonic() > end:
                raise AssertionError(f"no {event} {command or ''} in time: {self.passed}")
            if said["event"] == event and (command is None or said.get("command") == command):
                return said
            if said["event"] == "closed":
                raise AssertionError(f"closed while waiting for {event} {command}: {self.passed}")

    def message(self, command):
        return self.until("message", command)

    def send(self, line):
        """Sends; returns once the socket has it."""
        self.tell(line)
        said = self.until("sent", line.split()[0])
        assert said["error"] == "OK", said

    def raw(self, bytes_):
        """Writes bytes past the machine. Its "sent" is told by the tool's other thread, before or
        after what the bytes bring about, so it is not waited for."""
        self.tell(f"raw {bytes_}")

    def pong(self, nonce=1):
        """A round trip: whatever came before has been dealt with by both."""
        self.send(f"ping {nonce}")
        return self.message("pong")

    def commands(self):
        return [said["command"] for said in self.passed if said["event"] == "message"]


class Case(unittest.TestCase):
    """All tests of a class share one node, with segwit active and a chain of 450 blocks."""
    OPTIONS = {}

    @classmethod
    def setUpClass(cls):
        cls.node = Node(**cls.OPTIONS)
        cls.addClassCleanup(cls.node.end)
        cls.node.ask("mine", n=450)
        cls.coinbase = 0

    def setUp(self):
        self.node.ask("unban")
        self.node.ask("log")

    def tool(self, mode, port, **options):
        tool = Tool(mode, port, **options)
        self.addCleanup(self.end, tool)
        return tool

    def end(self, tool):
        tool.end()
        self.assertEqual(tool.process.returncode, 0)
        self.eventually(lambda: not self.node.ask("peers"))

    def dial(self, **options):
        tool = self.tool("dial", self.node.port, **options)
        tool.until("ready")
        self.eventually(lambda: [p["handshake"] for p in self.node.ask("peers")] == [True])
        return tool

    @contextlib.contextmanager
    def dialled(self):
        tool = self.dial()
        try:
            yield tool
        finally:
            self.end(tool)

    def listen(self, **options):
        """Our listener, to which the node has been told to dial."""
        tool = self.tool("listen", 0, **options)
        self.node.ask("dial", port=tool.until("listening")["port"])
        return tool

    def eventually(self, what):
        end = time.monotonic() + PATIENCE
        while not what():
            self.assertLess(time.monotonic(), end, "it does not happen")
            time.sleep(0.02)

    def spend(self, **more):
        """A transaction of a coinbase that no test has spent."""
        type(self).coinbase += 1
        return self.node.ask("spend", height=self.coinbase, **more)

    def happened(self, *texts):
        """Waits until the node's log holds all of the texts; returns it."""
        log = []

        def look():
            log.extend(self.node.ask("log"))
            return all(any(text in line for line in log) for text in texts)

        self.eventually(look)
        return log


class Handshake(Case):
    OPTIONS = {"bip37": True}

    def test_we_dial(self):
        tool = self.dial(services=NETWORK)
        ready = next(s for s in tool.passed if s["event"] == "ready")
        self.assertEqual((ready["version"], ready["peer_version"]), (70015, 70015))
        self.assertEqual(ready["services"], NETWORK | BLOOM | WITNESS)
        self.assertEqual(ready["start_height"], self.node.ask("tip")["height"])
        self.assertRegex(ready["user_agent"], r"^/bcoin:")
        self.assertFalse(ready["wtxidrelay"] or ready["addrv2"])
        (peer,) = self.node.ask("peers")
        self.assertEqual((peer["outbound"], peer["version"], peer["services"]), (False, 70016, 1))
        self.assertRegex(peer["agent"], r"^/libspv:")
        self.assertFalse(peer["noRelay"])
        self.assertEqual(tool.commands()[:2], ["version", "verack"])

    def test_it_dials(self):
        tool = self.listen(services=NETWORK | WITNESS)
        ready = tool.until("ready")
        self.assertEqual((ready["version"], ready["services"]), (70015, NETWORK | BLOOM | WITNESS))
        self.eventually(lambda: self.node.ask("peers")[0]["handshake"])
        (peer,) = self.node.ask("peers")
        self.assertEqual((peer["outbound"], peer["services"]), (True, NETWORK | WITNESS))
        asks = tool.message("getblocks")  # it looks to us for blocks
        self.assertEqual(asks["first"], self.node.ask("tip")["hash"])
        tool.pong()

    def test_it_leaves_a_listener_that_offers_no_witness(self):
        tool = self.listen(services=NETWORK)
        self.assertIn(tool.until("closed")["error"], ("CLOSED", "RESET"))
        self.happened("does not support segregated witness", "close")

    def test_we_leave_a_node_that_lacks_services_that_we_need(self):
        tool = self.tool("dial", self.node.port, need=1 << 10)
        self.assertEqual(tool.until("closed")["error"], "SERVICES")
        self.happened("close")

    def test_an_older_version_of_ours_is_what_both_speak(self):
        tool = self.dial(version=70012)
        tool.tell("stats")
        self.assertEqual(tool.until("stats")["version"], 70012)
        self.assertEqual(self.node.ask("peers")[0]["version"], 70012)
        tool.tell("feefilter 1000")  # 70013 knows it
        self.assertEqual(tool.until("sent", "feefilter")["error"], "UNSUPPORTED")

    def test_we_leave_and_it_notices(self):
        tool = self.dial()
        tool.tell("close")
        self.assertEqual(tool.until("closed")["error"], "DISCONNECTED")
        self.happened("Socket hangup", "close")
        tool.tell("ping 1")
        self.assertEqual(tool.until("refused")["error"], "STATE")


class Talk(Case):
    OPTIONS = {"bip37": True, "feeRate": 1234}

    def test_ping_and_pong_both_ways(self):
        tool = self.dial()
        self.assertEqual(tool.pong(0x1122334455667788)["nonce"], "1122334455667788")
        self.assertEqual(self.node.ask("ping"), 1)
        tool.message("ping")
        self.eventually(lambda: self.node.ask("peers")[0]["pinged"])
        self.assertFalse(self.node.ask("peers")[0]["pinging"])

    def test_addresses_both_ways(self):
        self.node.ask("known", add=["8.1.2.3:48444", "[2001:4860::8]:1234"])
        tool = self.dial()
        tool.send("getaddr")
        got = tool.message("addr")["addresses"]
        self.assertIn("8.1.2.3:48444", got)
        self.assertIn("2001:4860::8:1234", got)
        tool.send(f"addr 8.7.6.5 4321 {NETWORK | WITNESS}")
        tool.pong()
        self.assertIn("8.7.6.5:4321", self.node.ask("known"))

    def test_headers_to_the_tip(self):
        tool = self.dial()
        rows = self.node.ask("headers", **{"from": 0, "to": self.node.ask("tip")["height"]})
        tool.send(f"getheaders {rows[0]['hash']}")
        self.assertEqual(tool.message("headers")["hashes"], [r["hash"] for r in rows[1:]])

    def test_blocks_and_their_transactions_are_the_nodes_own(self):
        spent = [self.spend(), self.spend()]
        tip = self.node.ask("mine", n=1)
        tool = self.dial()
        tool.send(f"getdata {BLOCK | WITNESS_FLAG} {tip['hash']}")
        got, own = tool.message("block"), self.node.ask("block", hash=tip["hash"])
        self.assertEqual([got[k] for k in ("hash", "raw", "txids", "wtxids")],
                         [own[k] for k in ("hash", "raw", "txids", "wtxids")])
        self.assertLessEqual({t["txid"] for t in spent}, set(got["txids"]))
        self.assertLessEqual({t["wtxid"] for t in spent}, set(got["wtxids"]))

        tool.send(f"getdata {BLOCK} {tip['hash']}")
        bare = tool.message("block")
        self.assertEqual((bare["hash"], bare["txids"]), (own["hash"], own["txids"]))
        self.assertEqual(bare["wtxids"], own["txids"])
        self.assertLess(len(bare["raw"]), len(own["raw"]))
        self.assertEqual(got["weight"], 3 * len(bare["raw"]) // 2 + len(got["raw"]) // 2)

    def test_what_it_does_not_have_is_not_found(self):
        tool = self.dial()
        tool.send(f"getdata {BLOCK} {'12' * 32} {'34' * 32}")
        self.assertEqual(tool.message("notfound")["items"],
                         [[BLOCK, "12" * 32], [BLOCK, "34" * 32]])

    def test_a_transaction_of_its_mempool(self):
        tool = self.dial()
        tx = self.spend()
        self.assertEqual(tool.message("inv")["items"], [[TX, tx["txid"]]])
        tool.send(f"getdata {TX | WITNESS_FLAG} {tx['txid']}")
        got = tool.message("tx")
        self.assertEqual([got[k] for k in ("txid", "wtxid", "raw")],
                         [tx[k] for k in ("txid", "wtxid", "raw")])
        self.assertNotEqual(got["txid"], got["wtxid"])
        tool.send(f"getdata {TX} {tx['txid']}")
        bare = tool.message("tx")
        self.assertEqual((bare["txid"], bare["wtxid"]), (tx["txid"], tx["txid"]))

    def test_a_transaction_of_ours(self):
        tx = self.spend(keep=True)
        tool = self.dial()
        tool.send(f"inv {TX} {tx['txid']}")
        ((type_, txid),) = tool.message("getdata")["items"]
        self.assertEqual((type_ & ~WITNESS_FLAG, txid), (TX, tx["txid"]))
        tool.send(f"tx {tx['raw']}")
        self.eventually(lambda: tx["txid"] in self.node.ask("mempool"))

    def test_mempool(self):
        spent = {self.spend()["txid"], self.spend()["txid"]}
        tool = self.dial()
        tool.send("mempool")
        got = {id_ for _, id_ in tool.message("inv")["items"]}
        self.assertLessEqual(spent, got)
        self.assertEqual(got, set(self.node.ask("mempool")))

    def test_feefilter_both_ways(self):
        tool = self.dial()
        tool.pong()
        rates = [s["rate"] for s in tool.passed if s.get("command") == "feefilter"]
        self.assertEqual(rates, [1234])
        tool.pong(2)  # another thread sees the statistics of the last bytes that were fully processed
        tool.tell("stats")
        self.assertEqual(tool.until("stats")["fee_filter"], 1234)
        tool.send("feefilter 100000000000")
        tool.pong()
        self.assertEqual(self.node.ask("peers")[0]["feeRate"], 100000000000)
        low = self.spend()  # pays less than that: a block is the next that it announces
        tip = self.node.ask("mine", n=1)
        self.assertEqual(tool.message("inv")["items"], [[BLOCK, tip["hash"]]])
        self.assertIn(low["txid"], self.node.ask("block", hash=tip["hash"])["txids"])

    def test_new_blocks_come_by_inv_and_after_sendheaders_as_headers(self):
        tool = self.dial()
        tip = self.node.ask("mine", n=1)
        self.assertEqual(tool.message("inv")["items"], [[BLOCK, tip["hash"]]])
        tool.send("sendheaders")
        tool.pong()
        self.assertTrue(self.node.ask("peers")[0]["preferHeaders"])
        tool.passed.clear()
        for _ in range(2):
            tip = self.node.ask("mine", n=1)
            self.assertEqual(tool.message("headers")["hashes"], [tip["hash"]])
        tool.pong()
        self.assertNotIn("inv", tool.commands())


class Filter(Case):
    OPTIONS = {"bip37": True}

    def test_filterload_then_merkleblock(self):
        mine = self.spend()
        others = [self.spend() for _ in range(4)]
        tip = self.node.ask("mine", n=1)
        own = self.node.ask("block", hash=tip["hash"])
        tool = self.dial()
        tool.send(filterload(bytes.fromhex(mine["txid"])[::-1]))
        tool.send(f"getdata {FILTERED_BLOCK} {tip['hash']}")
        block = tool.message("merkleblock")
        self.assertEqual((block["hash"], block["total"]), (tip["hash"], len(own["txids"])))
        root, matches = matches_of_merkleblock(block)
        self.assertEqual((root, matches), (block["root"], [mine["txid"]]))
        self.assertLess(len(block["hashes"]), block["total"])
        self.assertEqual(tool.message("tx")["txid"], mine["txid"])
        tool.passed.clear()
        tool.pong()  # no other transaction follows
        self.assertEqual(tool.commands(), ["pong"])
        self.assertEqual(len(others) + 2, block["total"])

    def test_filteradd_widens_and_filterclear_ends_it(self):
        tx = self.spend()
        tip = self.node.ask("mine", n=1)
        tool = self.dial()
        tool.send(filterload(b"nothing that is anywhere"))
        tool.send(f"getdata {FILTERED_BLOCK} {tip['hash']}")
        block = tool.message("merkleblock")
        self.assertEqual(matches_of_merkleblock(block), (block["root"], []))
        tool.send(f"filteradd {tx['program']}")  # the key that all outputs pay to
        tool.send(f"getdata {FILTERED_BLOCK} {tip['hash']}")
        block = tool.message("merkleblock")
        root, matches = matches_of_merkleblock(block)
        self.assertEqual(root, block["root"])
        self.assertEqual(matches, self.node.ask("block", hash=tip["hash"])["txids"])
        self.assertEqual({tool.message("tx")["txid"] for _ in matches}, set(matches))

        tool.send("filterclear")
        tool.passed.clear()
        tool.send(f"getdata {FILTERED_BLOCK} {tip['hash']}")
        self.assertEqual(matches_of_merkleblock(tool.message("merkleblock"))[1], [])

    def test_announces_only_what_matches(self):
        key = self.spend(keep=True)["program"]
        tool = self.dial(relay=0)
        self.assertTrue(self.node.ask("peers")[0]["noRelay"])
        tool.send(filterload(bytes.fromhex(key)))
        tool.pong()
        (peer,) = self.node.ask("peers")
        self.assertEqual((peer["filter"], peer["noRelay"]), (True, False))
        tx = self.spend()
        self.assertEqual(tool.message("inv")["items"], [[TX, tx["txid"]]])


class Errors(Case):
    """What each side does when the other breaks a rule. Their node offers no bloom filters here."""

    def test_it_rejects_our_malformed_frames_and_stays(self):
        for name, raw, says in (("magic", WRONG_MAGIC, "Invalid magic value"),
                                ("checksum", WRONG_CHECKSUM, "Invalid checksum"),
                                ("oversized", OVERSIZED, "Packet length too large"),
                                ("command", ENDLESS_COMMAND, "Non NULL-terminated command"),
                                ("short body", SHORT_INV, "Out of bounds")):
            with self.subTest(name), self.dialled() as tool:
                tool.raw(raw)
                said = tool.message("reject")
                self.assertEqual((said["code"], said["reason"]), (1, "error parsing message"))
                tool.pong()
                self.assertEqual(self.node.ask("peers")[0]["banScore"], 10)
                self.happened(says)

    def test_it_bans_us_for_ten_of_them(self):
        tool = self.dial()
        tool.raw(WRONG_MAGIC * 10)
        self.assertIn(tool.until("closed")["error"], ("CLOSED", "RESET"))
        self.happened("ban", "close")
        again = self.tool("dial", self.node.port)
        self.assertIn(again.until("closed")["error"], ("CLOSED", "RESET"))

    def test_it_answers_a_key_by_a_version_and_does_not_ban_for_it(self):
        tool = self.tool("dial", self.node.port, transport=2)  # v2 only
        self.assertEqual(tool.until("closed")["error"], "V1_PEER")
        self.eventually(lambda: not self.node.ask("peers"))
        with self.dialled() as tool:  # v1
            tool.pong()

    def test_it_leaves_without_a_word(self):
        tip = self.node.ask("tip")["hash"]
        filtered = frame("getdata", b"\x01" + struct.pack("<I", FILTERED_BLOCK)
                         + bytes.fromhex(tip)[::-1])
        tx = bytes.fromhex(self.spend(keep=True)["raw"])
        for name, raw in (("second version", frame("version", version_payload())),
                          ("mempool without the service", frame("mempool")),
                          ("filtered block without the service", filtered),
                          ("transaction that it did not ask for", frame("tx", tx))):
            with self.subTest(name), self.dialled() as tool:
                tool.raw(raw)
                self.assertIn(tool.until("closed")["error"], ("CLOSED", "RESET"))
                self.assertNotIn("reject", tool.commands())
                self.assertNotIn("ban", self.happened("close"))

    def test_it_takes_what_we_would_not(self):
        """A second verack, and filters although it does not offer them, it lets pass."""
        load = frame("filterload", b"\x01\xff" + struct.pack("<IIB", 1, 0, 0))
        for name, raw in (("second verack", frame("verack")), ("filterload", load),
                          ("filterclear", frame("filterclear")), ("unknown", frame("gibberish"))):
            with self.subTest(name), self.dialled() as tool:
                tool.raw(raw)
                tool.pong()
                self.assertEqual(self.node.ask("peers")[0]["banScore"], 0)

    def test_we_do_not_send_bloom_commands_to_it(self):
        tool = self.dial()
        for line in ("mempool", "filterclear", "filteradd 00", filterload(b"x")):
            tool.tell(line)
            self.assertEqual(tool.until("sent", line.split()[0])["error"], "UNSUPPORTED")
        tool.pong()

    def test_we_close_on_what_it_breaks(self):
        for name, raw, error, reject in (
                ("magic", WRONG_MAGIC, "MAGIC", None),
                ("checksum", WRONG_CHECKSUM, "CHECKSUM", "ping malformed"),
                ("oversized", OVERSIZED, "LENGTH", None),
                ("command", frame("pi\0ng"), "COMMAND", None),
                ("filterload", frame("filterload", b"\x01\xff" + struct.pack("<IIB", 1, 0, 0)),
                 "BLOOM_NOT_OFFERED", None),
                ("mempool", frame("mempool"), "BLOOM_NOT_OFFERED", None),
                ("short body", SHORT_INV, "SHORT", "inv malformed"),
                ("bytes behind", frame("inv", bytes(2)), "TRAILING", "inv malformed"),
                ("long form of a count", frame("inv", b"\xfd\x01\x00" + bytes(36)),
                 "COMPACT_SIZE", "inv malformed")):
            with self.subTest(name), self.dialled() as tool:
                tool.pong()
                self.assertEqual(self.node.ask("raw", hex=raw), 1)
                self.assertEqual(tool.until("closed")["error"], error)
                log = self.happened("close", *([f"reject: {reject}"] if reject else []))
                self.assertEqual(any("reject" in line for line in log), reject is not None, log)

    def test_a_tolerant_link_counts_what_is_malformed_and_stays(self):
        tool = self.dial(tolerant=1)
        self.node.ask("raw", hex=WRONG_CHECKSUM + SHORT_INV)
        tool.pong()
        tool.tell("stats")
        self.assertEqual(tool.until("stats")["malformed_in"], 2)

    def test_a_second_version_or_verack_is_ignored(self):
        tool = self.dial()
        for raw in (frame("version", version_payload()), frame("verack")):
            self.node.ask("raw", hex=raw)
            tool.pong()

    def test_an_unknown_command_reaches_the_user(self):
        tool = self.dial()
        self.node.ask("raw", hex=frame("gibberish", b"abc"))
        self.assertEqual(tool.message("gibberish")["raw"], b"abc".hex())
        tool.pong()


if __name__ == "__main__":
    main(PEER_TOOL)
