"""Convolution (contracts in ``contract/conv.py``), by several algorithms.

Each algorithm is a file with the same three functions, ``forward``, ``input_gradient`` and
``weight_gradient``; :mod:`.choice` says which of them computes what.
"""

import numpy as np

from ..bfloat16 import sum_type
from ..bias_grad import bias_grad
from ..jit import Array
from .choice import choose
from .geometry import Geometry, Pair

__all__ = ["bias_grad", "conv2d", "conv2d_dw", "conv2d_dx"]

Pads = tuple[int, int, int, int]  # (top, bottom, left, right)


def conv2d(
    y: Array, x: Array, w: Array, b: Array | None,
    stride: Pair, pad: Pads, dilation: Pair, groups: int, algorithm: str = "auto",
) -> None:  # fmt: skip
    """y (N, OH, OW, O) from x (N, H, W, C), w (KH, KW, C / groups, O) and b (O,)."""
    geometry = _geometry(x.shape, y.shape, w.shape[:2], stride, pad, dilation, groups)
    bias = np.zeros(w.shape[3], sum_type(w)) if b is None else b
    choose("forward", geometry, x.dtype, algorithm).forward(y, x, w, bias, geometry)


def conv2d_dx(
    dx: Array, dy: Array, w: Array,
    size: Pair, stride: Pair, pad: Pads, dilation: Pair, groups: int, algorithm: str = "auto",
) -> None:  # fmt: skip
    """dx (N, H, W, C) from dy (N, OH, OW, O) and w (KH, KW, C / groups, O)."""
    geometry = _geometry(dx.shape, dy.shape, w.shape[:2], stride, pad, dilation, groups)
    choose("input_gradient", geometry, dy.dtype, algorithm).input_gradient(dx, dy, w, geometry)


def conv2d_dw(
    dw: Array, x: Array, dy: Array,
    window: Pair, stride: Pair, pad: Pads, dilation: Pair, groups: int, algorithm: str = "auto",
) -> None:  # fmt: skip
    """dw (KH, KW, C / groups, O) from x (N, H, W, C) and dy (N, OH, OW, O)."""
    geometry = _geometry(x.shape, dy.shape, window, stride, pad, dilation, groups)
    choose("weight_gradient", geometry, x.dtype, algorithm).weight_gradient(dw, x, dy, geometry)


def _geometry(
    x: tuple[int, ...], y: tuple[int, ...], window: Pair,
    stride: Pair, pad: Pads, dilation: Pair, groups: int,
) -> Geometry:  # fmt: skip
    N, H, W, C = x
    _, OH, OW, O = y
    return Geometry(N, (H, W), (OH, OW), (C, O), window, stride, pad, dilation, groups)
