"""What a camera or a darkroom does to a picture, in whole numbers: bytes in, bytes out."""

from typing import Any

from ..contract.augment import ONE
from ..contract.random import WORD
from ..contract.retouch import EQUALIZE, LOOK_UP, STRETCH, TAPS
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


def retone_images(xp: Any, y: Any, images: Any, kinds: Any, tables: Any) -> None:
    """Make a table of 256 levels for each image and channel, look its pixels up, and so on."""
    N, _, _, C = images.shape
    n, c = xp.arange(N)[:, None, None, None], xp.arange(C)
    seen = images
    for turn in range(kinds.shape[1]):
        kind = kinds[:, turn, None, None]  # (N, 1, 1), beside tables (N, C, 256)
        table = xp.where(kind == LOOK_UP, tables[:, turn, None], xp.arange(256, dtype=xp.uint8))
        table = xp.where(kind == EQUALIZE, _equalized(xp, seen), table)
        table = xp.where(kind == STRETCH, _stretched(xp, seen), table)
        seen = xp.broadcast_to(table, (N, C, 256))[n, c, seen]
    y[...] = seen


def _equalized(xp: Any, images: Any) -> Any:
    """Return for each level which share of the pixels is darker, of those not the brightest."""
    N, _, _, C = images.shape
    # A bin for each level of each channel of each image, one behind the other
    bins = 256 * xp.arange(N * C).reshape(N, 1, 1, C) + images
    counts = xp.bincount(bins.reshape(-1), minlength=N * C * 256).reshape(N, C, 256)
    darker = xp.cumsum(counts, axis=2) - counts
    return _up_to_white(xp, darker, xp.max(xp.where(counts > 0, darker, 0), axis=2, keepdims=True))


def _stretched(xp: Any, images: Any) -> Any:
    """Return for each level how far it lies on the way from the darkest to the brightest."""
    darkest, brightest = (f(images, axis=(1, 2))[:, :, None] for f in (xp.min, xp.max))
    darkest = darkest.astype(xp.int64)
    return _up_to_white(xp, xp.arange(256) - darkest, brightest - darkest)


def _up_to_white(xp: Any, parts: Any, whole: Any) -> Any:
    """Return parts (N, C, 256) in 255ths of a whole (N, C, 1), levels themselves where it is 0."""
    levels = (255 * parts + whole // 2) // xp.maximum(whole, 1)
    shown = xp.where(whole > 0, xp.clip(levels, 0, 255), xp.arange(256))
    return shown.astype(xp.uint8)


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
