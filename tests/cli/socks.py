"""A SOCKS5 proxy for tests: records the requested destinations, and connects known ones to a
port of loopback. Names are looked up nowhere."""

import socket
import struct
import threading

from support import HANG, Proxy


class Socks(Proxy):
    def __init__(self, places=(), default=None, auth=True):
        """places: {(host, port): port of loopback}; others are refused, or lead to default."""
        self.places = dict(places)
        self.default = default
        self.auth = auth
        self.asked = []  # (address type, host, port) of each request
        self.credentials = []
        self.lock = threading.Lock()
        self.more = threading.Condition(self.lock)
        super().__init__(None)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _read(self, sock, n):
        data = b""
        while len(data) < n:
            more = sock.recv(n - len(data))
            if not more:
                raise OSError("ended")
            data += more
        return data

    def _serve(self, client):
        try:
            client.settimeout(HANG)
            version, count = self._read(client, 2)
            methods = self._read(client, count)
            method = 2 if self.auth else 0
            if version != 5 or method not in methods:
                client.sendall(b"\x05\xff")
                return self._end(client)
            client.sendall(bytes([5, method]))
            credentials = None
            if method == 2:
                self._read(client, 1)
                user = self._read(client, self._read(client, 1)[0])
                credentials = user, self._read(client, self._read(client, 1)[0])
                client.sendall(b"\x01\x00")
            _, command, _, kind = self._read(client, 4)
            if kind == 1:
                host = socket.inet_ntop(socket.AF_INET, self._read(client, 4))
            elif kind == 4:
                host = socket.inet_ntop(socket.AF_INET6, self._read(client, 16))
            else:
                host = self._read(client, self._read(client, 1)[0]).decode("ascii")
            port = struct.unpack(">H", self._read(client, 2))[0]
            with self.more:
                self.asked.append((kind, host, port))
                self.credentials.append(credentials)
                self.more.notify_all()
            inner = self.places.get((host, port), self.default)
            if command != 1 or inner is None:
                client.sendall(b"\x05\x05\x00\x01" + bytes(6))  # refused
                return self._end(client)
            server = socket.create_connection(("127.0.0.1", inner))
            self._sockets.append(server)
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()
            self._pump(client, server, None)
        except OSError:
            self._end(client)
        return None

    def wait_for(self, wanted):
        """Waits until wanted(list of requests) is true."""
        with self.more:
            assert self.more.wait_for(lambda: wanted(self.asked), HANG), self.asked
