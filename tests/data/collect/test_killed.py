"""Collecting that is killed, interrupted or out of space loses nothing."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.collect.collection import files, get, lines
from tests.data.collect.server import picture
from tinyvision.data import collect
from tinyvision.errors import DownloadError

REPOSITORY = Path(__file__).parents[3]


def start(folder, listing, *options):
    command = [sys.executable, "-m", "tinyvision", "collect", listing, folder, "--allow-private"]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "kernels")])
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": path, "NO_PROXY": "*"},
    )


def recorded(folder):
    try:
        content = (folder / "manifest.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line)["url"] for line in content.split(b"\n")[:-1]]


def wait_for(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come to that within ten seconds")


def test_killed_again_and_again_it_loses_nothing(server, folder, tmp_path):
    urls = [server.url(f"paced/{i}") for i in range(60)]
    listing = tmp_path / "urls.txt"
    listing.write_text("".join(f"{url} c{i % 3}\n" for i, url in enumerate(urls)))
    dice = random.Random(0)
    for _ in range(2):
        done = recorded(folder)
        asked = len(server.requests)
        child = start(folder, listing, "--workers", "2")
        more = len(done) + dice.randrange(5, 15)
        wait_for(lambda more=more: len(recorded(folder)) >= more)
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        assert not {server.url(path[1:]) for path in server.requests[asked:]} & set(done)
        # whatever has a line is whole and in its place
        for line in (folder / "manifest.jsonl").read_bytes().split(b"\n")[:-1]:
            record = json.loads(line)
            content = (folder / record["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == record["sha256"]
    with (folder / "manifest.jsonl").open("ab") as manifest:
        manifest.write(b'{"url": "http://torn')  # as if killed in the middle of a line
    (folder / ".collecting" / "left").write_bytes(b"half an image")

    done, asked = set(recorded(folder)), len(server.requests)
    child = start(folder, listing)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, out + err
    assert "60 images stored" in out
    assert {server.url(path[1:]) for path in server.requests[asked:]} == set(urls) - done
    assert sorted(recorded(folder)) == sorted(urls)  # a line each, and none torn
    assert len(files(folder)) == 60
    assert {(folder / name).read_bytes() for name in files(folder)} == {
        picture(i) for i in range(60)
    }


def test_ctrl_c_leaves_a_clean_folder_and_does_not_wait(server, folder, tmp_path):
    listing = tmp_path / "urls.txt"
    paths = ["good/1", "good/2", *(f"silent/{i}" for i in range(6))]
    listing.write_text("".join(server.url(path) + "\n" for path in paths))
    child = start(folder, listing)
    wait_for(lambda: len(recorded(folder)) == 2 and len(server.requests) == 8)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=15)  # half of what the servers are given to answer
    assert child.returncode == 130
    assert err.strip() == "tinyvision: stopped; the same command goes on from here"
    assert len(recorded(folder)) == len(files(folder)) == 2


def test_an_interrupt_in_the_progress_ends_the_workers(server, folder):
    def interrupted(record, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, folder, "good/1", *(f"gated/{i}" for i in range(20, 30)), progress=interrupted)
    asked = len(server.requests)
    server.gate.set()
    assert len(files(folder)) == len(recorded(folder)) == 1
    assert get(server, folder, "good/1", *(f"gated/{i}" for i in range(20, 30))).complete
    assert "/good/1" not in server.requests[asked:]


@pytest.mark.parametrize("limit", [300, 1500])  # bytes: no image fits, or no third line
def test_a_full_disk_stops_the_run_and_the_next_goes_on(server, folder, limit):
    resource = pytest.importorskip("resource")
    paths = [f"{'png' if limit == 300 else 'tiny'}/{i}" for i in range(6)]
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    small = [(server.url(path), "t") for path in paths]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))  # Python ignores SIGXFSZ
        with pytest.raises(DownloadError, match=r"cannot be written to \(File too large\).* on"):
            collect(small, folder, allow_private=True, workers=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    done = recorded(folder)  # every line is whole
    assert (len(done) == 0) if limit == 300 else (0 < len(done) < 6)
    assert all((folder / line["path"]).is_file() for line in lines(folder))
    asked = len(server.requests)
    assert collect(small, folder, allow_private=True).complete
    assert len(files(folder)) == 6
    assert sorted(recorded(folder)) == sorted(url for url, _ in small)
    assert not {server.url(path[1:]) for path in server.requests[asked:]} & set(done)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "things").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot be written to"):
        get(server, tmp_path, "good/1")
