"""Downloads against a real HTTP server that is slow, cuts connections, lies and refuses."""

import gzip
import hashlib
import http.server
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tinyvision.data import download
from tinyvision.data.download import cache_dir, fetch
from tinyvision.errors import DownloadError

CONTENT = np.random.default_rng(1).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = 150_000
REPOSITORY = Path(__file__).parents[2]


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


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(download, "PAUSE", 0.001)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "folder" / "file.bin"


def left_over(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_arrives_with_progress(server, target):
    calls = []
    path = fetch([server.url("good")], SHA256, target, lambda *call: calls.append(call))
    assert path == target
    assert target.read_bytes() == CONTENT
    assert left_over(target) == ["file.bin"]
    done = [call[0] for call in calls]
    assert done == sorted(set(done))
    assert done[-1] == len(CONTENT)
    assert {call[1] for call in calls} == {len(CONTENT)}


def test_a_file_that_is_there_is_not_asked_for(server, target):
    fetch([server.url("good")], SHA256, target)
    fetch([server.url("good")], SHA256, target)
    assert len(server.requests) == 1


def test_an_uppercase_checksum_is_one_too(server, target):
    assert fetch([server.url("good")], SHA256.upper(), target).read_bytes() == CONTENT


# Which way each mirror behaves, and what is asked of it: None is a request without Range.
ROUGH_ROADS = {
    "no-range": [None],
    "moved": [None],
    "broken-twice": [None, None, None],
    "cut-no-range-once": [None, "bytes=*"],
    "chunked-cut-once": [None, "bytes=*"],
    "cut-often": [None, *["bytes=*"] * 6],
}


@pytest.mark.parametrize("road", ROUGH_ROADS)
def test_a_rough_road_leads_there_too(server, target, road):
    assert fetch([server.url(road)], SHA256, target).read_bytes() == CONTENT
    asked = [r and "bytes=*" for path, r in server.requests if path == f"/{road}"]
    if road == "cut-often":  # more attempts than ATTEMPTS, since each brings something
        assert len(asked) > download.ATTEMPTS
        assert set(asked[1:]) == {"bytes=*"}
    else:
        assert asked == ROUGH_ROADS[road]
    assert left_over(target) == ["file.bin"]


@pytest.mark.parametrize("path", ["good", "no-range"])
def test_a_part_is_continued_where_it_stopped(server, target, path):
    target.parent.mkdir(parents=True)
    part = target.with_name("file.bin.part")
    part.write_bytes(CONTENT[:1234])
    calls = []
    fetch([server.url(path)], SHA256, target, lambda *call: calls.append(call))
    assert target.read_bytes() == CONTENT
    assert server.requests == [(f"/{path}", "bytes=1234-")]
    assert {call[1] for call in calls} == {len(CONTENT)}


def test_a_whole_part_is_taken_as_it_is(server, target):
    """Killed between the last byte and the renaming: the server has nothing to add and says 416."""
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(CONTENT)
    assert fetch([server.url("good")], SHA256, target).read_bytes() == CONTENT
    assert server.requests == [("/good", f"bytes={len(CONTENT)}-")]


@pytest.mark.parametrize(
    "rubbish", [bytes(1000), CONTENT + b"too long", bytes(len(CONTENT))], ids=len
)
def test_a_rotten_part_is_thrown_away(server, target, rubbish):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(rubbish)
    assert fetch([server.url("good")], SHA256, target).read_bytes() == CONTENT
    assert server.requests == [("/good", f"bytes={len(rubbish)}-"), ("/good", None)]


@pytest.mark.parametrize("path", ["wrong-place", "wrong-part"])
def test_a_server_that_lies_about_a_part_is_asked_for_the_whole(server, target, path):
    target.parent.mkdir(parents=True)
    target.with_name("file.bin.part").write_bytes(CONTENT[:HALF])
    calls = []
    fetch([server.url(path)], SHA256, target, lambda *call: calls.append(call))
    assert target.read_bytes() == CONTENT
    assert server.requests == [(f"/{path}", f"bytes={HALF}-"), (f"/{path}", None)]
    assert max(calls) == (len(CONTENT), len(CONTENT))  # the other part was not appended


REFUSALS = {
    "missing": ("answered 404 Not Found", 1),
    "broken": ("answered 500 Internal Server Error", download.ATTEMPTS),
    "cut-always": ("broke off", download.ATTEMPTS),
    "other": (r"delivered another file \(42 bytes, SHA-256 [0-9a-f]{64}, expected ", 1),
    "in-circles": (r"cannot be asked \(Exceeded 30 redirects\.?\)", 31),
}


@pytest.mark.parametrize("path", REFUSALS)
def test_the_next_mirror_helps_out(server, target, path):
    urls = [server.url(path), server.url("good")]
    assert fetch(urls, SHA256, target).read_bytes() == CONTENT
    assert server.counts[f"/{path}"] == REFUSALS[path][1]
    assert left_over(target) == ["file.bin"]


def test_the_error_lists_what_each_mirror_said(server, target):
    with pytest.raises(DownloadError, match=r"^file.bin could not be downloaded: ") as caught:
        fetch([server.url(path) for path in REFUSALS], SHA256, target)
    for path, (answer, _) in REFUSALS.items():
        caught.match(f"{server.url(path)} {answer}")
    caught.match(f"put the file into {target.parent} yourself")
    assert "Traceback" not in str(caught.value)
    assert not target.exists()


def test_a_server_that_is_not_there_or_silent(server, target, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (0.05, 0.05))
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    with Server() as gone:
        url = gone.url("good")  # its port is closed again below
    with pytest.raises(DownloadError, match=r"cannot be reached; .*silent does not answer"):
        fetch([url, server.url("silent")], SHA256, target)


def test_a_server_that_falls_silent_midway_is_left_for_the_next(server, target, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (5, 0.1))
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    fetch([server.url("slow"), server.url("good")], SHA256, target)
    assert target.read_bytes() == CONTENT
    first, *_, last = server.requests
    assert first == ("/slow", None)
    assert last[0] == "/good"
    assert last[1] is not None, "what the slow mirror sent was thrown away"


def test_no_mirrors_and_an_impossible_address(target):
    with pytest.raises(DownloadError, match="there are no mirrors"):
        fetch([], SHA256, target)
    with pytest.raises(DownloadError, match="nonsense cannot be asked"):
        fetch(["nonsense"], SHA256, target)


@pytest.mark.parametrize("path", ["packed", "encoded", "no-range"])
def test_the_checksum_of_the_content_accepts_any_wrapping(server, target, path):
    fetch([server.url(path)], SHA256, target, unpacked=True)
    stored = target.read_bytes()
    assert (stored if path == "no-range" else gzip.decompress(stored)) == CONTENT


def test_a_damaged_gzip_file_is_another_file(server, target):
    urls = [server.url("packed-wrongly")]
    with pytest.raises(DownloadError, match="SHA-256 of a damaged gzip file"):
        fetch(urls, SHA256, target, unpacked=True)


def test_a_place_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"file/a.bin cannot be stored: .*TINYVISION_CACHE"):
        fetch([server.url("good")], SHA256, tmp_path / "file" / "a.bin")


