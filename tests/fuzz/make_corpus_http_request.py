#!/usr/bin/env python3
"""Writes the seeds of fuzz_http_request: heads of HTTP requests, good and bad.

Run in tests/fuzz/; the files are committed, so that no build needs this."""
import pathlib

here = pathlib.Path(__file__).resolve().parent
GET = b"GET /rest/chaininfo.json HTTP/1.1\r\nHost: a\r\n"
seeds = {
    "get": GET + b"\r\n",
    "get-bare-lf": b"GET / HTTP/1.1\nHost: a\n\n",
    "get-1-0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "get-absolute": b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "get-two": GET + b"\r\n" + GET + b"\r\n",
    "get-close": GET + b"Connection: x , close\r\n\r\n",
    "get-empty-lines": b"\r\n\n" + GET + b"\r\n",
    "head": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "post-body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "trace-body": b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "lengths": GET + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "chunked": GET + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    "folded": GET + b"X: a\r\n b\r\n\r\n",
    "space-colon": GET + b"X : a\r\n\r\n",
    "nul": GET + b"X: \x00\r\n\r\n",
    "cr": GET + b"X: a\rb\r\n\r\n",
    "version": b"GET / HTTP/2.0\r\n\r\n",
    "no-version": b"GET /\r\n\r\n",
    "incomplete": GET,
    "long": GET + b"X: " + b"a" * 8200 + b"\r\n\r\n",
    "empty": b"",
}
out = here / "corpus/http_request"
out.mkdir(parents=True, exist_ok=True)
for name, data in seeds.items():
    (out / name).write_bytes(data)
