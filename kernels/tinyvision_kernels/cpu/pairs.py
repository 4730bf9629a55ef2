"""The factors of a product in bfloat16: pairs of numbers, or float32 where there are no pairs.

Some processors (AVX512-BF16) have an instruction that takes *pairs* of bfloat16, one pair in each
32-bit lane, and does twice the work of a float32 multiply-add in the same time::

    total[lane] += a[lane].low * b[lane].low + a[lane].high * b[lane].high

With two successive steps k of the sum in each pair, a product over k is one over half as many
pairs. To everything but this instruction (:mod:`.tile`) a pair is an uint32 that is copied about
like a float32: bands, panels, tables and loops are the same. Only the pairs have to be formed::

    k along the rows:   a b c d ...   ->   ab cd ...     neighbours are pairs as they lie
    k down the columns: a b c ...
                        d e f ...     ->   ad be cf ...  two rows are interleaved

and an odd number of steps needs a zero in both factors, which adds nothing to the sum. On other
processors factors are widened to float32, and the rest is again the same.
"""

import numpy as np
from numba import types
from numba.extending import overload

from .bfloat16 import bits, is_bfloat16
from .chunks import Arrays, Settings, chunk_rows, chunked
from .jit import Array, body_jit, formula_jit, inline_jit
from .rows import copy
from .scratch import borrow
from .tile import BLOCK_BYTES, HOST, host_features
from .widen import widened

NATIVE = "avx512bf16" in host_features() and HOST.vector_bytes == 64


def sum_along_last(a: Array, name: str, groups: int = 1) -> Array:
    """Prepare a factor (..., K) of a product that sums over its last axis, in each of its groups.

    Parameters
    ----------
    a : ndarray
        Arrays that are not bfloat16 come back as they are.
    name : str
        Of the working memory, if some is needed.
    groups : int
        Parts of the last axis with a sum of their own.

    Returns
    -------
    ndarray
        Of pairs, (..., groups * ceil(K / groups / 2)), or of float32.
    """
    if not is_bfloat16(a):
        return a
    if not NATIVE:
        return widened(a, name)
    length = a.shape[-1] // groups
    if length % 2 == 0:
        return a.view(np.uint32)
    pairs = (length + 1) // 2
    padded = borrow(name, a.size // length * pairs, np.uint32)
    rows = a.size // length
    arrays = padded.view(np.uint16), bits(a).reshape(-1)
    _fill_up(arrays, (length,), rows, chunk_rows(rows, length))
    return padded.reshape(*a.shape[:-1], groups * pairs)


def sum_along_first(a: Array, name: str) -> Array:
    """Prepare a factor (K, L) of a product that sums over its first axis.

    Returns pairs, (ceil(K / 2), L), or float32, or an array that is not bfloat16 as it is.
    """
    if not is_bfloat16(a):
        return a
    if not NATIVE:
        return widened(a, name)
    K, L = a.shape
    rows = (K + 1) // 2
    pairs = borrow(name, rows * L, np.uint32)
    _interleave((pairs, bits(a).reshape(-1)), (L,), rows, chunk_rows(rows, L))
    return pairs.reshape(rows, L)


def for_panels(b: Array, name: str) -> Array:
    """Prepare a factor (..., K, L) whose panels are summed over K (:func:`.panels.pack`).

    Returns the bits of bfloat16, of which the panels will make pairs, or float32, or ``b``.
    """
    if not is_bfloat16(b):
        return b
    return bits(b) if NATIVE else widened(b, name)


def images_in_a_step(x: Array) -> int:
    """Count the images that a sum over images takes in one step: two where they make pairs."""
    return 2 if is_bfloat16(x) and NATIVE else 1


def copy_step(c: Array, c_at: int, a: Array, a_at: int, partner: int, count: int) -> None:
    """c[j] = a[a_at + j] for j < count, or its pair with a[partner + j], where c holds pairs.

    A partner of -1 stands for zeros.
    """
    if c.dtype == a.dtype:
        c[c_at : c_at + count] = a[a_at : a_at + count]
    else:
        _interleave_row(c, c_at, a, a_at, partner, count)


@overload(copy_step, jit_options={"forceinline": True})
def _copy_step(c, c_at, a, a_at, partner, count):  # type: ignore[no-untyped-def]
    if c.dtype == types.uint32 and a.dtype == types.uint16:
        return lambda c, c_at, a, a_at, partner, count: _interleave_row(
            c, c_at, a, a_at, partner, count
        )
    return lambda c, c_at, a, a_at, partner, count: copy(c, c_at, a, a_at, count)


@inline_jit
def copy_rows_of_steps(
    c: Array, c_at: int, c_row: int,
    a: Array, a_at: int, partner: int, a_row: int, rows: int, columns: int,
) -> None:  # fmt: skip
    """Copy some rows by :func:`copy_step`, of which c has room for whole vectors."""
    block = BLOCK_BYTES // c.itemsize
    width = block // 2 if columns <= block // 2 else block
    for row in range(rows):
        to, of = c_at + row * c_row, a_at + row * a_row
        on = partner + row * a_row if partner >= 0 else -1
        # A known number of columns is copied by a vector or two, without a loop. What stands beyond
        # those that are wanted does no harm, if only it stands inside the array.
        if max(of, on) + width > a.size:
            copy_step(c, to, a, of, on, columns)
        elif width == block:
            copy_step(c, to, a, of, on, block)
        else:
            copy_step(c, to, a, of, on, block // 2)


@formula_jit
def _interleave_row(c: Array, c_at: int, a: Array, a_at: int, partner: int, count: int) -> None:
    to, low, high = np.uintp(c_at), np.uintp(a_at), np.uintp(max(partner, 0))
    if partner < 0:
        for j in range(np.uintp(count)):
            c[to + j] = a[low + j]
    else:
        for j in range(np.uintp(count)):
            c[to + j] = np.uint32(a[low + j]) | np.uint32(a[high + j]) << np.uint32(16)


@body_jit
def _interleave_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    pairs, a = arrays
    length = settings[0]
    for row in range(start, stop):  # of pairs
        low, high = 2 * row * length, (2 * row + 1) * length
        _interleave_row(pairs, row * length, a, low, high if high < a.size else -1, length)


@body_jit
def _fill_up_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    even, odd = arrays
    length = settings[0]
    for row in range(start, stop):
        copy(even, row * (length + 1), odd, row * length, length)
        even[row * (length + 1) + length] = 0


_fill_up = chunked(_fill_up_of)
_interleave = chunked(_interleave_of)
