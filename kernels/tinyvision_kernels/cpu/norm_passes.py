"""The passes over the data of which batch norm is made, alone and with what follows it.

An array (..., C) is a flat sequence in which the channels repeat every C numbers. Cut into rows of
W numbers, W a multiple of C, it is a matrix whose every column belongs to one channel. W is also a
multiple of the processor's vectors, so that all lanes are full even where there are few channels;
the last row may be short. Vectors of one number a channel are laid out in rows of that width, too.

What happens to a number is written down once, as a formula for numbers and for SIMD vectors, in
which only multiply-adds are fused (``exact_formula_jit``). So every pass that computes y computes
the same y, to the last bit, and the mask that backward computes anew is the one forward applied.
"""

from collections.abc import Callable
from math import gcd
from typing import Any

import numpy as np

from .bfloat16 import number, stored, sum_type
from .chunks import Arrays
from .jit import Array, exact_formula_jit, formula_jit, inline_jit
from .mask import choose
from .prefetch import prefetch
from .tile import HOST
from .vector import lane_count, load, store, zeros

_ABREAST = 4  # vectors whose sums are in registers at a time
_GROUP = 16  # rows that are summed in the data's own precision, before float64
_AHEAD = 256  # numbers


def row_width(C: int, like: Array) -> int:
    """Numbers in a row: whole pixels of C channels that are whole groups of vectors, too."""
    unit = _ABREAST * HOST.vector_bytes // sum_type(like).itemsize
    return C * (unit // gcd(C, unit))


# ----------------------------------------------------------------------------
# The formulas
# ----------------------------------------------------------------------------


@exact_formula_jit
def normalised(x: Any, mean: Any, scale: Any, beta: Any) -> Any:
    """y of batch norm. Not x * scale + shift: a small difference of numbers that may be large."""
    return (x - mean) * scale + beta


@exact_formula_jit
def plus(value: Any, residual: Any) -> Any:
    """value + residual."""
    return value + residual


@exact_formula_jit
def relu(value: Any) -> Any:
    """max(value, 0), and NaN for NaN."""
    return choose(value <= 0, 0, value)


@exact_formula_jit
def sum_relu(a: Any, b: Any) -> Any:
    """max(a + b, 0)."""
    return relu(a + b)


@exact_formula_jit
def where_positive(y: Any, dy: Any) -> Any:
    """dy where the ReLU's output y is positive, else 0."""
    return choose(y > 0, dy, 0)


@exact_formula_jit
def gradient(g: Any, deviation: Any, scale: Any, level: Any, slope: Any) -> Any:
    """dx of batch norm for g = dloss/dy and the deviation x - mean."""
    return g * scale - level - deviation * slope


@formula_jit
def load_ahead(array: Array, at: int) -> Any:
    """Load a vector, and ask for the memory that a loop will soon come to."""
    prefetch(array, at + _AHEAD)
    return load(array, at)


# ----------------------------------------------------------------------------
# Normalising
# ----------------------------------------------------------------------------


@inline_jit
def scale(
    y: Array, x: Array, residual: Array | None, rows: Array, start: int, stop: int, floor: Any
) -> None:
    """y = max((x - mean) * scale + beta [+ residual], floor); rows: mean, scale, beta."""
    mean, factor, beta = rows[0], rows[1], rows[2]
    W, L = mean.size, lane_count(mean)
    whole = start + (stop - start) // W * W
    for row in range(start, whole, W):
        for j in range(0, W, L):
            x0 = load_ahead(x, row + j)
            value = normalised(x0, load(mean, j), load(factor, j), load(beta, j))
            if residual is not None:
                value = plus(value, load_ahead(residual, row + j))
            store(y, row + j, choose(value <= floor, floor, value))
    for j in range(np.uintp(stop - whole)):
        at = np.uintp(whole) + j
        value = normalised(number(x[at]), mean[j], factor[j], beta[j])
        if residual is not None:
            value = plus(value, number(residual[at]))
        y[at] = stored(choose(value <= floor, floor, value), y)


# ----------------------------------------------------------------------------
# Two sums over each column
# ----------------------------------------------------------------------------

Read = Callable[[Array, int], Any]  # a number of an array, or a vector
Write = Callable[[Array, int, Any], None]


@formula_jit
def _get(array: Array, at: int) -> Any:
    return number(array[np.uintp(at)])


@formula_jit
def _set(array: Array, at: int, value: Any) -> None:
    array[np.uintp(at)] = stored(value, array)


def row_sums(make_terms: Callable[[Read, Read, Write], Callable[..., Any]]) -> Callable[..., None]:
    """Make ``add(sums, few, rows, flat, start, stop)``, which sums two terms over each column.

    ``sums`` (2, W) float64 are filled; ``few`` (2, W) hold those of some rows meanwhile.
    ``make_terms(stream, read, write)`` makes ``terms(flat, rows, W, at, j)``, which returns both
    terms for column j, whose number, or vector of numbers, stands at ``at`` in each of the flat
    arrays; it reads those by ``stream``, and the rows of vectors by ``read``.
    """
    of_vectors, of_numbers = make_terms(load_ahead, load, store), make_terms(_get, _get, _set)

    @inline_jit
    def add(sums: Array, few: Array, rows: Array, flat: Arrays, start: int, stop: int) -> None:
        first, second = sums[0], sums[1]
        first_few, second_few = few[0], few[1]
        W, L = first.size, lane_count(few)
        first[:] = 0
        second[:] = 0
        whole = start + (stop - start) // W * W
        for begin in range(start, whole, _GROUP * W):
            end = min(begin + _GROUP * W, whole)
            for j in range(0, W, _ABREAST * L):
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zeros(few)
                for at in range(begin + j, end + j, W):
                    a, b = of_vectors(flat, rows, W, at, j)
                    a0, b0 = a0 + a, b0 + b
                    a, b = of_vectors(flat, rows, W, at + L, j + L)
                    a1, b1 = a1 + a, b1 + b
                    a, b = of_vectors(flat, rows, W, at + 2 * L, j + 2 * L)
                    a2, b2 = a2 + a, b2 + b
                    a, b = of_vectors(flat, rows, W, at + 3 * L, j + 3 * L)
                    a3, b3 = a3 + a, b3 + b
                store(first_few, j, a0)
                store(first_few, j + L, a1)
                store(first_few, j + 2 * L, a2)
                store(first_few, j + 3 * L, a3)
                store(second_few, j, b0)
                store(second_few, j + L, b1)
                store(second_few, j + 2 * L, b2)
                store(second_few, j + 3 * L, b3)
            for j in range(np.uintp(W)):
                first[j] += np.float64(first_few[j])
                second[j] += np.float64(second_few[j])
        for j in range(stop - whole):
            a, b = of_numbers(flat, rows, W, whole + j, j)
            first[j] += np.float64(a)
            second[j] += np.float64(b)

    return add
