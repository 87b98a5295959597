"""spv-serve's REST endpoints, asked with curl: every endpoint and form, refusals, bounds, and answers
while another process makes the database grow and reorganise."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import unittest

from support import (DONE, FAILED, HANG, HEADER, REGTEST_GENESIS, USAGE, Server, TestCase,
                     Wire, database_headers, display, mine_file, run, sha256d)

RANGE = "Header count is invalid or out of acceptable range (1-2000): "
FORMATS = "output format not found (available: .bin, .hex, .json)"
MINED = 2100


class Web(Server):
    """spv-serve with --http on a free port."""

    def __init__(self, *args, network="regtest"):
        super().__init__("--http", "127.0.0.1:0", *args, network=network)
        self.web = next(e["port"] for e in map(json.loads, self.lines) if e["event"] == "http")

    def url(self, target):
        return f"http://127.0.0.1:{self.web}{target}"

    def get(self, target, *args):
        """(status, headers, body) of curl."""
        done = subprocess.run(["curl", "-sS", "-i", "--http1.1", "-g", "--path-as-is", "--max-time",
                               str(HANG), *args, self.url(target)], capture_output=True, timeout=HANG)
        assert done.returncode == 0, done.stderr
        head, body = done.stdout.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        return (int(status.split()[1]),
                {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body)

    def json(self, target):
        status, headers, body = self.get(target)
        assert (status, headers["content-type"]) == (200, "application/json"), (status, body)
        return json.loads(body)


def median(times):
    return sorted(times)[len(times) // 2]


def described(raw, height):
    """Bitcoin Core's getblockheader of a header of a regtest chain, without the fields of the block."""
    n = len(raw) // HEADER
    header = raw[height * HEADER:][:HEADER]
    version, prev, merkle, time, bits, nonce = struct.unpack("<i32s32sIII", header)
    times = [struct.unpack("<I", raw[h * HEADER + 68:][:4])[0]
             for h in range(max(0, height - 10), height + 1)]
    said = {"hash": display(sha256d(header)), "confirmations": n - height, "height": height,
            "version": version, "versionHex": f"{version & 0xffffffff:08x}",
            "merkleroot": display(merkle), "time": time, "mediantime": median(times),
            "nonce": nonce, "bits": f"{bits:08x}", "difficulty": 4.656542373906925e-10,
            "chainwork": f"{2 * (height + 1):064x}"}
    if height > 0:
        said["previousblockhash"] = display(prev)
    if height + 1 < n:
        said["nextblockhash"] = display(sha256d(raw[(height + 1) * HEADER:][:HEADER]))
    return said


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class Http(TestCase):
    def web(self, *args, **more):
        web = Web(*args, **more)
        self.addCleanup(web.stop)
        return web

    def mined(self, n, name="headers.raw", **more):
        path = self.path(name)
        return path, mine_file(path, n, **more)

    def hash_at(self, raw, height):
        return display(sha256d(raw[height * HEADER:][:HEADER]))

    def refused(self, web, target, status, words, *args):
        got, headers, body = web.get(target, *args)
        self.assertEqual((got, headers["content-type"], body.decode()),
                         (status, "text/plain", words + "\r\n"), target)

    def endpoints(self, web, raw):
        """Each endpoint in each form, compared with the headers themselves."""
        tip = len(raw) // HEADER - 1
        for height, count in ((0, 5), (7, 1), (100, 2000), (tip - 2, 5), (tip, 5)):
            n = min(count, tip - height + 1)
            want = raw[height * HEADER:][:n * HEADER]
            for target in (f"/rest/headers/{self.hash_at(raw, height)}.%s" +
                           (f"?count={count}" if count != 5 else ""),
                           f"/rest/headers/{count}/{self.hash_at(raw, height)}.%s"):
                status, headers, body = web.get(target % "bin")
                self.assertEqual((status, headers["content-type"], body),
                                 (200, "application/octet-stream", want))
                status, headers, body = web.get(target % "hex")
                self.assertEqual((status, headers["content-type"], body.decode()),
                                 (200, "text/plain", want.hex() + "\n"))
                self.assertEqual(web.json(target % "json"),
                                 [described(raw, h) for h in range(height, height + n)])
        for height in (0, 1, tip):
            hash_ = self.hash_at(raw, height)
            target = f"/rest/blockhashbyheight/{height}."
            self.assertEqual(web.get(target + "bin")[2], bytes.fromhex(hash_)[::-1])
            self.assertEqual(web.get(target + "hex")[2].decode(), hash_ + "\n")
            self.assertEqual(web.json(target + "json"), {"blockhash": hash_})
        last = described(raw, tip)
        self.assertEqual(web.json("/rest/chaininfo.json"), {
            "chain": "regtest", "blocks": tip, "headers": tip, "bestblockhash": last["hash"],
            **{k: last[k] for k in ("bits", "difficulty", "time", "mediantime", "chainwork")}})

    def test_every_endpoint_in_every_form_from_a_file_and_from_a_database(self):
        path, raw = self.mined(MINED)
        web = self.web("--headers", path, "--http-rate", 0)
        self.endpoints(web, raw)
        self.ends(self.sync("--connect", web.address), DONE)
        self.endpoints(self.web("--db", self.db, "--http-rate", 0), raw)

    def test_refusals_are_those_of_bitcoin_core(self):
        path, raw = self.mined(30)
        web = self.web("--headers", path, "--http-rate", 0)
        hash_ = self.hash_at(raw, 3)
        for count in ("0", "2001", "-5", "5a", "", "99999999999999999999999999999999999"):
            self.refused(web, f"/rest/headers/{hash_}.json?count={count}", 400, RANGE + count)
        self.assertEqual(len(web.json(f"/rest/headers/{hash_}.json?count=2000")), 28)
        self.refused(web, f"/rest/headers/1/2/{hash_}.json", 400,
                     "Invalid URI format. Expected /rest/headers/<hash>.<ext>?count=<count>")
        for bad in ("", "abc", "z" * 64, hash_ + "00", "%2e" * 20):
            self.refused(web, f"/rest/headers/{bad}.json", 400, "Invalid hash: " + bad)
        self.refused(web, f"/rest/headers/{hash_}", 404, FORMATS)
        self.refused(web, f"/rest/headers/{hash_}.xml", 400, f"Invalid hash: {hash_}.xml")
        for height in ("-1", "x", "1.5", "", "4294967296"):
            self.refused(web, f"/rest/blockhashbyheight/{height}.hex", 400,
                         "Invalid height: " + height)
        self.refused(web, "/rest/blockhashbyheight/31.json", 404, "Block height out of range")
        self.refused(web, "/rest/chaininfo.hex", 404, "output format not found (available: json)")
        unknown = "00" * 31 + "01"
        self.assertEqual(web.json(f"/rest/headers/{unknown}.json"), [])
        self.assertEqual(web.get(f"/rest/headers/{unknown}.bin")[2], b"")
        self.assertEqual(web.get(f"/rest/headers/{unknown}.hex")[2], b"\n")
        for target in ("/", "/rest/block/" + hash_ + ".json", "/rest/tx/x.json", "/rest/mempool"):
            self.assertEqual(web.get(target)[0], 404)

    def test_head_is_answered_without_a_body_and_other_methods_are_refused(self):
        path, raw = self.mined(30)
        web = self.web("--headers", path, "--http-rate", 0)
        target = f"/rest/headers/{self.hash_at(raw, 1)}.bin"
        status, headers, body = web.get(target, "-I")
        self.assertEqual((status, headers["content-length"], body), (200, str(5 * HEADER), b""))
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, headers, _ = web.get(target, "-X", method)
            self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"), method)
        self.assertEqual(web.get(target, "-d", "x=1")[0], 413)  # no body is read
        self.assertEqual(web.get(target)[0], 200)

    def test_a_request_of_ambiguous_length_is_refused_and_the_connection_closed(self):
        web = self.web("--mine", 10, "--http-rate", 0)
        two = "Content-Length: 5\r\nContent-Length: 5\r\n"
        for method, fields in (("GET", two), ("POST", two), ("HEAD", "Content-Length: 5\r\n"),
                               ("GET", "Content-Length: 5\r\n"), ("TRACE", "Content-Length: 5\r\n"),
                               ("GET", "Transfer-Encoding: chunked\r\n"),
                               ("POST", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")):
            with socket.create_connection(("127.0.0.1", web.web), HANG) as s:
                s.sendall(f"{method} /rest/chaininfo.json HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
                          "GET /rest/chaininfo.json HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                got = b""
                while more := s.recv(4096):
                    got += more
            self.assertEqual((got[:12], got.count(b"HTTP/1.1")), (b"HTTP/1.1 400", 1),
                             (method, fields, got))
            self.assertIn(b"Connection: close\r\n", got)

    def test_a_peer_that_connects_right_after_a_monitoring_request_is_served(self):
        """The peer's connection gets the descriptor that the HTTP connection had."""
        web = self.web("--mine", 10, "--http-rate", 0)
        fds = f"/proc/{web.process.pid}/fd"
        before = set(os.listdir(fds))
        for args in ((), ("-H", "Connection: close"), ("--http1.0",), ("-H", "Content-Length: 1")):
            web.get("/rest/chaininfo.json", *args)
            while set(os.listdir(fds)) != before:  # until the server has closed it, too
                pass
            with socket.create_connection(("127.0.0.1", web.port), HANG) as s:
                Wire(s).dial_handshake()
            while set(os.listdir(fds)) != before:
                pass

    def test_long_targets_and_headers_are_refused(self):
        web = self.web("--mine", 10, "--http-rate", 0)
        self.assertEqual(web.get("/rest/headers/" + "a" * 3000 + ".json")[0], 414)
        self.assertEqual(web.get("/rest/headers/" + "a" * 20000 + ".json")[0], 400)
        self.assertEqual(web.get("/rest/chaininfo.json", "-H", "X: " + "a" * 9000)[0], 400)
        self.assertEqual(web.get("/rest/chaininfo.json")[0], 200)

    def test_a_connection_takes_many_requests(self):
        web = self.web("--mine", 10, "--http-rate", 0)
        with socket.create_connection(("127.0.0.1", web.web), HANG) as s:
            for _ in range(20):
                s.sendall(b"GET /rest/blockhashbyheight/3.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                got = b""
                while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 32:
                    more = s.recv(1000)
                    self.assertTrue(more)
                    got += more

    def test_a_rate_limited_client_gets_retry_after(self):
        web = self.web("--mine", 10, "--http-rate", 1)  # four at once
        seen = []
        while 429 not in seen:
            status, headers, _ = web.get("/rest/chaininfo.json")
            seen.append(status)
            self.assertLess(len(seen), 200)
        self.assertGreaterEqual(seen.index(429), 4)
        self.assertEqual(headers["retry-after"], "1")
        done = subprocess.run(["curl", "-sS", "--interface", "127.0.0.2", "-o", "/dev/null", "-w",
                               "%{http_code}", web.url("/rest/chaininfo.json")],
                              capture_output=True, timeout=HANG, text=True)
        self.assertEqual(done.stdout, "200", "another address has an account of its own")

    def test_a_request_that_does_not_end_is_cut_off(self):
        web = self.web("--mine", 10, "--http-timeout", 1)
        with socket.create_connection(("127.0.0.1", web.web), HANG) as mute, \
                socket.create_connection(("127.0.0.1", web.web), HANG) as drip:
            stop = threading.Event()

            def send_bytes():  # something moves all the time
                try:
                    drip.sendall(b"GET /rest/chaininfo.json HTTP/1.1\r\nX: ")
                    while not stop.wait(0.1):
                        drip.sendall(b"a")
                except OSError:
                    pass

            dripping = threading.Thread(target=send_bytes, daemon=True)
            dripping.start()
            for s in (mute, drip):
                s.settimeout(HANG)
                try:
                    self.assertEqual(s.recv(100), b"")
                except ConnectionResetError:
                    pass
            stop.set()
            dripping.join(HANG)
        self.assertEqual(web.get("/rest/chaininfo.json")[0], 200)

    def test_many_idle_connections_keep_no_client_out(self):
        web = self.web("--mine", 10, "--http-clients", 8, "--http-rate", 0)
        idle = [socket.create_connection(("127.0.0.1", web.web), HANG) for _ in range(60)]
        try:
            for _ in range(10):
                self.assertEqual(web.get("/rest/chaininfo.json")[0], 200)
            idle[0].settimeout(HANG)
            self.assertEqual(idle[0].recv(10), b"")  # the longest waiting was closed
        finally:
            for s in idle:
                s.close()
        web.signal(signal.SIGTERM)
        self.assertEqual(web.end(), DONE)
        stopped = json.loads(web.lines[-1])
        self.assertGreaterEqual(stopped["http_dropped"], 52)
        self.assertEqual(stopped["http_requests"], 10)

    def test_a_client_that_does_not_read_delays_no_other(self):
        web = self.web("--mine", 2100, "--http-rate", 0)
        genesis = display(sha256d(REGTEST_GENESIS))
        ask = f"GET /rest/headers/{genesis}.json?count=2000 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        deaf = [socket.create_connection(("127.0.0.1", web.web), HANG) for _ in range(5)]
        for s in deaf:
            s.sendall(ask * 20)
        self.assertEqual(len(web.json(f"/rest/headers/{genesis}.json?count=2000")), 2000)
        for s in deaf:
            s.close()
        self.assertEqual(web.get("/rest/chaininfo.json")[0], 200)

    def test_answers_follow_a_database_that_grows_and_reorganises(self):
        """Another process syncs: first on, then over to a longer branch. Meanwhile every answer is
        of one chain, and a client of the P2P side hears of each new tip."""
        base, raw = self.mined(600, "base.raw")
        longer, more = self.mined(50, "longer.raw", base=base)
        _, other = self.mined(120, "other.raw", base=base, seed=9)
        self.ends(self.sync("--connect", server_of(self, base)), DONE)
        web = self.web("--db", self.db, "--http-rate", 0)
        hash_600 = self.hash_at(raw, 600)
        answers, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                answers.append(web.json(f"/rest/headers/{self.hash_at(raw, 590)}.json?count=2000"))

        with socket.create_connection(("127.0.0.1", web.port), HANG) as sock:
            wire = Wire(sock)
            wire.dial_handshake()
            wire.send(b"sendheaders")
            wire.send(b"getheaders", struct.pack("<IB", 70016, 1) +
                      bytes.fromhex(hash_600)[::-1] + bytes(32))
            self.assertEqual(wire.wait(b"headers"), b"\0")
            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            self.ends(self.sync("--connect", server_of(self, longer)), DONE)
            self.hears_of(wire, more)
            self.assertEqual(web.json("/rest/chaininfo.json")["bestblockhash"],
                             self.hash_at(more, 650))
            self.ends(self.sync("--connect", server_of(self, self.path("other.raw"))), DONE)
            self.hears_of(wire, other)
            stop.set()
            asking.join(HANG)
        self.endpoints(web, other)
        for answer in answers:
            self.assertIn(answer[-1]["hash"],
                          [self.hash_at(c, h) for c in (more, other) for h in range(600, 721)
                           if (h + 1) * HEADER <= len(c)])
            chain = other if answer[-1]["hash"] == self.hash_at(other, answer[-1]["height"]) else more
            whole = chain[:(answer[-1]["height"] + 1) * HEADER]
            self.assertEqual(answer, [described(whole, h) for h in range(590, len(whole) // HEADER)])

    def hears_of(self, wire, raw):
        """The server announces the new tip: by hash, or by a header."""
        want = sha256d(raw[-HEADER:])
        while True:
            command, payload = wire.receive()
            if command == b"ping":
                wire.send(b"pong", payload)
            if command == b"inv" and payload[-32:] == want:
                return
            if command == b"headers" and payload and sha256d(payload[-81:-1]) == want:
                return

    def test_a_database_without_its_index_is_followed_from_memory(self):
        path, raw = self.mined(4500)
        source = self.server("--headers", path)
        proxy = self.proxy(source.port, limit=200 * 1000)  # one batch and a bit
        first = self.program("spv-sync", "--network", "regtest", "--connect", proxy.address, "--db",
                             self.db, "--json")
        self.assertTrue(proxy.reached.wait(HANG))
        first.event("progress")
        first.signal(signal.SIGTERM)
        first.end()
        web = self.web("--db", self.db, "--http-rate", 0)
        stored = len(database_headers(self.db)) // HEADER
        self.assertLess(stored, 4501)
        self.endpoints(web, raw[:stored * HEADER])
        self.ends(self.sync("--connect", source.address), DONE)
        while web.event("tip")["height"] < 4500:
            pass
        self.endpoints(web, raw)

    def test_invalid_options_and_a_port_in_use(self):
        web = self.web("--mine", 10)
        for args, code in ((("--http", "a:b:c"), USAGE), (("--http-rate", "-1"), USAGE),
                           (("--http-timeout", "0"), USAGE), (("--http-clients", "0"), USAGE),
                           (("--http", f"127.0.0.1:{web.web}"), FAILED)):
            done = run("spv-serve", "--network", "regtest", "--mine", 1, "--listen", "127.0.0.1:0",
                       *args)
            self.ends(done, code)
            self.assertIn("--http" if code == USAGE else str(web.web), done.stderr)


def server_of(test, path):
    return test.server("--headers", path).address


if __name__ == "__main__":
    unittest.main()
