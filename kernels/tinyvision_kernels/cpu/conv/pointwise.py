"""Convolution with a window of one pixel: a dense layer at every pixel.

Nothing of an image's shape is left, so that all pixels of all images are the rows of one matrix and
need no copy with zeros around it. (For the gradient of the weights that copy pays: it brings the
columns of x, which lie far apart, to the nearest cache. So that is left to :mod:`.direct`.)
"""

import numpy as np

from .. import dense
from ..epilogue import PLAIN, Epilogue
from ..jit import Array
from . import direct
from .geometry import Geometry


def applies(geometry: Geometry, dtype: np.dtype) -> bool:
    """Whether each output pixel sees just the input pixel at its place, in all channels."""
    return (
        geometry.window == (1, 1)
        and geometry.stride == (1, 1)
        and geometry.pad == (0, 0, 0, 0)
        and geometry.groups == 1
    )


def forward(
    y: Array, x: Array, w: Array, bias: Array, geometry: Geometry, epilogue: Epilogue = PLAIN
) -> None:
    """y (N, H, W, O) from x (N, H, W, C), w (1, 1, C, O) and bias (O,)."""
    if epilogue.argmax is not None:  # which looks at pixels
        direct.forward(y, x, w, bias, geometry, epilogue)
        return
    C, O = geometry.channels
    dense.dense(y.reshape(-1, O), x.reshape(-1, C), w.reshape(C, O), bias, epilogue.low)


def input_gradient(dx: Array, dy: Array, w: Array, geometry: Geometry) -> None:
    """dx (N, H, W, C) from dy (N, H, W, O) and w (1, 1, C, O)."""
    C, O = geometry.channels
    dense.dense_dx(dx.reshape(-1, C), dy.reshape(-1, O), w.reshape(C, O))
