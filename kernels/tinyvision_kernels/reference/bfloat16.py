"""bfloat16 by way of float32: widen what comes in, compute, round what goes out once.

A bfloat16 is the upper half of a float32, so that to widen one is exact, and so is the product of
two (8 bits times 8 bits, where float32 has 24). All rounding is that of float32's sums, and of the
one conversion at the end, to the nearest bfloat16 (of two, to the even one). That is the meaning of
every kernel in bfloat16; whoever computes faster must come out within the same bounds.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any


def through_float32(kernel: Callable[..., None], outputs: int) -> Callable[..., None]:
    """Make a kernel with so many outputs take bfloat16 arrays as well."""

    @wraps(kernel)
    def run(xp: Any, *arguments: Any) -> None:
        if not any(map(_is_bfloat16, arguments)):
            kernel(xp, *arguments)
            return
        wide = [a.astype(xp.float32) if _is_bfloat16(a) else a for a in arguments]
        kernel(xp, *wide)
        for narrow, result in zip(arguments[:outputs], wide[:outputs], strict=True):
            if narrow is not result:
                narrow[...] = result.astype(narrow.dtype)

    return run


def _is_bfloat16(argument: Any) -> bool:
    return hasattr(argument, "dtype") and argument.dtype.name == "bfloat16"
