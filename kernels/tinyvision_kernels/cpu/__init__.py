"""The kernels in Numba, on all cores: the same bits for any number of threads.

The files mirror those of ``contract/``. A kernel is two functions: a launcher of the contract's
name, plain Python, that turns settings into numbers of one type and arrays into the shape that the
loops want, and beside it the compiled loops. What "the same bits" takes is in :mod:`.chunks`.
"""

from collections.abc import Callable, Mapping

import numba

from ..contract import KERNELS
from . import activation, conv, dense, fused_conv, fused_norm, loss, norm, pool, random, update
from .widen import through_float32

# What converts bfloat16 as it goes; other kernels pass through whole arrays of float32.
_TAKE_BFLOAT16 = frozenset([
    "conv2d", "conv2d_dx", "conv2d_dw", "dense", "dense_dx", "dense_dw", "bias_grad", "dropout",
    "relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "add_relu", "conv2d_relu",
    "relu_dx", "leaky_relu_dx", "gelu_dx", "silu_dx", "sigmoid_dx", "tanh_dx", "dense_relu",
])  # fmt: skip

_FAMILIES = (
    *(activation, conv, dense, loss, norm, pool, random, update),
    *(fused_conv, fused_norm),
)


def _entry(name: str, launcher: Callable[..., None]) -> Callable[..., None]:
    contract = KERNELS[name]
    if not contract.bfloat16 or name in _TAKE_BFLOAT16:
        return launcher
    return through_float32(len(contract.outputs))(launcher)


TABLE: Mapping[str, Callable[..., None]] = {
    name: _entry(name, function)
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name in KERNELS
}


def thread_count() -> int:
    """Count the threads that the kernels run on."""
    return int(numba.get_num_threads())
