"""Convolution layers over images (N, H, W, C)."""

from dataclasses import dataclass

from tinyvision_kernels.contract import Pair, Shape

from .. import functional
from ..tensor import Tensor
from . import checks, init
from .init import InitLike
from .layer import Layer
from .parameter import Parameter


@dataclass(eq=False)
class Conv2d(Layer, kind="conv"):
    """Slide ``filters`` small windows over the image; each gives one channel of the output.

    ``y[n,i,j,o] = b[o] + sum_{r,s,c} x[n, i*stride + r*dilation - pad, ..., c] * w[r,s,c,o]``

    Parameters
    ----------
    filters : int
        Output channels O.
    kernel_size, stride, dilation : int or (int, int)
        Window, step, and distance between the window's cells, in pixels along H and W.
    pad : "valid", "same", int, (int, int) or (top, bottom, left, right)
        Zeros around the image: none; as many as make the output ``ceil(size / stride)``; or this
        many on each side.
    groups : int
        Each of this many groups of output channels sees only its own share of the input channels.
    bias : bool
        Whether to add b; superfluous before a batch norm, which subtracts it again.
    init : str, float or initializer
        Initial weights, see :mod:`tinyvision.nn.init`.

    Attributes
    ----------
    w : Parameter (KH, KW, C/groups, O)
    b : Parameter (O,), or None
    """

    filters: int
    kernel_size: int | Pair = 3
    stride: int | Pair = 1
    pad: checks.Pad = "valid"
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    init: InitLike = "he"

    def __post_init__(self) -> None:
        self.filters = checks.count(self, "filters", self.filters)
        self.groups = checks.count(self, "groups", self.groups)
        _check_window(self)

    def setup(self, x: Shape) -> None:
        """Make w and b for the input's channels."""
        checks.images(x)
        checks.groups(x[3], self.filters, self.groups)
        shape = (*checks.pair(self.kernel_size), x[3] // self.groups, self.filters)
        self.w = self.parameter("w", shape, init.grouped(init.get(self.init), self.groups))
        self.b = _bias(self, self.filters)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, O)."""
        return functional.conv2d(
            x,
            self.w,
            self.b,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            groups=self.groups,
        )


@dataclass(eq=False)
class DepthwiseConv2d(Layer, kind="depthwise"):
    """Convolve each channel on its own: a Conv2d with as many groups as channels.

    With a 1x1 convolution after it, it replaces a full convolution at a fraction of the cost.
    Source: Howard et al. 2017 (MobileNets).

    Parameters
    ----------
    multiplier : int
        Output channels of each input channel; C * multiplier in all.

    The others are those of :class:`Conv2d`.

    Attributes
    ----------
    w : Parameter (KH, KW, 1, C * multiplier)
    b : Parameter (C * multiplier,), or None
    """

    kernel_size: int | Pair = 3
    stride: int | Pair = 1
    pad: checks.Pad = "valid"
    dilation: int | Pair = 1
    multiplier: int = 1
    bias: bool = True
    init: InitLike = "he"

    def __post_init__(self) -> None:
        self.multiplier = checks.count(self, "multiplier", self.multiplier)
        _check_window(self)

    def setup(self, x: Shape) -> None:
        """Make w and b for the input's channels."""
        checks.images(x)
        C, O = x[3], x[3] * self.multiplier
        shape = (*checks.pair(self.kernel_size), 1, O)
        self.w = self.parameter("w", shape, init.grouped(init.get(self.init), C))
        self.b = _bias(self, O)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, C * multiplier)."""
        return functional.conv2d(
            x,
            self.w,
            self.b,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            groups=self.w.shape[3] // self.multiplier,
        )


@dataclass(eq=False)
class ConvTranspose2d(Layer, kind="convt"):
    """The transpose of a convolution: the usual way to make images larger.

    Each input pixel adds a window, weighted by its value, to the output. The output's size is
    ``(size - 1) * stride + dilation * (kernel_size - 1) + 1 + output_pad - (padding)``; with
    ``pad="same"`` it is ``size * stride``. Source: Dumoulin and Visin 2016.

    Parameters
    ----------
    filters : int
        Output channels O.
    pad : "valid", "same", int, (int, int) or (top, bottom, left, right)
        Cells cut off around the output.
    output_pad : int or (int, int)
        Cells added at the bottom and right: a convolution of stride s maps s sizes to one, this
        says which of them is meant.

    The others are those of :class:`Conv2d`.

    Attributes
    ----------
    w : Parameter (KH, KW, O/groups, C), as the convolution that leads back has it
    b : Parameter (O,), or None
    """

    filters: int
    kernel_size: int | Pair = 3
    stride: int | Pair = 1
    pad: checks.Pad = "valid"
    output_pad: int | Pair = 0
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    init: InitLike = "he"

    def __post_init__(self) -> None:
        self.filters = checks.count(self, "filters", self.filters)
        self.groups = checks.count(self, "groups", self.groups)
        _check_window(self)
        self.output_pad = checks.size(self, "output_pad", self.output_pad, least=0)

    def setup(self, x: Shape) -> None:
        """Make w and b for the input's channels."""
        checks.images(x)
        checks.groups(x[3], self.filters, self.groups)
        shape = (*checks.pair(self.kernel_size), self.filters // self.groups, x[3])
        initializer = init.grouped(init.transposed(init.get(self.init)), self.groups)
        self.w = self.parameter("w", shape, initializer)
        self.b = _bias(self, self.filters)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, O)."""
        return functional.conv_transpose2d(
            x,
            self.w,
            self.b,
            stride=self.stride,
            pad=self.pad,
            output_pad=self.output_pad,
            dilation=self.dilation,
            groups=self.groups,
        )


def _check_window(layer: Conv2d | DepthwiseConv2d | ConvTranspose2d) -> None:
    """Refuse settings that are no sizes, and initial weights of an unknown name."""
    for name in ("kernel_size", "stride", "dilation"):
        setattr(layer, name, checks.size(layer, name, getattr(layer, name)))
    layer.pad = checks.padding(layer, layer.pad)
    init.get(layer.init)


def _bias(layer: Conv2d | DepthwiseConv2d | ConvTranspose2d, channels: int) -> Parameter | None:
    return layer.parameter("b", (channels,), init.zeros, decay=False) if layer.bias else None
