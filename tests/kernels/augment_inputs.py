"""Inputs of the kernels that augment: bytes, places in and beyond them, colours, holes."""

from collections.abc import Iterator

import numpy as np

from tests.kernels.case import Case, make
from tinyvision_kernels.contract import KERNELS

# Sizes that fill no vector, one image, one pixel; gray, RGB, and a channel count of no image.
SHAPES = [(1, 1, 1, 1), (2, 5, 7, 3), (5, 4, 3, 1), (3, 6, 5, 2), (9, 16, 12, 3)]


def gray(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)[None, :, :, None]


def whole(*values) -> np.ndarray:
    return np.array(values, np.int64)


def augment_cases(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for N, H, W, C in SHAPES:
        yield make(kernel, f"{N}x{H}x{W}x{C}", _given(kernel, rng, N, H, W, C))
    if "holes" in KERNELS[kernel].inputs:
        nothing = _given(kernel, rng, 2, 4, 5, 3)
        nothing["holes"] = np.zeros((2, 0, 4), np.int64)
        yield make(kernel, "no holes", nothing)
    if kernel == "warp_images":
        lost = _given(kernel, rng, 2, 4, 5, 3)
        lost["colours"][1, 0, 0] = np.nan
        yield make(kernel, "NaN in a colour", lost)


def _given(kernel: str, rng: np.random.Generator, N: int, H: int, W: int, C: int) -> dict:
    def whole(low: int, high: int, *shape: int) -> np.ndarray:
        return rng.integers(low, high, shape)  # int64

    beyond = (H, W) if kernel == "warp_images" else (H + 2, W + 1)
    rows, columns = (
        ((3 * H,), (3 * W,)) if kernel == "warp_images" else ((N, beyond[0]), (N, beyond[1]))
    )
    half = whole(0, 40, N, 3)
    # Turned and enlarged by up to some half, and off by up to the whole image and more.
    matrices = np.array([1, 0, 0, 0, 1, 0]) + rng.uniform(-0.7, 0.7, (N, 6))
    matrices[:, 2::3] = rng.uniform(-2.5, 2.5, (N, 2)) * (H, W)
    return {
        "images": rng.integers(0, 256, (N, H, W, C), np.uint8),
        "pure": rng.standard_normal((N, H, W, C)),
        "rows": whole(-1, H, *rows),
        "columns": whole(-1, W, *columns),
        "fill": rng.integers(0, 256, C, np.uint8),
        "holes": whole(-3, max(H, W) + 3, N, 2, 4),
        "levels": rng.standard_normal((C, 256)),
        "matrices": np.rint(65536 * matrices).astype(np.int64),
        "colours": rng.standard_normal((N, C, C + 1)) + 100 * (np.arange(C + 1) == C),
        "scale": rng.uniform(0.5, 2, C) / 64,
        "bias": rng.uniform(-2, 0, C),
        "taps": np.column_stack([256 - 2 * half.sum(1), half]),
        "strengths": whole(0, 60_000, N),
        "kinds": whole(0, 4, N, 3),
        "tables": rng.integers(0, 256, (N, 3, 256), np.uint8),
        "amounts": whole(-70_000, 140_000, N) * (rng.random(N) < 0.8),
        "positions": whole(0, 2**32, N),
        "seed": 2**63 + 5,
        "purpose": 2**32 - 1,
        "step": 7,
        "partners": rng.permutation(N),
        "shares": rng.random(N),
        "boxes": whole(-2, max(H, W) + 2, N, 4),
    }
