"""Rows of numbers: what every kernel does with them before and after the arithmetic."""

import numpy as np

from .bfloat16 import moved
from .jit import Array, formula_jit
from .vector import lane_count, load, load_first, store, store_first


@formula_jit
def add_to(c: Array, c_at: int, a: Array, a_at: int, b: Array, b_at: int, count: int) -> None:
    """c[j] = a[j] + b[j] for j < count: a finished row of sums leaves, its bias on top.

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
