"""Killed, interrupted, out of room, or two at once: what is believed afterwards is whole."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import paint
from tinyvision.data import clear_decoded, load

ROOT = Path(__file__).parents[3]
SIZE = (16, 12)

CHILD = """
import hashlib, os, resource, signal, sys, time
from tinyvision.data import load
source, event, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = 0
def count(name, *arguments):
    global seen
    if name == event:
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
if event == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
calls = []
def progress(done, total):
    calls.append(done)
    count("decoded")
    if event == "slow":
        time.sleep(number / 1000)
    if event == "interrupt" and done == number:
        os.kill(os.getpid(), signal.SIGINT)
try:
    images = load(source, size=(16, 12), cache=True, val=0, test=0, progress=progress).train.images
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(len(calls), hashlib.sha256(images[:].tobytes()).hexdigest())
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(40):
        paint(tmp_path / "photos" / "ab"[seed % 2] / f"{seed}.png", seed)
    return tmp_path / "photos"


def start(photos: Path, event: str = "", number: int = 0) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(photos), event, str(number)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "TINYVISION_CACHE": str(photos.parent / "cache")},
    )


def truth(photos: Path) -> str:
    images = load(photos, size=SIZE, val=0.0, test=0.0).train.images
    return hashlib.sha256(np.asarray(images).tobytes()).hexdigest()


def suffixes(photos: Path) -> list[str]:
    return sorted(path.suffix for path in (photos.parent / "cache" / "decoded").iterdir())


def assert_decoded_anew(photos: Path) -> None:
    for decoded in (40, 0):
        out, err = start(photos).communicate()
        assert (out, err) == (f"{decoded} {truth(photos)}\n", "")
    assert suffixes(photos) == [".json", ".lock", ".npy"]


@pytest.mark.parametrize(
    ("event", "number"),
    [("decoded", 1), ("decoded", 25), ("decoded", 40), ("os.rename", 1), ("os.rename", 2)],
    ids=["at the first", "in the middle", "at the last", "before its name", "before its header"],
)
def test_killed(photos: Path, event: str, number: int) -> None:
    child = start(photos, event, number)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert ".json" not in suffixes(photos)
    assert_decoded_anew(photos)


def test_what_a_killed_process_has_left_is_cleared(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYVISION_CACHE", str(photos.parent / "cache"))
    for event, number in (("decoded", 30), ("os.rename", 2)):
        start(photos, event, number).communicate()
        assert len(suffixes(photos)) >= 2
        assert clear_decoded() > 0
        assert suffixes(photos) == []


def test_interrupted(photos: Path) -> None:
    child = start(photos, "interrupt", 25)
    assert "KeyboardInterrupt" in child.communicate()[1]
    assert suffixes(photos) == [".lock"]
    assert_decoded_anew(photos)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
@pytest.mark.parametrize("limit", [100, 5000, 40 * 16 * 12 * 3])
def test_a_disk_that_fills_up(photos: Path, limit: int) -> None:
    child = start(photos, "full", limit)
    out, err = child.communicate()
    assert child.returncode == 1 and out == ""
    assert err.startswith("DataError: Decoded images cannot be kept in ") and err.count("\n") == 1
    assert "File too large" in err and "make room" in err
    assert suffixes(photos) == [".lock"]
    assert_decoded_anew(photos)


def test_several_at_once(photos: Path) -> None:
    children = [start(photos, "slow", 50) for _ in range(4)]  # two seconds in which all begin
    answers = [child.communicate()[0].split() for child in children]
    assert {digest for _, digest in answers} == {truth(photos)}
    assert sorted(int(decoded) for decoded, _ in answers) == [0, 0, 0, 40]
