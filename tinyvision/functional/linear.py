"""Dense layers and convolutions: each output a weighted sum of inputs."""

from typing import Any

from tinyvision_kernels.contract import Pair

from ..ops.conv import Conv2d, ConvTranspose2d
from ..ops.dense import Dense
from ..ops.window import Pad, grown, pads, pair, whole
from ..tensor import Tensor, as_tensor
from .operands import as_images, need_four, run


def dense(x: Any, w: Any, b: Any = None) -> Tensor:
    """Return ``x @ w + b``: x (..., I), w (I, O), b (O,) -> (..., O)."""
    return run(Dense(), x, w, b)


def conv2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | Pair = 1,
    pad: Pad = "valid",
    dilation: int | Pair = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Tensor:
    """Slide windows over images: (N, H, W, C) -> (N, OH, OW, O), by cross-correlation.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    w : Tensor (KH, KW, C/groups, O)
    b : Tensor (O,), optional
    stride, dilation : int or (int, int)
        Step of the window, and distance between its cells, along H and W.
    pad : "valid", "same", int, (int, int) or (top, bottom, left, right)
        Zeros around the image. "same" makes the output ``ceil(size / stride)``; where the number
        of zeros is odd, the one more goes to the bottom or right, as in TensorFlow and ONNX
        (SAME_UPPER).
    groups : int
        Each group of O/groups output channels sees its own C/groups input channels.
    algorithm : str
        A way to compute it, by name, to compare one with another; "auto" takes what is fastest.
        The cpu backend knows "direct", "depthwise" and "winograd" with their gradients, and without
        one or both of these "linewise", "planar" and "pointwise"; the reference backend "im2col"
        and "loops".

    Raises
    ------
    ShapeError
        The channels do not fit, or the window is larger than the padded image.
    ValueError
        A setting that makes no sense; an algorithm that the backend does not know, or that cannot
        compute this convolution.
    """
    x, w = as_images(x), as_tensor(w)
    need_four("w", w, "KH, KW, C/groups, O")
    steps, spread = pair("stride", stride), pair("dilation", dilation)
    margins = pads(pad, x.shape[1:3], w.shape, steps, spread)
    return run(Conv2d(steps, margins, spread, whole("groups", groups), algorithm), x, w, b)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | Pair = 1,
    pad: Pad = "valid",
    output_pad: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Transpose a convolution: each pixel of x adds a window, weighted by its value, to the output.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    w : Tensor (KH, KW, O/groups, C)
        The weight of the convolution that would lead from the output back to x.
    b : Tensor (O,), optional
    stride, pad, dilation, groups
        Those of that convolution: ``pad`` cuts cells off around the output, and "same" makes it
        ``size * stride``.
    output_pad : int or (int, int)
        Cells added at the bottom and right; smaller than the stride.

    Returns
    -------
    Tensor (N, OH, OW, O)
        With OH = (H - 1) * stride + dilation * (KH - 1) + 1 - top - bottom + output_pad, if pad is
        not "same".
    """
    x, w = as_images(x), as_tensor(w)
    need_four("w", w, "KH, KW, O/groups, C")
    steps, spread = pair("stride", stride), pair("dilation", dilation)
    extra = pair("output_pad", output_pad, least=0)
    size, margins = grown(x.shape[1:3], w.shape, steps, pad, extra, spread)
    op = ConvTranspose2d(size, steps, margins, spread, whole("groups", groups))
    return run(op, x, w, b)
