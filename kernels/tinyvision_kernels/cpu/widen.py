"""Whole arrays between bfloat16 and float32, for kernels that cannot convert as they go."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .bfloat16 import is_bfloat16
from .convert import narrow, widen
from .jit import Array, Function
from .scratch import borrow


def widened(array: Array, name: str) -> Array:
    """Copy bfloat16 numbers to float32, into working memory of that name."""
    wide = borrow(name, array.size, np.float32)
    widen(wide.reshape(array.shape), array)
    return wide.reshape(array.shape)


def through_float32(outputs: int) -> Callable[[Function], Function]:
    """Have a launcher that knows no bfloat16 take such arrays, the first so many to be filled.

    They pass through working memory in float32: right everywhere, and as slow as two more copies.
    """

    def decorate(launcher: Function) -> Function:
        @wraps(launcher)
        def launch(*arguments: Any) -> None:
            narrow_ones = [i for i, a in enumerate(arguments) if _is_one(a)]
            wide = list(arguments)
            for i in narrow_ones:
                name, array = f"argument {i}", arguments[i]
                if i < outputs:
                    wide[i] = borrow(name, array.size, np.float32).reshape(array.shape)
                else:
                    wide[i] = widened(array, name)
            launcher(*wide)
            for i in narrow_ones:
                if i < outputs:
                    narrow(arguments[i], wide[i])

        return launch  # type: ignore[return-value]

    return decorate


def _is_one(argument: Any) -> bool:
    return isinstance(argument, np.ndarray) and is_bfloat16(argument)
