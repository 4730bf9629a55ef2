"""The list of kernels: what each computes, from which arrays, into which shapes.

A contract is a function of *shapes*. Its parameters annotated ``Shape`` (or ``OptionalShape``)
stand for arrays that the kernel is given, the others for plain settings; it checks that the shapes
fit and returns the shapes of the arrays that the kernel fills. An implementation of the kernel has
the same name in ``reference/``, ``cpu/`` or ``cuda/`` and is called as ::

    implementation(*outputs, *updates, *inputs, *settings)

with C-contiguous arrays of one float type (labels are int64): it fills ``outputs``, which hold
garbage before, changes ``updates`` in place, and otherwise touches nothing, validates nothing, and
knows no class. So a contract is all that a backend, a test or a planner needs to call any
implementation. The reference kernels take the array module as one more argument, in front.

Letters: N images, H x W pixels, C input and O output channels, OH x OW window positions, KH x KW
window cells, I inputs of a dense layer, M rows, K classes, D features, G groups. Gradients carry a
``d``: ``dy`` is dloss/dy.
"""

from . import activation, conv, dense, loss, norm, pool, random, update
from .registry import KERNELS, Contract, OptionalShape, Pads, Pair, Shape, ShapeError
from .window import window_count, windows

__all__ = [
    "KERNELS",
    "Contract",
    "OptionalShape",
    "Pads",
    "Pair",
    "Shape",
    "ShapeError",
    "activation",
    "conv",
    "dense",
    "loss",
    "norm",
    "pool",
    "random",
    "update",
    "window_count",
    "windows",
]
