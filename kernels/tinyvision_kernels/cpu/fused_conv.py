"""Convolution and dense layers with what follows them (contracts in ``contract/fused_conv.py``).

Forward, an algorithm finishes its sums by an epilogue (:mod:`.epilogue`). What has none runs as the
plain kernels one after another: the depthwise algorithm; pooling in bfloat16, where winners are
told apart only after rounding; and statistics, which gain nothing (:mod:`.epilogue`).
"""

from collections.abc import Callable
from math import prod

import numpy as np

from ..contract import Pair, windows
from .activation import relu
from .bfloat16 import is_bfloat16, sum_type
from .bias_grad import mask_and_sum
from .conv import Pads, conv2d, depthwise
from .conv.choice import choose
from .conv.geometry import Geometry
from .dense import dense
from .epilogue import RELU, Epilogue
from .fused_norm import batch_norm_statistics
from .jit import Array
from .pooled_passes import apply_relu_max_pool
from .scratch import borrow
from .unpool import unpool_and_sum

# ----------------------------------------------------------------------------
# Forward
# ----------------------------------------------------------------------------


def conv2d_relu(
    y: Array, x: Array, w: Array, b: Array | None,
    stride: Pair, pad: Pads, dilation: Pair, groups: int, algorithm: str = "auto",
) -> None:  # fmt: skip
    """y = max(z, 0) of the convolution z."""
    how = stride, pad, dilation, groups, algorithm
    if (finish := _convolution(x, w, b, *how)) is not None:
        finish(y, RELU)
    else:
        conv2d(y, x, w, b, *how)
        relu(y, y)


def conv2d_relu_max_pool(
    y: Array, argmax: Array, x: Array, w: Array, b: Array | None,
    stride: Pair, pad: Pads, dilation: Pair, groups: int, algorithm: str = "auto",
) -> None:  # fmt: skip
    """The same, pooled."""
    how = stride, pad, dilation, groups, algorithm
    if not is_bfloat16(x) and (finish := _convolution(x, w, b, *how)) is not None:
        finish(y, Epilogue(0.0, argmax))
        return
    O = w.shape[3]
    shape = x.shape[0], *windows(x.shape[1:3], w.shape[:2], stride, pad, dilation), O
    z = borrow("before pooling", prod(shape), x.dtype).reshape(shape)
    conv2d(z, x, w, b, *how)
    nothing, one = np.zeros(O, sum_type(x)), np.ones(O, sum_type(x))
    apply_relu_max_pool(y, argmax, z, one, nothing, nothing, one)


def conv2d_statistics(
    y: Array, mean: Array, inv_std: Array, running_mean: Array, running_var: Array,
    x: Array, w: Array, b: Array | None,
    stride: Pair, pad: Pads, dilation: Pair, groups: int, eps: float, momentum: float,
    algorithm: str = "auto",
) -> None:  # fmt: skip
    """Convolve, and take the statistics that batch norm will want."""
    conv2d(y, x, w, b, stride, pad, dilation, groups, algorithm)
    batch_norm_statistics(mean, inv_std, running_mean, running_var, y, eps, momentum)


def _convolution(
    x: Array, w: Array, b: Array | None,
    stride: Pair, pad: Pads, dilation: Pair, groups: int, algorithm: str,
) -> Callable[[Array, Epilogue], None] | None:  # fmt: skip
    """Return what convolves into a given y with a given epilogue, if its algorithm has any."""
    N, H, W, C = x.shape
    KH, KW, _, O = w.shape
    positions = windows((H, W), (KH, KW), stride, pad, dilation)
    geometry = Geometry(N, (H, W), positions, (C, O), (KH, KW), stride, pad, dilation, groups)
    chosen = choose("forward", geometry, x.dtype, algorithm)
    if chosen is depthwise:
        return None
    bias = np.zeros(O, sum_type(w)) if b is None else b
    return lambda y, epilogue: chosen.forward(y, x, w, bias, geometry, epilogue)


def dense_relu(y: Array, x: Array, w: Array, b: Array | None) -> None:
    """y = max(x @ w + b, 0)."""
    dense(y, x, w, b, low=0.0)


# ----------------------------------------------------------------------------
# Backward, until the gradients of the plain layer take over
# ----------------------------------------------------------------------------


def relu_bias_grad(dz: Array, db: Array, dy: Array, y: Array) -> None:
    """Mask dy by the ReLU's output, and sum what passes."""
    mask_and_sum(dz, db, dy, y)


def relu_max_pool_bias_grad(dz: Array, db: Array, dy: Array, argmax: Array, size: Pair) -> None:
    """Send dy to the cells that won, and sum it."""
    unpool_and_sum(dz, db, dy, argmax)
