"""The list of kernels: what each computes, from which arrays, into which shapes.

A contract is a function of *shapes*. Its parameters annotated ``Shape`` (or ``OptionalShape``)
stand for arrays that the kernel is given, the others for plain settings; it checks that the shapes
fit and returns the shapes of the arrays that the kernel fills. An implementation of the kernel has
the same name in ``reference/``, ``cpu/`` or ``cuda/`` and is called as ::

    implementation(*outputs, *updates, *inputs, *settings)

with C-contiguous arrays of one float type (labels are int64, raw images uint8): it fills
``outputs``, which hold garbage before, changes ``updates`` in place, and otherwise touches nothing,
validates nothing, and knows no class. So a contract is all that a backend, a test or a planner
needs to call any implementation. The reference kernels take the array module as one more argument,
in front.

The one float type is float32 or float64. Some kernels take bfloat16 as well, the upper half of a
float32: its range in half the memory, with two to three digits. They multiply such numbers exactly,
add up in float32, and round a number once, when it is stored, to the nearest (of two, to the even
one). Arrays that three digits would spoil are float32 even then: :data:`FLOAT32`.

Letters: N images, H x W pixels, C input and O output channels, OH x OW window positions, KH x KW
window cells, I inputs of a dense layer, M rows, K classes, D features, G groups. Gradients carry a
``d``: ``dy`` is dloss/dy.
"""

from . import (
    activation,
    augment,
    conv,
    convert,
    dense,
    fused_conv,
    fused_norm,
    loss,
    norm,
    pool,
    random,
    resize,
    retouch,
    shortcut,
    update,
)
from .registry import (
    FLOAT32,
    KERNELS,
    AlgorithmError,
    Contract,
    OptionalShape,
    Pads,
    Pair,
    Shape,
    ShapeError,
)
from .window import window_count, windows

__all__ = [
    "FLOAT32",
    "KERNELS",
    "AlgorithmError",
    "Contract",
    "OptionalShape",
    "Pads",
    "Pair",
    "Shape",
    "ShapeError",
    "activation",
    "augment",
    "conv",
    "convert",
    "dense",
    "fused_conv",
    "fused_norm",
    "loss",
    "norm",
    "pool",
    "random",
    "resize",
    "retouch",
    "shortcut",
    "update",
    "window_count",
    "windows",
]
