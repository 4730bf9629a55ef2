"""Floats as integers of the same order, so that the search for the largest vectorises.

LLVM keeps ``largest = x if x > largest else largest`` scalar unless it may assume that there is no
NaN, since the result would depend on the order of the comparisons; integers have no NaN. The bits
of a float, read as an integer, are in the right order already: the exponent stands above the
fraction. Only negative numbers run backwards, which turning over all their bits but the sign puts
right. A NaN then lies beyond the infinity of its sign.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .jit import exact_formula_jit

_INT32_MAX, _INT64_MAX = np.int32(2**31 - 1), np.int64(2**63 - 1)
_SIGN32, _SIGN64 = np.int32(31), np.int64(63)


@exact_formula_jit
def _turn32(bits: np.int32) -> np.int32:
    return np.int32(bits ^ (np.int32(bits >> _SIGN32) & _INT32_MAX))


@exact_formula_jit
def _turn64(bits: np.int64) -> np.int64:
    return np.int64(bits ^ (np.int64(bits >> _SIGN64) & _INT64_MAX))


def place_in_order(x: Any) -> Any:
    """Return an integer that compares with those of other floats as x does with them."""
    return _turn32(x.view(np.int32)) if x.itemsize == 4 else _turn64(x.view(np.int64))


def number_at_place(place: Any) -> Any:
    """Return the float whose place in the order is given."""
    if place.itemsize == 4:
        return _turn32(place).view(np.float32)
    return _turn64(place).view(np.float64)


@overload(place_in_order)
def _place_in_order(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return lambda x: _turn32(np.float32(x).view(np.int32))
    return lambda x: _turn64(np.float64(x).view(np.int64))


@overload(number_at_place)
def _number_at_place(place):  # type: ignore[no-untyped-def]
    if place == types.int32:
        return lambda place: np.int32(_turn32(place)).view(np.float32)
    return lambda place: np.int64(_turn64(place)).view(np.float64)
