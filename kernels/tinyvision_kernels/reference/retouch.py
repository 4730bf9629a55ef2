"""What a camera or a darkroom does to a picture, in whole numbers: bytes in, bytes out."""

from typing import Any

from ..contract.random import WORD
from ..contract.retouch import ONE, TAPS
from .random import philox_words


def blur_images(xp: Any, y: Any, images: Any, taps: Any) -> None:
    """Replace each pixel by a weighted mean of those around it: down the columns, then the rows."""
    R = taps.shape[1] - 1
    sums = images.astype(xp.int64)
    for axis in (1, 2):
        last = images.shape[axis] - 1
        place = xp.arange(last + 1)
        blurred = xp.zeros(images.shape, dtype=xp.int64)
        for d in range(-R, R + 1):
            weight = taps[:, abs(d), None, None, None]
            blurred += weight * xp.take(sums, xp.clip(place + d, 0, last), axis=axis)
        sums = blurred
    half = TAPS * TAPS // 2
    y[...] = ((sums + half) // (TAPS * TAPS)).astype(xp.uint8)


def noise_images(
    xp: Any, y: Any, images: Any, strengths: Any, positions: Any, seed: int, purpose: int, step: int
) -> None:
    """Add noise that is nearly normal to each value, of a strength of its own for each image."""
    N, H, W, C = images.shape
    blocks = (H * W * C + 3) // 4
    counter = (
        xp.arange(blocks, dtype=xp.uint64)[None, :],
        (positions.astype(xp.uint64) & xp.uint64(WORD))[:, None],
        xp.full((1, 1), step & WORD, dtype=xp.uint64),
        xp.full((1, 1), purpose & WORD, dtype=xp.uint64),
    )
    words = philox_words(xp, counter, (seed & WORD, (seed >> 32) & WORD))
    # four (N, blocks) -> (N, blocks, 4) -> (N, 4 * blocks) -> (N, H, W, C)
    stream = xp.stack(words, axis=2).reshape(N, 4 * blocks)[:, : H * W * C].reshape(images.shape)
    bits = stream.astype(xp.int64)
    total = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + (bits >> 24)
    noise = ((total - 510) * strengths[:, None, None, None] + ONE // 2) >> 16
    y[...] = xp.clip(images.astype(xp.int64) + noise, 0, 255).astype(xp.uint8)


def count_levels(xp: Any, counts: Any, images: Any) -> None:
    """Count the pixels of each level, a histogram for each image and channel."""
    N, H, W, C = images.shape
    values = xp.swapaxes(images.reshape(N, H * W, C), 1, 2)  # (N, H, W, C) -> (N, C, H*W)
    for level in range(256):
        counts[:, :, level] = xp.sum(values == level, axis=2)


def lookup_images(xp: Any, y: Any, images: Any, tables: Any) -> None:
    """Replace each level by what the table of its image and channel has in its place."""
    N, _, _, C = images.shape
    y[...] = tables[xp.arange(N)[:, None, None, None], xp.arange(C), images]


def sharpen_images(xp: Any, y: Any, images: Any, amounts: Any) -> None:
    """Go away from what is smooth, or towards it: there and back lies all of unsharp masking."""
    pixels = images.astype(xp.int64)
    sums = pixels
    for axis in (1, 2):
        last = images.shape[axis] - 1
        place = xp.arange(last + 1)
        before, after = xp.maximum(place - 1, 0), xp.minimum(place + 1, last)
        sums = xp.take(sums, before, axis=axis) + sums + xp.take(sums, after, axis=axis)
    # 13 times what the pixel has beyond the mean, (sums + 4 * pixels) / 13
    detail = 9 * pixels - sums
    part = (detail * amounts[:, None, None, None] + 13 * ONE // 2) // (13 * ONE)
    y[...] = xp.clip(pixels + part, 0, 255).astype(xp.uint8)
