"""The passes over the data of which fused batch norm is made, and residual sums with it.

As in :mod:`.columns` an array (..., C) is a flat sequence cut into rows of W numbers, W a multiple
of C, so that every column belongs to one channel. Here W is also a multiple of the processor's
vectors, and so are all rows but an array's last. Vectors of one number a channel are laid out in
rows of that width, too.

What happens to a number is written down once, as a formula for numbers and for SIMD vectors, in
which only multiply-adds are fused (``exact_formula_jit``). So every pass that computes y computes
the same y, to the last bit, and the mask that backward computes anew is the one forward applied.
"""

from collections.abc import Callable
from math import gcd
from typing import Any

import numpy as np

from .bfloat16 import bits, number, stored, sum_type
from .chunks import Arrays, Kernel, Settings, chunk_length, chunked
from .jit import Array, body_jit, exact_formula_jit, formula_jit, inline_jit
from .mask import choose
from .prefetch import prefetch
from .scratch import borrow
from .tile import HOST
from .vector import lane_count, load, store, zeros

_ABREAST = 4  # vectors whose sums are in registers at a time
_GROUP = 16  # rows that are summed in the data's own precision, before float64
_AHEAD = 256  # numbers


# ----------------------------------------------------------------------------
# Rows, vectors and sums
# ----------------------------------------------------------------------------


