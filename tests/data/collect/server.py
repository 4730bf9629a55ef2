"""A web of small pictures on real servers, where much goes wrong on purpose."""

import gzip
import http.server
import threading
import time
import zlib
from collections import Counter
from io import BytesIO

import numpy as np
from PIL import Image


def picture(
    seed: int,
    format: str = "JPEG",
    size: tuple[int, int] = (48, 40),
    clouds: int = 6,
    **options: object,
) -> bytes:
    """Draw coloured clouds, which differ from seed to seed as photos do."""
    coarse = np.random.default_rng(seed).integers(0, 256, (clouds, clouds, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    content = BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def claims_to_be_huge() -> bytes:
    """Make a whole PNG of a few bytes that says it has 30,000 x 30,000 pixels."""
    content = bytearray(picture(0, "PNG"))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the first word of the path; every request is written down."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self):
        if self.path.startswith("http://"):  # asked as a proxy, which has every page of the web
            self.server.proxied.append(self.path)
            self.path = "/" + self.path.split("/", 3)[3]
        self.server.note(self.path)
        self.count = self.server.counts[self.path]
        word, _, rest = self.path.lstrip("/").partition("/")
        self.rest = rest
        getattr(self, word.partition(".")[0].replace("-", "_"))()

    def reply(self, status, body=b"", *, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if length is not None:
            self.close_connection = True

    def seed(self):
        name = self.rest.partition(".")[0]
        return int(name) if name.isdecimal() else zlib.crc32(name.encode())

    def good(self):
        self.reply(200, picture(self.seed()))

    def png(self):
        self.reply(200, picture(self.seed(), "PNG"))

    def tiny(self):
        self.reply(200, picture(self.seed(), "PNG", (12, 12)))

    def large(self):
        self.reply(200, picture(self.seed(), "PNG", (400, 300)))

    def gated(self):
        """A picture that comes when the test opens the gate."""
        self.server.gate.wait(timeout=30)
        self.good()

    def paced(self):
        """A picture that takes 10 ms."""
        time.sleep(0.01)
        self.good()

    def cut(self):
        body = picture(1)
        self.reply(200, body[:300], length=len(body))

    def cut_once(self):
        body = picture(self.seed())
        self.reply(200, body[: 300 if self.count == 1 else None], length=len(body))

    def reset(self):
        """Hang up without a word."""
        self.close_connection = True

    def longer(self):
        """Promise more than there is."""
        body = picture(1)
        self.reply(200, body, length=len(body) + 100)

    def shorter(self):
        """Promise less than is sent."""
        body = picture(1)
        self.reply(200, body, length=len(body) // 2)

    def nonsense_length(self):
        self.reply(200, picture(self.seed()), length="many")

    def page(self):
        self.reply(200, b"<html>Please log in to this network</html>", Content_Type="image/jpeg")

    def empty(self):
        self.reply(200)

    def missing(self):
        self.reply(404)

    def gone(self):
        self.reply(410)

    def busy_once(self):
        self.reply(429, Retry_After="1") if self.count == 1 else self.good()

    def busy_long(self):
        self.reply(429, Retry_After="3600")

    def broken_twice(self):
        self.reply(500) if self.count <= 2 else self.good()

    def broken(self):
        self.reply(503)

    def repaired(self):
        """Broken until the test opens the gate."""
        self.good() if self.server.gate.is_set() else self.reply(500)

    def moved(self):
        self.reply(302, Location=f"/good/{self.rest}")

    def to(self):
        self.reply(302, Location=self.server.elsewhere)

    def moved_endless(self):
        """Move, and never stop talking about it."""
        self.send_response(302)
        self.send_header("Location", f"/good/{self.rest}")
        self.send_header("Connection", "close")
        self.end_headers()
        while True:
            self.wfile.write(bytes(100_000))

    def circle(self):
        self.reply(302, Location=self.path)

    def nowhere(self):
        self.reply(302)

    def bomb(self):
        """Ten thousand bytes that unpack to ten million."""
        self.reply(200, gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")

    def packed(self):
        self.reply(200, gzip.compress(picture(self.seed())), Content_Encoding="gzip")

    def brotli(self):
        self.reply(200, picture(1), Content_Encoding="br")

    def damaged_packing(self):
        self.reply(200, b"\x1f\x8b" + bytes(50), Content_Encoding="gzip")

    def endless(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while True:  # until the other side hangs up
            self.wfile.write(bytes(100_000))

    def drip(self):
        """A byte at a time: each comes soon, the whole never."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.server.gate.wait(0.02):
            self.wfile.write(b"x")

    def drip_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.server.gate.wait(0.02):
            self.wfile.write(b"x")

    def silent(self):
        self.server.gate.wait(timeout=30)

    def huge(self):
        self.reply(200, claims_to_be_huge())

    def cookie(self):
        """Gives a cookie, and writes down which it gets back."""
        self.server.cookies.append(self.headers.get("Cookie"))
        self.reply(200, picture(self.seed()), Set_Cookie="who=you; Path=/")

    def log_message(self, *args):
        """Keep the test's output clean."""


class Server(http.server.ThreadingHTTPServer):
    """Runs in a thread of its own while it is entered."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, address="127.0.0.1"):
        super().__init__((address, 0), Handler)
        self.requests: list[str] = []
        self.times: list[float] = []
        self.counts: Counter[str] = Counter()
        self.cookies: list[str | None] = []
        self.proxied: list[str] = []
        self.gate = threading.Event()
        self.elsewhere = ""
        self._note = threading.Lock()

    def note(self, path):
        with self._note:
            self.requests.append(path)
            self.times.append(time.monotonic())
            self.counts[path] += 1

    def url(self, path):
        return "http://{}:{}/{}".format(*self.server_address[:2], path)

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.gate.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
