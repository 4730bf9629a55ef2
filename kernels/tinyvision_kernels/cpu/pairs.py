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

from .bfloat16 import bits, is_bfloat16, widened
from .chunks import Arrays, Settings, chunk_rows, chunked
from .jit import Array, body_jit
from .scratch import borrow
from .tile import HOST, host_features

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
    pairs = -(-length // 2)
    shape = (*a.shape[:-1], groups * pairs)
    if length % 2 == 0:
        return a.view(np.uint32)
    padded = borrow(name, a.size // length * pairs, np.uint32)
    rows = a.size // length
    arrays, settings = (padded.view(np.uint16), bits(a).reshape(-1)), (length,)
    _pad_rows(arrays, settings, rows, chunk_rows(rows, length))
    return padded.reshape(shape)


def sum_along_rows(b: Array, name: str) -> Array:
    """Prepare a factor (..., K, L) of a product that sums over its last axis but one.

    Returns an array of pairs, (..., ceil(K / 2), L), or else as :func:`sum_along_last`.
    """
    if not is_bfloat16(b):
        return b
    if not NATIVE:
        return widened(b, name)
    *many, K, L = b.shape
    pairs = borrow(name, b.size // (K * L) * -(-K // 2) * L, np.uint32)
    rows = pairs.size // L
    _interleave((pairs, bits(b).reshape(-1)), (K, L), rows, chunk_rows(rows, L))
    return pairs.reshape(*many, -(-K // 2), L)


@body_jit
def _pad_rows_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    padded, a = arrays
    length = settings[0]
    for row in range(start, stop):
        to, of = np.uintp(row * (length + 1)), np.uintp(row * length)
        for j in range(np.uintp(length)):
            padded[to + j] = a[of + j]
        padded[to + np.uintp(length)] = 0


@body_jit
def _interleave_of(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    pairs, b = arrays
    K, L = settings
    pairs_of_k = (K + 1) // 2
    for row in range(start, stop):  # of pairs
        first = row // pairs_of_k * K + row % pairs_of_k * 2
        to, low, high = np.uintp(row * L), np.uintp(first * L), np.uintp((first + 1) * L)
        if row % pairs_of_k * 2 + 1 < K:
            for j in range(np.uintp(L)):
                pairs[to + j] = np.uint32(b[low + j]) | np.uint32(b[high + j]) << np.uint32(16)
        else:
            for j in range(np.uintp(L)):
                pairs[to + j] = b[low + j]


_pad_rows = chunked(_pad_rows_of)
_interleave = chunked(_interleave_of)
