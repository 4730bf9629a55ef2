"""Layers that make images smaller or larger; none has parameters."""

from dataclasses import dataclass
from typing import Literal

from tinyvision_kernels.contract import Pair

from .. import functional
from ..tensor import Tensor
from . import checks
from .layer import Layer


@dataclass(eq=False)
class MaxPool2d(Layer, kind="pool"):
    """The largest value of each window, channel by channel.

    Parameters
    ----------
    window : int or (int, int)
        Size of the window in pixels.
    stride : int or (int, int), optional
        Step from window to window; by default the window's size, so that windows tile the image.
    pad : "valid", "same", int, (int, int) or (top, bottom, left, right)
        Cells around the image; they never win.
    """

    window: int | Pair = 2
    stride: int | Pair | None = None
    pad: checks.Pad = 0

    def __post_init__(self) -> None:
        _check_window(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        checks.images(x.shape)
        return functional.max_pool2d(x, self.window, self.stride, self.pad)


@dataclass(eq=False)
class AvgPool2d(Layer, kind="pool"):
    """The mean of each window, channel by channel; padding is not counted.

    Parameters
    ----------
    window, stride, pad
        As those of :class:`MaxPool2d`.
    """

    window: int | Pair = 2
    stride: int | Pair | None = None
    pad: checks.Pad = 0

    def __post_init__(self) -> None:
        _check_window(self)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        checks.images(x.shape)
        return functional.avg_pool2d(x, self.window, self.stride, self.pad)


def _check_window(layer: MaxPool2d | AvgPool2d) -> None:
    """Refuse settings that are no sizes; lists become tuples."""
    layer.window = checks.size(layer, "window", layer.window)
    if layer.stride is not None:
        layer.stride = checks.size(layer, "stride", layer.stride)
    layer.pad = checks.padding(layer, layer.pad)


@dataclass(eq=False)
class GlobalAvgPool2d(Layer, kind="pool"):
    """The mean of each channel over the whole image, whatever its size (Lin et al. 2013)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, C)."""
        checks.images(x.shape)
        return functional.global_avg_pool2d(x)


@dataclass(eq=False)
class Upsample2d(Layer, kind="upsample"):
    """Make the image larger by whole factors.

    Parameters
    ----------
    factor : int or (int, int)
        Output pixels for an input pixel along H and W.
    mode : "nearest" or "bilinear"
        Repeat pixels, or interpolate between their centres.
    """

    factor: int | Pair = 2
    mode: Literal["nearest", "bilinear"] = "nearest"

    def __post_init__(self) -> None:
        self.factor = checks.size(self, "factor", self.factor)
        if self.mode not in ("nearest", "bilinear"):
            raise ValueError(f"Upsample2d: mode must be 'nearest' or 'bilinear', got {self.mode!r}")

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H * factor, W * factor, C)."""
        checks.images(x.shape)
        return functional.upsample2d(x, self.factor, self.mode)
