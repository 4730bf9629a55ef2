"""A real HTTP server that is slow, cuts connections, lies and refuses."""

import gzip
import http.server
import threading
from collections import Counter

import numpy as np

CONTENT = np.random.default_rng(1).bytes(300_000)
HALF = 150_000


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path asked for; every request is written down as (path, Range)."""

    server: "Server"

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        self.count = self.server.counts[self.path] = self.server.counts[self.path] + 1
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        getattr(self, self.path.strip("/").replace("-", "_"))(start)

    def reply(self, status, body=b"", *, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def part(self, start, end=None, length=None):
        """Answer properly from ``start``, but stop at ``end``."""
        total = len(CONTENT)
        length = total - start if length is None else length
        if start >= total:
            return self.reply(416, Content_Range=f"bytes */{total}")
        if start == 0:
            return self.reply(200, CONTENT[:end], length=length)
        content_range = f"bytes {start}-{total - 1}/{total}"
        return self.reply(206, CONTENT[start:end], length=length, Content_Range=content_range)

    def good(self, start):
        self.part(start)

    def no_range(self, start):
        self.reply(200, CONTENT)

    def cut_often(self, start):
        """50,000 bytes a connection, then the line goes dead."""
        self.part(start, start + 50_000)

    def cut_always(self, start):
        """Knows no Range and never gets beyond half."""
        self.reply(200, CONTENT[:HALF], length=len(CONTENT))

    def cut_no_range_once(self, start):
        self.reply(200, CONTENT[: HALF if self.count == 1 else None], length=len(CONTENT))

    def chunked_cut_once(self, start):
        self.send_response(206 if start else 200)
        self.send_header("Transfer-Encoding", "chunked")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        stop = HALF if self.count == 1 else len(CONTENT)
        for i in range(start, stop, 10_000):
            piece = CONTENT[i : min(i + 10_000, stop)]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if self.count > 1:
            self.wfile.write(b"0\r\n\r\n")

    def slow(self, start):
        """Half of the file at once, the rest when the test opens the gate."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:HALF])
        self.wfile.flush()
        self.server.gate.wait(timeout=30)
        self.wfile.write(CONTENT[HALF:])

    def silent(self, start):
        self.server.gate.wait(timeout=30)

    def other(self, start):
        self.reply(200, b"<html>Please log in to this network</html>")

    def missing(self, start):
        self.reply(404)

    def broken(self, start):
        self.reply(500)

    def broken_twice(self, start):
        self.reply(503) if self.count <= 2 else self.part(start)

    def wrong_place(self, start):
        """Asked for a part, sends another part, and says so."""
        if start == 0:
            self.part(0)
        else:
            content_range = f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.reply(206, CONTENT, Content_Range=content_range)

    def wrong_part(self, start):
        """Asked for a part, sends garbage of the right length."""
        if start == 0:
            self.part(0)
        else:
            content_range = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.reply(206, bytes(len(CONTENT) - start), Content_Range=content_range)

    def encoded(self, start):
        """A stored .gz file, called a compressed transfer, as some object stores do."""
        self.reply(200, gzip.compress(CONTENT), Content_Encoding="gzip")

    def packed(self, start):
        self.reply(200, gzip.compress(CONTENT, compresslevel=1))

    def packed_wrongly(self, start):
        self.reply(200, gzip.compress(CONTENT)[:-20])

    def moved(self, start):
        self.reply(302, Location="/good")

    def in_circles(self, start):
        self.reply(302, Location="/in-circles")

    def log_message(self, *args):
        """Keep the test's output clean."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.counts: Counter[str] = Counter()
        self.gate = threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""
