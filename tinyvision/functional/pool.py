"""Pooling and resizing: images made smaller or larger, channel by channel."""

from typing import Any

from tinyvision_kernels.contract import Pads, Pair

from ..ops import pool
from ..ops.shape import PadShortcut
from ..ops.window import Pad, pads, pair
from ..tensor import Tensor
from .operands import as_images, run

Stride = int | Pair | None  # None: as far as the window is large


def max_pool2d(x: Any, window: int | Pair, stride: Stride = None, pad: Pad = 0) -> Tensor:
    """Return the largest value of each window of each channel: (N, H, W, C) -> (N, OH, OW, C).

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    window : int or (int, int)
    stride : int or (int, int), optional
        By default the window, so that windows tile the image.
    pad : as of :func:`conv2d`
        Cells around the image that never win; fewer than the window has.
    """
    x = as_images(x)
    return run(pool.MaxPool2d(*_pooling(x, window, stride, pad)), x)


def avg_pool2d(x: Any, window: int | Pair, stride: Stride = None, pad: Pad = 0) -> Tensor:
    """Return the mean of each window, padding not counted; parameters of :func:`max_pool2d`."""
    x = as_images(x)
    return run(pool.AvgPool2d(*_pooling(x, window, stride, pad)), x)


def global_avg_pool2d(x: Any) -> Tensor:
    """Return the mean of each channel over the whole image: (N, H, W, C) -> (N, C)."""
    return run(pool.GlobalAvgPool2d(), x)


def pad_shortcut(x: Any, stride: int | Pair, channels: Pair) -> Tensor:
    """Take every stride-th pixel, between ``channels`` = (before, after) of zeros.

    (N, H, W, C) -> (N, ceil(H / sh), ceil(W / sw), before + C + after): the shortcut without
    parameters, option A of He et al. 2016, section 4.2.
    """
    return run(PadShortcut(pair("stride", stride), channels), as_images(x))


def upsample2d(x: Any, factor: int | Pair, mode: str = "nearest") -> Tensor:
    """Make images larger by whole factors: (N, H, W, C) -> (N, H * fh, W * fw, C).

    Parameters
    ----------
    mode : "nearest" or "bilinear"
        Repeat each pixel, or interpolate between the pixels' centres.
    """
    x, factors = as_images(x), pair("factor", factor)
    if mode == "nearest":
        return run(pool.Upsample2d(factors), x)
    if mode == "bilinear":
        return resize2d(x, (x.shape[1] * factors[0], x.shape[2] * factors[1]))
    raise ValueError(f"mode must be 'nearest' or 'bilinear', got {mode!r}")


def resize2d(x: Any, size: int | Pair) -> Tensor:
    """Resize images to ``size`` = (OH, OW) by bilinear interpolation between pixel centres.

    To make images much smaller, average first (:func:`avg_pool2d`): each output pixel looks at no
    more than four pixels of x.
    """
    return run(pool.Resize2d(pair("size", size)), as_images(x))


def _pooling(x: Tensor, window: Any, stride: Any, pad: Pad) -> tuple[Pair, Pair, Pads]:
    cells = pair("window", window)
    steps = cells if stride is None else pair("stride", stride)
    return cells, steps, pads(pad, x.shape[1:3], cells, steps)
