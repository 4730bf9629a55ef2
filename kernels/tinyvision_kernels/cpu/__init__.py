"""The kernels in Numba, on all cores: the same bits for any number of threads.

The files mirror those of ``contract/``. A kernel is two functions: a launcher of the contract's
name, plain Python, that turns settings into numbers of one type and arrays into the shape that the
loops want, and beside it the compiled loops. What they are built with, from the ground up:

- compiling and keeping what was compiled: ``jit``, ``compile_once``, ``cache``, ``ahead``;
- recording calls, to replay them without Python: ``noting``, ``native``, ``program``, and for one
  thread ``alone``, by ``assembly``;
- sharing out work and memory: ``chunks``, which says what "the same bits" takes, and ``scratch``;
- numbers side by side: ``vector``, ``mask``, ``order``, ``exponential``, ``transpose``,
  ``prefetch``, and for bfloat16 ``bfloat16``, ``widen``, ``pairs``;
- products of matrices: ``tile``, ``product``, ``panels``, ``one_row``, ``rows``, ``longer``,
  ``epilogue``;
- passes over images: ``windows``, ``sums``, ``bias_grad``, ``unpool``, and those of batch norm and
  its kin, ``norm_passes``, ``parts``, ``part_norm``, ``part_norm_grad``, ``apply_norm``,
  ``pooled_passes``.
"""

from collections.abc import Callable, Mapping

import numba

from ..contract import KERNELS
from . import (
    activation,
    augment,
    conv,
    convert,
    dense,
    fused_conv,
    fused_norm,
    global_pool,
    loss,
    norm,
    pool,
    random,
    resize,
    retouch,
    shortcut,
    update,
    upsample,
)
from .widen import through_float32

# Of what may be bfloat16, most kernels convert number by number; these have whole arrays converted.
_IN_FLOAT32 = frozenset([
    "upsample2d", "upsample2d_dx", "layer_norm", "layer_norm_grad", "dropout",
])  # fmt: skip

_FAMILIES = (
    *(activation, conv, dense, loss, norm, pool, global_pool, upsample, random, update),
    *(fused_conv, fused_norm, shortcut, convert, augment, retouch, resize),
)


def _entry(name: str, launcher: Callable[..., None]) -> Callable[..., None]:
    if name in _IN_FLOAT32:
        return through_float32(len(KERNELS[name].outputs))(launcher)
    return launcher


TABLE: Mapping[str, Callable[..., None]] = {
    name: _entry(name, function)
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name in KERNELS
}


def thread_count() -> int:
    """Count the threads that the kernels run on."""
    return int(numba.get_num_threads())
