"""Downloads against a real HTTP server that is slow, cuts connections, lies and refuses."""

import gzip
import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.data.download_server import CONTENT, HALF, Server
from tinyvision.data import download
from tinyvision.data.download import cache_dir, fetch
from tinyvision.errors import DownloadError

SHA256 = hashlib.sha256(CONTENT).hexdigest()
REPOSITORY = Path(__file__).parents[2]


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
