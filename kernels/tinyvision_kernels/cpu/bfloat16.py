"""bfloat16 in compiled code, which knows no such type: the bits as uint16, their value as float32.

A bfloat16 is the upper half of a float32, so that to widen it takes a shift, and to narrow a
float32 takes a rounding of its lower half. In this folder **an array of uint16 holds bfloat16**;
nothing else is kept in that type. What reads numbers or stores sums passes them through
:func:`number` and :func:`stored`, which do nothing to other types, so that the loops around them
are written once.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .jit import Array, exact_formula_jit

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
