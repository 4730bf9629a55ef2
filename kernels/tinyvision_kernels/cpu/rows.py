"""Rows of numbers: what every kernel does with them before and after the arithmetic."""

from typing import Any

import numpy as np

from .bfloat16 import moved
from .jit import Array, exact_formula_jit, formula_jit, inline_jit
from .mask import choose
from .vector import lane_count, load, load_first, store, store_first


@exact_formula_jit
def at_least(low: Any, value: Any) -> Any:
    """max(value, low), and NaN for NaN."""
    return choose(value <= low, low, value)


@inline_jit
def leave(
    c: Array, c_at: int, c_rows: Array, first: int,
    a: Array, a_at: int, a_row: int, b: Array, b_at: int, rows: int, count: int, low: float,
) -> None:  # fmt: skip
    """c[i, j] = max(a[i, j] + b[j], low) for j < count: finished sums leave, their bias on top.

    Row i of c begins at ``c_at + c_rows[first + i]``, row i of a at ``a_at + i * a_row``. All rows
    in one call: for each one Numba would count the references to three arrays up and down.
    """
    lanes = lane_count(a)
    whole = count - count % lanes
    for i in range(rows):
        to, of = c_at + c_rows[first + i], a_at + i * a_row
        if count == lanes:  # the common cases: one vector, or the two of a tile
            store(c, to, at_least(low, load(a, of) + load(b, b_at)))
        elif count == 2 * lanes:
            store(c, to, at_least(low, load(a, of) + load(b, b_at)))
            store(c, to + lanes, at_least(low, load(a, of + lanes) + load(b, b_at + lanes)))
        else:
            for j in range(0, whole, lanes):
                store(c, to + j, at_least(low, load(a, of + j) + load(b, b_at + j)))
            rest = count - whole
            total = load_first(a, of + whole, rest) + load_first(b, b_at + whole, rest)
            store_first(c, to + whole, at_least(low, total), rest)


@formula_jit
def add_to(c: Array, c_at: int, a: Array, a_at: int, b: Array, b_at: int, count: int) -> None:
    """c[j] = a[j] + b[j] for j < count.

    The vectors are explicit: for a row as short as a block of columns LLVM would unroll the loop
    into numbers before it looks for vectors.
    """
    lanes = lane_count(a)
    for j in range(0, count, lanes):
        if j + lanes <= count:
            store(c, c_at + j, load(a, a_at + j) + load(b, b_at + j))
        else:
            left = count - j
            total = load_first(a, a_at + j, left) + load_first(b, b_at + j, left)
            store_first(c, c_at + j, total, left)


@formula_jit
def copy(c: Array, c_at: int, a: Array, a_at: int, count: int) -> None:
    """c[j] = a[j] for j < count."""
    to, of = np.uintp(c_at), np.uintp(a_at)
    for j in range(np.uintp(count)):
        c[to + j] = moved(a[of + j], c)


@formula_jit
def zero(c: Array, c_at: int, count: int) -> None:
    """c[j] = 0 for j < count."""
    to = np.uintp(c_at)
    for j in range(np.uintp(count)):
        c[to + j] = 0
