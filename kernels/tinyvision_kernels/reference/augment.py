"""Augmentation: images looked at from elsewhere, in another light, with holes, or two in one.

A kernel asks for each pixel of the *output* where it comes from. Asking where an input pixel goes
would leave gaps: of an image enlarged twice, three pixels of four.
"""

from typing import Any


def crop_images(
    xp: Any, x: Any, images: Any, rows: Any, columns: Any, fill: Any, holes: Any, levels: Any
) -> None:
    """Pick whole pixels, row by row and column by column, and look up what each byte becomes."""
    N, _, _, C = images.shape
    n = xp.arange(N)[:, None, None]
    i, j = rows[:, :, None], columns[:, None, :]  # (N, OH, 1), (N, 1, OW)
    pixels = _pixels(xp, images, n, i, j, fill)  # (N, OH, OW, C)
    x[...] = levels[xp.arange(C), pixels]
    _cut(xp, x, holes)


def warp_images(
    xp: Any,
    x: Any,
    images: Any,
    matrices: Any,
    rows: Any,
    columns: Any,
    fill: Any,
    holes: Any,
    colours: Any,
    scale: Any,
    bias: Any,
) -> None:
    """Look between the pixels, turn the colour seen there into another, and normalise it."""
    N, H, W, C = images.shape
    n = xp.arange(N)[:, None, None]
    i, j = xp.arange(H)[:, None], xp.arange(W)
    m = matrices[:, :, None, None]  # (N, 6, 1, 1)
    down = m[:, 0] * i + m[:, 1] * j + m[:, 2]  # (N, H, W), in 65,536ths of a pixel
    right = m[:, 3] * i + m[:, 4] * j + m[:, 5]
    top, left = down >> 16, right >> 16  # whole pixels, rounded down
    # How far on the way to the next pixel, in 256ths
    v, u = (down >> 8) & 255, (right >> 8) & 255
    seen = xp.zeros((N, H, W, C), dtype=xp.int64)
    for below, weight_v in ((0, 256 - v), (1, v)):
        for beside, weight_u in ((0, 256 - u), (1, u)):
            r = rows[xp.clip(top + below + H, 0, 3 * H - 1)]
            s = columns[xp.clip(left + beside + W, 0, 3 * W - 1)]
            pixels = _pixels(xp, images, n, r, s, fill).astype(xp.int64)
            seen += (weight_v * weight_u)[:, :, :, None] * pixels
    p = (seen.astype(x.dtype) / 65536).reshape(N, H * W, C)  # (N, H, W, C) -> (N, H*W, C)
    # A p + t of each pixel: (N, H*W, C) by (N, C, C), back to (N, H, W, C)
    changed = xp.matmul(p, xp.swapaxes(colours[:, :, :C], 1, 2)) + colours[:, None, :, C]
    x[...] = xp.clip(changed, 0, 255).reshape(x.shape) * scale + bias
    _cut(xp, x, holes)


def _pixels(xp: Any, images: Any, n: Any, rows: Any, columns: Any, fill: Any) -> Any:
    """Return images[n, rows, columns], and the colour ``fill`` where a row or column is OUTSIDE."""
    found = images[n, xp.maximum(rows, 0), xp.maximum(columns, 0)]
    return xp.where(((rows < 0) | (columns < 0))[:, :, :, None], fill, found)


def _cut(xp: Any, x: Any, holes: Any) -> None:
    """Set rectangles of x to zero, which is the mean of the images that were measured."""
    for b in range(holes.shape[1]):
        x[...] = xp.where(_inside(xp, x, holes[:, b]), 0, x)


def _inside(xp: Any, x: Any, boxes: Any) -> Any:
    """Return for each pixel whether it lies in its image's box: (N, H, W, 1)."""
    i = xp.arange(x.shape[1])[:, None, None]
    j = xp.arange(x.shape[2])[:, None]
    top, bottom, left, right = (boxes[:, k, None, None, None] for k in range(4))
    return (i >= top) & (i < bottom) & (j >= left) & (j < right)


def mix_images(xp: Any, y: Any, pure: Any, partners: Any, shares: Any, boxes: Any) -> None:
    """Blend each image with its partner; in its box, show the partner alone."""
    other = pure[partners]
    share = shares[:, None, None, None]
    y[...] = xp.where(_inside(xp, pure, boxes), other, share * pure + (1 - share) * other)