def row_width(C: int, like: Array) -> int:
    """Numbers in a row: whole pixels of C channels that are whole groups of vectors, too."""
    unit = _ABREAST * HOST.vector_bytes // sum_type(like).itemsize
    return C * (unit // gcd(C, unit))


def in_rows(width: int, like: Array, *vectors: Array) -> Array:
    """Lay out vectors (C,) as rows (vectors, width) of the type of ``like``, valid until called."""
    rows = borrow("vectors", len(vectors) * width, sum_type(like)).reshape(len(vectors), width)
    for row, vector in zip(rows, vectors, strict=True):
        row.reshape(-1, vector.size)[:] = vector
    return rows


def room_for_sums(chunks: int, count: int, width: int) -> Array:
    """Return where each chunk leaves its sums: (chunks, count, width) float64, not yet zero."""
    shape = chunks, count, width
    return borrow("sums of chunks", chunks * count * width, np.float64).reshape(shape)


def add_up(sums: Array, C: int) -> Array:
    """Add the sums of all chunks, and of all columns of a channel: (count, C)."""
    _, count, width = sums.shape
    # (chunks, count, W) -> (count, W) -> (count, W / C, C): an order that hangs on shapes alone
    total: Array = sums.sum(axis=0).reshape(count, width // C, C).sum(axis=1)
    return total


def _run(kernel: Kernel, arrays: Arrays, width: int) -> None:
    size = arrays[0].size
    flat = tuple(bits(array) for array in arrays)
    kernel(flat, (), size, chunk_length(size, width))


# ----------------------------------------------------------------------------
# The formulas
# ----------------------------------------------------------------------------


@exact_formula_jit
def normalised(x: Any, mean: Any, scale: Any, beta: Any) -> Any:
    """y of batch norm. Not x * scale + shift: a small difference of numbers that may be large."""
    return (x - mean) * scale + beta


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


# ----------------------------------------------------------------------------
# Forward
# ----------------------------------------------------------------------------


@body_jit
def _apply_relu_to(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, vectors = arrays
    mean, scale, beta = vectors[0], vectors[1], vectors[2]
    for row in range(start, stop, mean.size):
        at = np.uintp(row)
        for j in range(np.uintp(min(mean.size, stop - row))):
            value = normalised(number(x[at + j]), mean[j], scale[j], beta[j])
            y[at + j] = stored(relu(value), y)


@body_jit
def _apply_add_relu_to(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x, residual, vectors = arrays
    mean, scale, beta = vectors[0], vectors[1], vectors[2]
    for row in range(start, stop, mean.size):
        at = np.uintp(row)
        for j in range(np.uintp(min(mean.size, stop - row))):
            value = normalised(number(x[at + j]), mean[j], scale[j], beta[j])
            y[at + j] = stored(sum_relu(value, number(residual[at + j])), y)


_apply_relu = chunked(_apply_relu_to)
_apply_add_relu = chunked(_apply_add_relu_to)


def apply_relu(y: Array, x: Array, mean: Array, scale: Array, beta: Array) -> None:
    """y = max((x - mean) * scale + beta, 0)."""
    width = row_width(x.shape[-1], x)
    vectors = in_rows(width, x, mean, scale, beta)
    _run(_apply_relu, (y.reshape(-1), x.reshape(-1), vectors), width)


def apply_add_relu(
    y: Array, x: Array, residual: Array, mean: Array, scale: Array, beta: Array
) -> None:
    """y = max((x - mean) * scale + beta + residual, 0)."""
    width = row_width(x.shape[-1], x)
    vectors = in_rows(width, x, mean, scale, beta)
    _run(_apply_add_relu, (y.reshape(-1), x.reshape(-1), residual.reshape(-1), vectors), width)


# ----------------------------------------------------------------------------
# Backward: two sums over each column
# ----------------------------------------------------------------------------

Read = Callable[[Array, int], Any]  # a number of an array, or a vector
Write = Callable[[Array, int, Any], None]


@formula_jit
def load_ahead(array: Array, at: int) -> Any:
    """Load a vector, and ask for the memory that a loop will soon come to."""
    prefetch(array, at + _AHEAD)
    return load(array, at)


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


def _column_sums(make_terms: Callable[[Read, Read, Write], Callable[..., Any]]) -> Kernel:
    """Make a kernel that sums two terms over each column, of each chunk apart."""
    add = row_sums(make_terms)

    @body_jit
    def sum_up(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
        sums, partial, rows = arrays[0], arrays[1], arrays[2]
        chunk = start // settings[0]
        add(sums[chunk], partial[chunk], rows, arrays[3:], start, stop)

    return chunked(sum_up)


def masked_terms(stream: Read, read: Read, write: Write) -> Callable[..., Any]:
    """Terms g and g * (x - mean), g = dy where y = (x - mean) * scale + beta is positive."""

    @exact_formula_jit
    def terms(flat: Arrays, rows: Array, W: int, at: int, j: int) -> Any:
        dy, x = flat
        value, mean = stream(x, at), read(rows, j)
        y = normalised(value, mean, read(rows, W + j), read(rows, 2 * W + j))
        g = where_positive(y, stream(dy, at))
        return g, g * (value - mean)

    return terms


def _mask_and_terms(stream: Read, read: Read, write: Write) -> Callable[..., Any]:
    @exact_formula_jit
    def terms(flat: Arrays, rows: Array, W: int, at: int, j: int) -> Any:
        dz, dy, y, x = flat
        g = where_positive(stream(y, at), stream(dy, at))
        write(dz, at, g)
        return g, g * (stream(x, at) - read(rows, j))

    return terms


def _mask_and_term(stream: Read, read: Read, write: Write) -> Callable[..., Any]:
    @exact_formula_jit
    def terms(flat: Arrays, rows: Array, W: int, at: int, j: int) -> Any:
        dz, dy, y = flat
        g = where_positive(stream(y, at), stream(dy, at))
        write(dz, at, g)
        return g, g  # one sum, twice

    return terms


_mask_and_sums = _column_sums(_mask_and_terms)
_mask_and_sum = _column_sums(_mask_and_term)


def _run_sums(kernel: Kernel, C: int, vectors: tuple[Array, ...], *arrays: Array) -> Array:
    like = arrays[0]
    flat = tuple(bits(array).reshape(-1) for array in arrays)
    size, width = like.size, row_width(C, like)
    length = chunk_length(size, width)
    chunks = -(-size // length)
    sums = room_for_sums(chunks, 2, width)
    partial = borrow("sums of rows", chunks * 2 * width, sum_type(like)).reshape(sums.shape)
    kernel(
        (sums, partial, in_rows(width, like, *vectors).reshape(-1), *flat),
        (length,),
        size,
        length,
    )
    return add_up(sums, C)


def mask_and_sums(dz: Array, dy: Array, y: Array, x: Array, mean: Array) -> Array:
    """Fill dz = dy where y > 0, else 0; sum dz and dz * (x - mean): (2, C) float64."""
    return _run_sums(_mask_and_sums, x.shape[-1], (mean,), dz, dy, y, x)


def mask_and_sum(dz: Array, dy: Array, y: Array) -> Array:
    """Fill dz = dy where y > 0, else 0; sum dz: (C,) float64."""
    total: Array = _run_sums(_mask_and_sum, y.shape[-1], (), dz, dy, y)[0]
    return total
