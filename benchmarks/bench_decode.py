"""From photos on disk to batches of 64 x 64: ours, PyTorch's DataLoader, OpenCV; on two cores each.

All read JPEG files of one size, cut the middle square and reduce it. Ours hands over normalised
float32 batches; the rivals are spared that, and hand over bytes.

- ``cpu``: :class:`tinyvision.data.Batches`, its workers being threads: by Pillow alone, with the
  package simplejpeg, and from images that were decoded once.
- ``torch``: DataLoader with two worker processes that live on from epoch to epoch, Pillow decoding
  in full, as its users do.
- ``opencv``: two threads, decoding at half the size ("reduced") and in full.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.contest import hold
from benchmarks.data_stream import make_photos
from tinyvision.data import Batches, Dataset, ImageFiles, Preprocess, find_files
from tinyvision.data.decoding import Form
from tinyvision.data.images import jpeg
from tinyvision.data.mapped import MappedImages
from tinyvision.data.reading import read

GROUP = "photos to batches of 64x64"
COUNT, BATCH, SIZE, CORES = 512, 64, 64, 2
GRAIN = 2  # levels of noise: a quarter of a byte a pixel, as cameras' photos have
SIZES = {"256x192": (192, 256), "512x384": (384, 512)}
PREPARE = Preprocess((SIZE, SIZE), 3, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
FAST = jpeg.fast_decoder()
pytestmark = pytest.mark.skipif(
    os.environ.get("OMP_PROC_BIND") != "false",
    reason="threads bound to a core share it with the workers they start; set OMP_PROC_BIND=false",
)


@pytest.fixture(scope="module", params=SIZES)
def files(request: Any, tmp_path_factory: Any) -> ImageFiles:
    """Photos of one size."""
    folder = tmp_path_factory.mktemp("photos")
    make_photos(folder, COUNT, *SIZES[request.param], GRAIN)
    return ImageFiles(*_paths_and_labels(folder), request.param)


def _paths_and_labels(folder: Path) -> Any:
    found = find_files(folder)[0]["all"]
    return found.paths, found.labels, found.classes


def bench_pillow(benchmark: Any, files: ImageFiles) -> None:
    _contest(benchmark, files, "Pillow", lambda: _ours(files, None))


@pytest.mark.skipif(FAST is None, reason="simplejpeg is not installed")
def bench_simplejpeg(benchmark: Any, files: ImageFiles) -> None:
    _contest(benchmark, files, "simplejpeg", lambda: _ours(files, FAST))


def bench_cache(benchmark: Any, files: ImageFiles, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path))
    decoded = read({"all": files}, Form((SIZE, SIZE)), cache=Path(files.paths[0])).parts["all"]
    assert isinstance(decoded.images, MappedImages)
    _contest(benchmark, files, "decoded cache", partial(_epoch, decoded))


def _contest(benchmark: Any, files: ImageFiles, how: str, ours: Callable[[], Any]) -> None:
    contestants = {"cpu": ours}
    with _loader(files) as loader:
        if loader is not None:
            contestants["torch"] = lambda: (x.numpy() for x in loader)
        contestants |= _opencv(files)
        _assert_alike({who: np.concatenate([*run()]) for who, run in contestants.items()})
        runs = {who: partial(_last, run) for who, run in contestants.items()}
        name = f"{files.name}, {how}: {COUNT} photos"
        hold(benchmark, GROUP, name, runs, tolerance=None, rounds=(5, 5))


def _last(run: Callable[[], Any]) -> np.ndarray:
    """Take every batch, as a training does, and keep none."""
    for batch in run():
        last = batch
    return last


def _assert_alike(results: dict[str, np.ndarray]) -> None:
    """Scaling while decoding, or another filter, moves a few levels here and there: not more."""
    ours = np.rint((results.pop("cpu") * 0.25 + 0.5) * 255)
    for who, theirs in results.items():
        difference = np.abs(ours - theirs).mean()
        assert difference < 3, f"{who} differs by {difference:.1f} levels on average"


def _ours(files: ImageFiles, decoder: Any) -> Iterator[np.ndarray]:
    found, jpeg.fast_decoder = jpeg.fast_decoder, lambda: decoder
    try:
        yield from _epoch(files)
    finally:
        jpeg.fast_decoder = found


def _epoch(images: ImageFiles | Dataset) -> Iterator[np.ndarray]:
    return (x for x, _ in Batches(images, PREPARE, BATCH))


@contextmanager
def _loader(files: ImageFiles) -> Iterator[Any]:
    """PyTorch's DataLoader over the files, whose workers end with the block; None without it."""
    if not _has("torch"):
        yield None
        return
    import torch

    loader = torch.utils.data.DataLoader(
        Photos([*files.paths]),
        BATCH,
        num_workers=CORES,
        persistent_workers=True,
        collate_fn=lambda images: torch.from_numpy(np.stack(images)),
    )
    yield loader
    del loader


class Photos:
    """What DataLoader is given: the square in the middle of each photo, as uint8 (64, 64, 3)."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> np.ndarray:
        with Image.open(self.paths[i]) as image:
            W, H = image.size
            box = ((W - H) / 2, 0, (W + H) / 2, H)
            small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, box)
            return np.asarray(small)


def _opencv(files: ImageFiles) -> dict[str, Callable[[], Any]]:
    if not _has("cv2"):
        return {}
    import cv2

    cv2.setNumThreads(1)

    def run(flag: int) -> Iterator[np.ndarray]:
        def read(path: str) -> np.ndarray:
            image = cv2.imdecode(np.fromfile(path, np.uint8), flag)
            H, W, _ = image.shape
            square = image[:, (W - H) // 2 : (W + H) // 2]
            small = cv2.resize(square, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
            return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)

        with ThreadPoolExecutor(CORES) as pool:
            yield from pool.map(lambda path: read(path)[None], files.paths)

    return {
        "opencv in full": lambda: run(cv2.IMREAD_COLOR),
        "opencv reduced": lambda: run(cv2.IMREAD_REDUCED_COLOR_2),
    }


def _has(module: str) -> bool:
    return find_spec(module) is not None
