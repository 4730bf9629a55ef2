"""Settings of windows as people write them (3, (3, 5), "same"), turned into what ops take."""

import operator
from typing import Any

from tinyvision_kernels.contract import Pads, Pair, Shape, ShapeError

Pad = str | int | Pair | Pads  # how padding may be written


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return a setting that must be a whole number of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def pair(name: str, value: Any, least: int = 1) -> Pair:
    """Return a setting along H and along W: one number counts for both."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name} must be a number or a pair (along H, along W), got {value!r}")
    return whole(name, values[0], least), whole(name, values[1], least)


def reach(window: int, dilation: int) -> int:
    """Count the cells from the first to the last that a window looks at."""
    return dilation * (window - 1) + 1


def pads(pad: Pad, size: Shape, window: Shape, stride: Pair, dilation: Pair = (1, 1)) -> Pads:
    """Return (top, bottom, left, right) for an image of ``size`` = (H, W).

    Parameters
    ----------
    pad : "valid", "same", int, (int, int) or (int, int, int, int)
        No zeros; as many as make the output ceil(size / stride), the odd one at the bottom or right
        (TensorFlow's SAME, ONNX's SAME_UPPER); so many on each side; so many along H and along W;
        top, bottom, left and right.
    """
    if pad == "valid":
        return (0, 0, 0, 0)
    if pad == "same":
        top, bottom = _same(size[0], window[0], stride[0], dilation[0])
        left, right = _same(size[1], window[1], stride[1], dilation[1])
    elif isinstance(pad, (tuple, list)) and len(pad) == 4:
        top, bottom, left, right = (whole("pad", cells, least=0) for cells in pad)
    elif isinstance(pad, str) or (isinstance(pad, (tuple, list)) and len(pad) != 2):
        raise ValueError(
            "pad must be 'valid', 'same', a number, (along H, along W) or "
            f"(top, bottom, left, right), got {pad!r}"
        )
    else:
        top, left = bottom, right = pair("pad", pad, least=0)
    return top, bottom, left, right


def _same(size: int, window: int, stride: int, dilation: int) -> Pair:
    positions = -(-size // stride)  # ceil(size / stride)
    total = max((positions - 1) * stride + reach(window, dilation) - size, 0)
    return total // 2, total - total // 2


def grown(
    size: Shape, window: Shape, stride: Pair, pad: Pad, output_pad: Pair, dilation: Pair
) -> tuple[Pair, Pads]:
    """Return the output's (H, W) of a transposed convolution, and its pads.

    (size - 1) * stride + reach - pads + output_pad, or with pad="same" size * stride.
    """
    if output_pad[0] >= stride[0] or output_pad[1] >= stride[1]:
        raise ValueError(f"output_pad {output_pad} must be smaller than the stride {stride}")
    if pad == "same":
        if any(output_pad):
            raise ValueError("pad='same' sets the output to size * stride: leave output_pad at 0")
        height, width = size[0] * stride[0], size[1] * stride[1]
        return (height, width), pads(pad, (height, width), window, stride, dilation)
    top, bottom, left, right = margins = pads(pad, size, window, stride, dilation)
    height = (size[0] - 1) * stride[0] + reach(window[0], dilation[0]) - top - bottom
    width = (size[1] - 1) * stride[1] + reach(window[1], dilation[1]) - left - right
    height, width = height + output_pad[0], width + output_pad[1]
    if min(height, width) < 1:
        raise ShapeError(
            f"pad {margins} cuts the whole output away: it would be {height} x {width}; use less"
        )
    return (height, width), margins
