"""Streams: every sample once, shuffled by seed and epoch, resumed and divided anywhere."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinyvision.data import Dataset, Shards, load, pack
from tinyvision.errors import DataError

N = 83


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """83 images in shards of about nine; image i is gray of the value i, of class i % 3."""
    images = np.arange(N, dtype=np.uint8).reshape(N, 1, 1, 1)
    target = tmp_path_factory.mktemp("shards") / "numbers"
    data = Dataset(images, np.arange(N) % 3, ("a", "b", "c"), "numbers")
    assert len(pack(data, target, shuffle=False, shard_bytes=20_000)["all"].shards) > 5
    return target


def numbers(samples):
    """Which images these are."""
    return [int(np.asarray(Image.open(io.BytesIO(s.content)))[0, 0]) for s in samples]


def test_in_order(folder):
    samples = list(Shards(folder).epoch(5))
    assert numbers(samples) == list(range(N))
    assert [sample.labels for sample in samples] == [(i % 3,) for i in range(N)]
    assert samples[1].name == f"{folder}/sample-000000.tar: 000000001.png"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    window=st.integers(1, 100), seed=st.integers(0, 99), e=st.integers(0, 9),
    start=st.integers(0, N + 1), n=st.integers(1, 5),
)  # fmt: skip
def test_divided_and_resumed_anywhere_nothing_is_lost_or_doubled(folder, window, seed, e, start, n):
    seen = []
    for r in range(n):
        shards = Shards(folder, window=window, part=(r, n))
        whole = numbers(shards.epoch(e, seed=seed))
        assert len(whole) == len(shards) and abs(len(whole) - N / n) < 1
        assert numbers(shards.epoch(e, seed=seed, start=start)) == whole[start:]
        seen += whole
    assert sorted(seen) == list(range(N))


def test_the_order_is_by_seed_and_epoch(folder):
    shards = Shards(folder, window=20)
    orders = {(s, e): tuple(numbers(shards.epoch(e, seed=s))) for s in (0, 1) for e in (0, 1, 2)}
    assert len(set(orders.values())) == 6
    assert tuple(numbers(Shards(folder, window=20).epoch(2, seed=1))) == orders[1, 2]


def test_what_is_held_is_one_window(folder):
    class Counting(Shards):
        read = 0

        def _samples(self, path, start):
            for sample in super()._samples(path, start):
                self.read += 1
                yield sample

    shards = Counting(folder, window=10)
    for given_out, _ in enumerate(shards.epoch(0, seed=0)):
        assert shards.read <= min(given_out + 10, N)


def test_the_window_mixes_what_the_shards_keep_together(folder):
    order = np.array(numbers(Shards(folder, window=40).epoch(0, seed=0)))
    assert np.mean(np.abs(np.diff(order)) == 1) < 0.1
    by_shards_alone = np.array(numbers(Shards(folder, window=1).epoch(0, seed=0)))
    assert np.mean(np.diff(by_shards_alone) == 1) > 0.8


def test_default_window_is_what_64_mb_hold(folder):
    assert Shards(folder).window == 4096  # of tiny images, the most
    with pytest.raises(DataError, match="got a window of 0 and the worker"):
        Shards(folder, window=0)
    with pytest.raises(DataError, match=r"the worker \(2, 2\)"):
        Shards(folder, part=(2, 2))


def test_shards_are_loaded_like_a_folder(folder):
    parts = load(folder, size=(1, 1), channels=1, val=0.1, test=0.1)
    assert parts.classes == ("a", "b", "c") and len(parts.train) + len(parts.val) == N - 9
    for part in (parts.train, parts.val, parts.test):
        assert (part.images[:, 0, 0, 0] % 3 == part.labels).all()


# --- shards of others, and damaged ones -----------------------------------------------------------


def write(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


PNG = io.BytesIO()
Image.new("L", (2, 2), 7).save(PNG, "PNG")
PNG = PNG.getvalue()


def test_shards_that_others_wrote_need_no_index(tmp_path):
    for i in (0, 10, 2):
        write(
            tmp_path / f"set-{i}.tar",
            [("__meta__", b"x"), ("d/k.PNG", PNG), ("d/k.cls", b"3\n"), ("d/k.v2.txt", b"more"),
             (f"e/k{i}.json", b'{"label": "1"}'), (f"e/k{i}.png", PNG)],
        )  # fmt: skip
    shards = Shards(tmp_path)
    assert len(shards) == 6 and shards.classes == ("0", "1", "2", "3")
    assert [s.file for s in shards.index.shards] == ["set-0.tar", "set-2.tar", "set-10.tar"]
    samples = list(shards.epoch(0))
    assert [sample.labels for sample in samples] == [(3,), (1,)] * 3
    assert {sample.content for sample in samples} == {PNG}


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ([("k.cls", b"0")], r"a.tar: k has no image, only cls"),
        ([("k.png", PNG)], r"a.tar: k has no label"),
        ([("k.png", PNG), ("k.json", b"{")], r"a.tar: k has no label"),
    ],
)
def test_samples_that_lack_something_are_named(tmp_path, files, fault):
    write(tmp_path / "a.tar", files)
    with pytest.raises(DataError, match=fault):
        Shards(tmp_path)


def test_no_shards(tmp_path):
    with pytest.raises(DataError, match=r"holds neither index\.json nor shards"):
        Shards(tmp_path)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(DataError, match="is no index of shards"):
        Shards(tmp_path)
    (tmp_path / "index.json").write_text('{"format": "tinyvision shards", "version": 2}')
    with pytest.raises(DataError, match="of version 2, and this tinyvision reads up to 1"):
        Shards(tmp_path)


@pytest.mark.parametrize("keep", [0, 1024, 1600, 5 * 512 + 10, 9216])
def test_a_shard_cut_short_is_named(folder, tmp_path, keep):
    for path in folder.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[:keep] if "003" in path.name else content)
    # cut between the files of a sample, it lacks its label
    fault = r"sample-000003.tar(: 000000021 has no label| is (cut short|a damaged shard))"
    with pytest.raises(DataError, match=fault):
        list(Shards(tmp_path).epoch(0, seed=0))
    (tmp_path / "sample-000003.tar").unlink()
    with pytest.raises(DataError, match=r"There is no shard .*sample-000003.tar"):
        list(Shards(tmp_path).epoch(0))


# --- killed and gone on ---------------------------------------------------------------------------

READER = """
import json, sys
from pathlib import Path
from tinyvision.data import Shards
folder, state, log = sys.argv[1:]
at = json.loads(Path(state).read_text()) if Path(state).exists() else {"epoch": 0, "position": 0}
shards = Shards(folder, window=16)
for e in range(at["epoch"], 2):
    for sample in shards.epoch(e, seed=4, start=at["position"]):
        at["position"] += 1
        with open(log, "a") as file:
            file.write(sample.name + chr(10))
        Path(state + ".new").write_text(json.dumps(at))
        Path(state + ".new").replace(state)
        print(at["position"], flush=True)
    at = {"epoch": e + 1, "position": 0}
