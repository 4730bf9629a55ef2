"""Do what has been drawn: bytes in, the network's input out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract.augment import ONE
from tinyvision_kernels.contract.retouch import TAPS

from ...random import purpose_of
from ..preprocess import Preprocess
from .changes import Changes, Floats, Whole
from .draw import Draw
from .edges import pixel_at

_NOISE = np.sqrt((256**2 - 1) / 3)  # the standard deviation of the kernel's noise at strength 1


def apply(
    images: NDArray[np.uint8],
    changes: Changes,
    draw: Draw,
    preprocess: Preprocess,
    edge: str,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Change the images (N, H, W, C) and normalise them; mixing is for :func:`mix`."""
    k = draw.kernels
    if changes.sigmas is not None:
        images = k.blur_images(images, blur_weights(changes.sigmas, changes.reach))
    if changes.noise is not None:
        strengths = np.rint(changes.noise / _NOISE * ONE).astype(np.int64)
        named = draw.seed, purpose_of("augment noise"), draw.epoch
        images = k.noise_images(images, strengths, draw.places, *named)
    if changes.tones:
        kinds, tables = (np.stack(some, 1) for some in zip(*changes.tones, strict=True))
        images = k.retone_images(images, kinds, tables)
    if changes.sharpness is not None:
        amounts = np.rint(np.maximum(changes.sharpness, -1) * ONE).astype(np.int64)
        images = k.sharpen_images(images, amounts)
    scale, bias = preprocess.scale_and_bias()
    fill = np.rint(np.clip(np.array(preprocess.mean) * 255, 0, 255)).astype(np.uint8)
    holes = np.stack([np.zeros((changes.N, 4), np.int64), *changes.holes], 1)[:, 1:]
    x: NDArray[Any]
    if changes.place is None and changes.colour is None:
        rows, columns = pixels_shown(changes, edge)
        levels = preprocess.levels().astype(dtype)
        x = k.crop_images(images, rows, columns, fill, holes, levels)
        return x
    H, W, C = changes.H, changes.W, changes.C
    beyond = (pixel_at(np.arange(-length, 2 * length), length, edge) for length in (H, W))
    colour = changes.colour
    if colour is None:
        colour = np.tile(np.eye(C, C + 1), (changes.N, 1, 1))
    colour = colour.astype(np.float32)
    looks = (places_shown(changes), *beyond, fill, holes, colour, scale, bias)
    x = k.warp_images(images, *looks, dtype=dtype)
    return x


def pixels_shown(changes: Changes, edge: str) -> tuple[Whole, Whole]:
    """Return which row each row shows, (N, H), and which column each column, (N, W)."""
    rows = np.arange(changes.H) - changes.down[:, None]
    columns = np.arange(changes.W) - changes.right[:, None]
    # The image was flipped before it was moved.
    rows = np.where(changes.upended[:, None], changes.H - 1 - rows, rows)
    columns = np.where(changes.flipped[:, None], changes.W - 1 - columns, columns)
    return pixel_at(rows, changes.H, edge), pixel_at(columns, changes.W, edge)


def places_shown(changes: Changes) -> Whole:
    """Return the six numbers (N, 6) that lead from a pixel to the place it shows."""
    side, upright = (np.where(f, -1.0, 1.0) for f in (changes.flipped, changes.upended))
    maps = np.tile(np.eye(3), (changes.N, 1, 1))
    maps[:, 0, 0] = upright
    maps[:, 0, 2] = -upright * changes.down
    maps[:, 1, 1] = side
    maps[:, 1, 2] = -side * changes.right
    if changes.place is not None:
        maps = maps @ changes.place
    # From the first pixel in place of the middle m: A (p - m) + t + m = A p + (t + m - A m)
    middle = np.array([(changes.H - 1) / 2, (changes.W - 1) / 2])
    maps[:, :2, 2] += middle - maps[:, :2, :2] @ middle
    # (N, 2, 3) -> (N, 6); far beyond its images no place differs from any other
    far = np.clip(maps[:, :2] * ONE, -(2.0**40), 2.0**40)
    return np.rint(far).astype(np.int64).reshape(-1, 6)


def blur_weights(sigmas: Floats, reach: int) -> Whole:
    """Return a Gaussian's weights (N, reach + 1) at distances 0 .. reach, whole 256ths."""
    distance = np.arange(reach + 1)
    with np.errstate(divide="ignore"):
        power = -0.5 * (distance[1:] / sigmas[:, None]) ** 2
    tails = np.exp(power)  # where sigma is 0, of minus infinity: 0
    tails *= TAPS / (1 + 2 * tails.sum(1, keepdims=True))
    weights = np.rint(tails).astype(np.int64)
    # What rounding leaves over is the middle's: all together must neither darken nor brighten.
    return np.concatenate([TAPS - 2 * weights.sum(1, keepdims=True), weights], 1)


def mix(
    x: NDArray[np.float32],
    targets: NDArray[np.float32],
    changes: Changes,
    kernels: Any,
    dtype: np.dtype[Any],
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Mix images (N, H, W, C) and targets (N, K) with those of their partners."""
    N = changes.N
    partners = np.roll(np.arange(N), 1)
    shares = np.ones(N) if changes.shares is None else changes.shares
    boxes = np.zeros((N, 4), np.int64) if changes.boxes is None else changes.boxes
    y = kernels.mix_images(x, partners, shares.astype(np.float32), boxes, dtype=dtype)
    top, bottom, left, right = boxes.T
    free = 1 - (bottom - top) * (right - left) / (changes.H * changes.W)
    own = (shares * free).astype(np.float32)[:, None]
    return y, own * targets + (1 - own) * targets[partners]
