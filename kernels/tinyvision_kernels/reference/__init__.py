"""The reference kernels: the plainest array code that says what each kernel computes.

Every function takes the array module ``xp`` first (NumPy, or CuPy, whose functions have the same
names), so that one text serves the CPU and the GPU. To keep that true no kernel here

- calls anything that the array module does not have, or mixes in arrays of another module;
- looks at a value (``if``, ``float`` ...): on a GPU that would wait for all work in flight;
- changes precision: what comes in as float32 is computed in float32, and Python's numbers adapt.

They are written to be read, and to be right; the fast kernels are held equal to them. For the very
first reading, :mod:`.naive_conv` spells convolution out in seven loops.
"""

from collections.abc import Callable, Mapping

from ..contract import KERNELS
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
from .bfloat16 import through_float32

_FAMILIES = (
    *(activation, conv, dense, loss, norm, pool, random, update),
    *(fused_conv, fused_norm, shortcut, convert, augment, retouch, resize),
)


def _entry(name: str, function: Callable[..., None]) -> Callable[..., None]:
    contract = KERNELS[name]
    return through_float32(function, len(contract.outputs)) if contract.bfloat16 else function


TABLE: Mapping[str, Callable[..., None]] = {
    name: _entry(name, function)
    for family in _FAMILIES
    for name, function in vars(family).items()
    if name in KERNELS
}