"""


def test_killed_in_mid_epoch_it_goes_on_at_the_same_image(folder, tmp_path):
    state, log = tmp_path / "state.json", tmp_path / "log"
    command = [sys.executable, "-c", READER, str(folder), str(state), str(log)]
    for stop in (29, 17):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            for _ in range(stop):
                reader.stdout.readline()
            os.kill(reader.pid, signal.SIGKILL)
            reader.communicate()
        # what was handed out and what was noted may differ by the sample at which it was killed
        lines = log.read_text().splitlines()
        at = json.loads(state.read_text())
        log.write_text("".join(line + "\n" for line in lines[: at["epoch"] * N + at["position"]]))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shards = Shards(folder, window=16)
    expected = [sample.name for e in (0, 1) for sample in shards.epoch(e, seed=4)]
    assert log.read_text().splitlines() == expected


def test_memory_stays_constant(tmp_path):
    """64 MB of samples, read with room for a window of 2 MB."""
    blob = random.Random(0).randbytes(100_000)
    write(
        tmp_path / "a.tar",
        [(f"{i:04d}.{ext}", c) for i in range(640) for ext, c in (("png", blob), ("cls", b"0"))],
    )
    script = """
import sys, tracemalloc
from tinyvision.data import Shards
shards = Shards(sys.argv[1], window=20)
tracemalloc.start()
n = sum(len(sample.content) > 0 for sample in shards.epoch(0, seed=0))
print(n, tracemalloc.get_traced_memory()[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True
    )
    n, peak = map(int, done.stdout.split())
    assert n == 640 and peak < 5e6
