"""Stream more images than fit into memory: speed, memory, a kill; threads or processes.

    python -m benchmarks.data_stream               # 20 GB of shards' worth, two minutes
    python -m benchmarks.data_stream --gigabytes 1
    python -m benchmarks.data_stream --threads-or-processes

One shard of noisy photos is packed; an index that names it again and again makes the large
set, so the disk holds a hundred megabytes and the stream sees as many gigabytes as asked for.
Three programs of their own read it:

1. ``--read`` from front to back in Batches' order, undecoded: the peak of its resident memory;
2. the same, killed with SIGKILL in mid-epoch after it noted how far it was;
3. the same again, started from that note: its first image is compared with the one that the first
   program had there.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from tinyvision.data import Batches, ImageFiles, Preprocess, Shards, find_files, pack
from tinyvision.data.files import decode_to
from tinyvision.data.shards.index import INDEX_NAME

SEED = 5
PHOTOS = (600, 384, 512)  # in the shard: how many, height, width


def make_photos(folder: Path, count: int, H: int, W: int, noise: float = 12) -> None:
    """Draw photos as JPEG: smooth shapes with noise (12 levels make half a byte a pixel)."""
    rng = np.random.default_rng(0)
    for i in range(count):
        small = rng.integers(0, 256, (12, 16, 3), np.uint8)
        smooth = Image.fromarray(small).resize((W, H), Image.Resampling.BICUBIC)
        grain = rng.normal(0, noise, (H, W, 3))
        pixels = (np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)
        path = folder / f"class {i % 4}" / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)


def make_large(folder: Path, gigabytes: float) -> Shards:
    """Pack photos into one shard, and let the index name it until it makes so many gigabytes."""
    make_photos(folder / "photos", *PHOTOS)
    index = pack(folder / "photos", folder / "packed")["all"]
    times = max(round(gigabytes * 1e9 / index.bytes), 1)
    large = replace(
        index,
        name="large",
        counts=tuple(count * times for count in index.counts),
        shards=index.shards * times,
    )
    (folder / "packed" / INDEX_NAME).write_text(large.to_json())
    return Shards(folder / "packed")


def read(folder: Path, state: Path, limit: int | None, note_every: int) -> None:
    """Read an epoch from where ``state`` says; note the position now and then; tell the figures."""
    shards = Shards(folder)
    start = json.loads(state.read_text())["position"] if state.exists() else 0
    clock, done, size, marks = perf_counter(), start, 0, {}
    for sample in shards.epoch(0, seed=SEED, start=start):
        if done == start or done % 1000 == 0:
            marks[done] = f"{sample.name} {hashlib.sha256(sample.content).hexdigest()}"
        done += 1
        size += len(sample.content)
        if done % note_every == 0 and limit is not None:
            state.write_text(json.dumps({"epoch": 0, "position": done}))
            if done >= limit:
                os.kill(os.getpid(), signal.SIGKILL)
    seconds = perf_counter() - clock
    print(json.dumps({"images": done - start, "bytes": size, "seconds": seconds,
                      "peak": peak_memory(), "marks": marks}))  # fmt: skip


def peak_memory() -> int:
    """Return the most bytes that this process has held in memory.

    Linux counts what the parent held in ``ru_maxrss`` of a child that it starts, so /proc is asked.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def stream(gigabytes: float, note_every: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shards = make_large(folder, gigabytes)
        print(f"{shards!r}: {shards.index.bytes / 1e9:.1f} GB, window of {shards.window}")

        def reader(state: str, *options: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "benchmarks.data_stream", "--read"]
            command += [str(folder / "packed"), str(folder / state), *options]
            command += ["--note-every", str(note_every)]
            return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)

        whole = json.loads(reader("none").stdout)
        speed = whole["bytes"] / whole["seconds"]
        print(
            f"read {whole['images']:,} images, {whole['bytes'] / 1e9:.1f} GB of them, in "
            f"{whole['seconds']:.1f} s: {whole['images'] / whole['seconds']:,.0f} images/s, "
            f"{speed / 1e6:,.0f} MB/s; peak resident memory {whole['peak'] / 1e6:.0f} MB"
        )
        killed = reader("state.json", "--kill-after", str(len(shards) // 2))
        position = json.loads((folder / "state.json").read_text())["position"]
        rest = json.loads(reader("state.json").stdout)
        same = rest["marks"][str(position)] == whole["marks"][str(position)]
        same &= all(whole["marks"][at] == mark for at, mark in rest["marks"].items())
        print(
            f"killed (exit {killed.returncode}) at image {position:,}; gone on with "
            f"{rest['images']:,} images, {'the same' if same else 'OTHERS'}"
        )
        if not same or position + rest["images"] != len(shards) or whole["peak"] > 500e6:
            raise SystemExit("the stream does not hold what it promises")


# --- threads or processes -------------------------------------------------------------------------

_set: list[tuple[ImageFiles, Preprocess]] = []  # what a process of the pool inherits


def _batch(rows: list[int]) -> np.ndarray:
    files, prepare = _set[0]
    decode = decode_to(prepare.size, prepare.channels, prepare.fit)
    return prepare.batch(np.stack([decode(files[i]) for i in rows]))


def contest(rounds: int = 5) -> None:
    """Decode photos to 64 x 64 in batches of 64: by Batches' threads and by a pool of processes."""
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place:
        make_photos(Path(place), 1000, 192, 256)
        files = find_files(place)[0]["all"]
        prepare = Preprocess((64, 64), 3)
        _set[:] = [(files, prepare)]
        rows = [list(range(i, min(i + 64, len(files)))) for i in range(0, len(files), 64)]

        def threads(n: int) -> list[np.ndarray]:
            batches = Batches(files, prepare, 64, workers=n)
            with closing(batches.epoch(0)) as epoch:
                return [x for x, _ in epoch]

        with multiprocessing.get_context("fork").Pool(workers) as pool:
            contestants = {
                "no workers": lambda: threads(0),
                f"{workers} threads": lambda: threads(workers),
                f"{workers} processes": lambda: list(pool.imap(_batch, rows)),
            }
            results = [run() for run in contestants.values()]
            for other in results[1:]:
                assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
            times: dict[str, list[float]] = {name: [] for name in contestants}
            for _ in range(rounds):
                for name, run in contestants.items():
                    clock = perf_counter()
                    run()
                    times[name].append(perf_counter() - clock)
    for name, seconds in times.items():
        print(f"{name}: {len(files) / statistics.median(seconds):,.0f} images/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--threads-or-processes", action="store_true")
    parser.add_argument("--read", nargs=2, metavar=("SHARDS", "STATE"), help=argparse.SUPPRESS)
    parser.add_argument("--note-every", type=int, default=10_000, help="images")
    parser.add_argument("--kill-after", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(Path(options.read[0]), Path(options.read[1]), options.kill_after, options.note_every)
    elif options.threads_or_processes:
        contest()
    else:
        stream(options.gigabytes, options.note_every)


if __name__ == "__main__":
    main()