def test_a_full_disk_is_no_fault_of_the_mirrors(server, tmp_path):
    full = Path("/dev/full")  # a device that answers every write with "no space left"
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    target = tmp_path / "file.bin"
    target.with_name("file.bin.part").symlink_to(full)
    with pytest.raises(DownloadError, match="cannot be stored: No space left on device"):
        fetch([server.url("good"), server.url("no-range")], SHA256, target)
    assert server.requests == [("/good", None)]


CHILD = """
import sys
from pathlib import Path
from tinyvision.data.download import fetch
url, sha256, target = sys.argv[1:]
fetch([url], sha256, Path(target), lambda done, total: print(done, total, flush=True))
"""


def test_killed_and_resumed(server, target):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, server.url("slow"), SHA256, str(target)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={"PYTHONPATH": ":".join(sys.path), "NO_PROXY": "*"},
    )
    with child:
        done = 0
        while done < 100_000:  # progress is told after the bytes have been handed to the file
            done = int(child.stdout.readline().split()[0])
        child.kill()
    assert child.returncode == -9
    server.gate.set()
    assert not target.exists()
    kept = target.with_name("file.bin.part").stat().st_size
    assert 0 < kept <= HALF
    assert target.with_name("file.bin.part").read_bytes() == CONTENT[:kept]

    fetch([server.url("good")], SHA256, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [("/slow", None), ("/good", f"bytes={kept}-")]
    assert left_over(target) == ["file.bin"]  # the dead process holds no lock


def test_two_at_once_download_once(server, target):
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(fetch([server.url("slow")], SHA256, target).read_bytes())
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    server.gate.set()
    for thread in threads:
        thread.join()
    assert results == [CONTENT, CONTENT]
    assert server.counts["/slow"] == 1


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("TINYVISION_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for platform, expected in (
        ("linux", ".cache/tinyvision"),
        ("darwin", "Library/Caches/tinyvision"),
        ("win32", "AppData/Local/tinyvision/Cache"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_dir() == tmp_path / expected
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "tinyvision"


def test_importing_the_data_package_does_not_import_requests():
    code = "import sys, tinyvision.data.download; assert 'requests' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=REPOSITORY,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
