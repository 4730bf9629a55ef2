"""Functions on tensors: what layers call, and what networks can be written with directly.

Images are channels-last, ``(N, H, W, C)``. Every function takes tensors (or arrays, which become
constants) of one dtype and returns a tensor. Formulas stand beside the ops, in ``ops/``, and the
kernels, in ``kernels/tinyvision_kernels/contract/``.

- ``linear.py``: dense layers and convolutions;
- ``activation.py``, ``norm.py``, ``pool.py``: what stands between them;
- ``loss.py``: what is minimised;
- ``joining.py``: choosing between tensors and joining them;
- ``operands.py``: how values of any kind become tensors.
"""

from .activation import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from .joining import concat, maximum, minimum, stack, where
from .linear import conv2d, conv_transpose2d, dense
from .loss import as_labels, bce_with_logits, cross_entropy, cross_entropy_of_rows
from .norm import batch_norm, dropout, group_norm, layer_norm
from .pool import (
    avg_pool2d,
    global_avg_pool2d,
    max_pool2d,
    pad_shortcut,
    resize2d,
    upsample2d,
)

__all__ = [
    "as_labels",
    "avg_pool2d",
    "batch_norm",
    "bce_with_logits",
    "concat",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "cross_entropy_of_rows",
    "dense",
    "dropout",
    "gelu",
    "global_avg_pool2d",
    "group_norm",
    "layer_norm",
    "leaky_relu",
    "log_softmax",
    "max_pool2d",
    "maximum",
    "minimum",
    "pad_shortcut",
    "relu",
    "resize2d",
    "sigmoid",
    "silu",
    "softmax",
    "stack",
    "tanh",
    "upsample2d",
    "where",
]
