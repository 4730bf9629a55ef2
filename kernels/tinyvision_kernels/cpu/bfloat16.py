"""bfloat16 in compiled code, which knows no such type: the bits as uint16, their value as float32.

A bfloat16 is the upper half of a float32, so that to widen it takes a shift, and to narrow a
float32 takes a rounding of its lower half. In this folder **an array of uint16 holds bfloat16**;
nothing else is kept in that type. What reads numbers or stores sums passes them through
:func:`number` and :func:`stored`, which do nothing to other types, so that the loops around them
are written once.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .chunks import Arrays, Settings, chunk_length, chunked
from .jit import Array, Function, body_jit, exact_formula_jit
from .scratch import borrow

BITS = np.dtype(np.uint16)


def is_bfloat16(array: Array) -> bool:
    """Whether an array, as a kernel is given it, is one of bfloat16."""
    return array.dtype.kind == "V"  # to NumPy a type of somebody else's; compares faster than names


def bits(array: Array) -> Array:
    """View bfloat16 numbers as compiled code takes them; leave arrays of other types alone."""
    return array.view(BITS) if is_bfloat16(array) else array


def sum_type(array: Array) -> np.dtype:
    """Return the type in which such numbers are added up."""
    return np.dtype(np.float32) if is_bfloat16(array) else array.dtype


def widened(array: Array, name: str) -> Array:
    """Copy bfloat16 numbers to float32, into working memory of that name."""
    wide = borrow(name, array.size, np.float32)
    _convert((wide, bits(array).reshape(-1)), (), array.size, chunk_length(array.size))
    return wide.reshape(array.shape)


def narrow(array: Array, wide: Array) -> None:
    """Round float32 numbers into an array of bfloat16."""
    arrays = bits(array).reshape(-1), wide.reshape(-1)
    _convert(arrays, (), array.size, chunk_length(array.size))


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


def number(value: Any) -> Any:
    """Return what a number read from an array is worth."""
    return _widen(value) if isinstance(value, np.uint16) else value


def stored(value: Any, array: Array) -> Any:
    """Return a number as it is written to an array."""
    return _narrow(value) if array.dtype == BITS else value


def moved(value: Any, array: Array) -> Any:
    """Return a number read from one array as it is written to another, of either type."""
    return value if value.dtype == array.dtype else stored(number(value), array)


@exact_formula_jit
def _widen(value: np.uint16) -> np.float32:
    return np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)


@exact_formula_jit
def _narrow(value: np.float32) -> np.uint16:
    # Half a unit is added to the bits to be kept, or a little less where they end on 0 already, so
    # that the middle between two goes to the even one. A carry goes on into the exponent, rightly.
    raw = np.float32(value).view(np.uint32)
    last = np.uint32(raw >> np.uint32(16)) & np.uint32(1)
    near = np.uint32(raw + np.uint32(0x7FFF) + last) >> np.uint32(16)
    return np.uint16(near if value == value else 0x7FC0)  # the carry would ruin a NaN


@overload(number, jit_options={"forceinline": True})
def _number(value):  # type: ignore[no-untyped-def]
    if value == types.uint16:
        return lambda value: _widen(value)
    return lambda value: value


@overload(stored, jit_options={"forceinline": True})
def _stored(value, array):  # type: ignore[no-untyped-def]
    if array.dtype == types.uint16:
        return lambda value, array: _narrow(np.float32(value))
    return lambda value, array: value


@overload(moved, jit_options={"forceinline": True})
def _moved(value, array):  # type: ignore[no-untyped-def]
    if value == array.dtype:
        return lambda value, array: value
    return lambda value, array: stored(number(value), array)


@body_jit
def _convert_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    to, of = arrays
    for i in range(np.uintp(start), np.uintp(stop)):
        to[i] = stored(number(of[i]), to)


_convert = chunked(_convert_of)
