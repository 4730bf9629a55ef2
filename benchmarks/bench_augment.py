"""Augmentation of CIFAR-10 batches, against the same in NumPy: flip, crop with padding, cutout.

Contestant ``numpy`` is the program that one would write without kernels of one's own: mirror half
of the images, pad all, take a window of each, normalise, set squares to zero, each step over the
whole batch. It is given the random numbers; drawing them is part of our own work alone. In the
other lines the reference kernels do what the compiled ones do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import hold
from tinyvision import backend
from tinyvision.data import Augment, Preprocess
from tinyvision.data.augment import Draw
from tinyvision.data.augment.changes import Changes

GROUP = "augmentation of 512 images of 32x32x3"
N, H, W, C = 512, 32, 32, 3
PREPARE = Preprocess((H, W), C, mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))
PAD = 4
LINES = {
    "flip, crop, cutout": f"flip,crop={PAD},cutout=8,edge=mean",
    "rotate, scale, shift": "rotate=15,scale=0.2,shift=0.1",
    "photos: place and colour": "photos",
    "blur, noise": "blur=1:1,noise=10",
    "gamma, solarize, posterize": "gamma,solarize,posterize",
    "equalize, autocontrast": "equalize=1,autocontrast=1",
    "sharpness": "sharpness",
    "cutmix": "cutmix=1:1",
    "randaugment": "randaugment",
}


@pytest.mark.parametrize("line", LINES)
def bench_augment(benchmark: Any, line: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, H, W, C), np.uint8)
    labels = rng.integers(0, 10, N)
    augment = Augment.parse(LINES[line])

    def by(name: str) -> Callable[[], Any]:
        kernels = backend.get(name).kernels
        return lambda: augment.batch(images, labels, PREPARE, classes=10, kernels=kernels)[0]

    contestants = {"cpu": by("cpu"), "reference": by("reference")}
    if line == "flip, crop, cutout":
        places = np.arange(N)
        draw = Draw(backend.get("cpu").kernels, 0, 0, places, places)
        changes = augment.changes(images.shape, draw)
        contestants["numpy"] = lambda: in_numpy(images, changes)
    hold(
        benchmark,
        GROUP,
        f"{line}: {N} images",
        contestants,
        bytes=images.size * (1 + 4),
        tolerance=1e-4,
    )


def in_numpy(images: np.ndarray, changes: Changes) -> np.ndarray:
    """Flip, pad, crop, normalise and cut, as arrays of the whole batch."""
    fill = np.rint(np.array(PREPARE.mean) * 255).astype(np.uint8)
    flipped = np.where(changes.flipped[:, None, None, None], images[:, :, ::-1], images)
    padded = np.empty((N, H + 2 * PAD, W + 2 * PAD, C), np.uint8)
    padded[:] = fill
    padded[:, PAD:-PAD, PAD:-PAD] = flipped
    # every window of every image as a view, (N, 9, 9, C, H, W), and one of each
    windows = np.lib.stride_tricks.sliding_window_view(padded, (H, W), axis=(1, 2))
    cropped = windows[np.arange(N), PAD - changes.down, PAD - changes.right]
    x = PREPARE.batch(np.ascontiguousarray(cropped.transpose(0, 2, 3, 1)))  # (N, C, H, W)
    ((top, bottom, left, right),) = (hole.T[:, :, None, None, None] for hole in changes.holes)
    i, j = np.arange(H)[:, None, None], np.arange(W)[:, None]
    x[np.broadcast_to((i >= top) & (i < bottom) & (j >= left) & (j < right), x.shape)] = 0
    return x
