"""Asks one request after the other, and how long each took."""
import re
import socket
import time


class Client:
    """One connection, one request after the other."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port))
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""

    def ask(self, path, secret):
        """Seconds until the whole answer was there, which must be 200."""
        head = b"GET %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % (path.encode(), secret.encode())
        status, body, took = self.exchange(head)
        if status != 200:
            raise SystemExit("%d for %s: %s" % (status, path, body[:200].decode()))
        return took

    def exchange(self, request):
        """The status and the body of the answer, and how long they took."""
        begun = time.perf_counter()
        self.stream.sendall(request)
        text = b""
        while b"\r\n\r\n" not in text:
            text += self.piece()
        top, body = text.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", top)[1])
        while len(body) < length:
            body += self.piece()
        return int(top.split(b" ", 2)[1]), body, time.perf_counter() - begun

    def piece(self):
        got = self.stream.recv(65536)
        if not got:
            raise SystemExit("the server hung up")
        return got


def spread(times):
    times = sorted(times)
    return {"p50_us": times[len(times) // 2] * 1e6, "p99_us": times[len(times) * 99 // 100] * 1e6}
