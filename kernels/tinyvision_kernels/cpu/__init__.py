"""The kernels in Numba, on all cores: the same bits for any number of threads.

The files mirror those of ``contract/``. A kernel is two functions: a launcher of the contract's
name, plain Python, that turns settings into numbers of one type and arrays into the shape that the
loops want, and beside it the compiled loops. What "the same bits" takes is in :mod:`.chunks`.
"""

from collections.abc import Callable, Mapping

import numba

from ..contract import KERNELS
from . import activation, conv, dense, fused_conv, fused_norm, loss, norm, pool, random, update

_FAMILIES = (
    *(activation, conv, dense, loss, norm, pool, random, update),
    *(fused_conv, fused_norm),
)

TABLE: Mapping[str, Callable[..., None]] = {
    name: function
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name in KERNELS
}


def thread_count() -> int:
    """Count the threads that the kernels run on."""
    return int(numba.get_num_threads())
