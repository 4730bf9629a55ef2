"""The gradient of a bias: the sum of dy over all pixels or rows.

A row of the layout of :mod:`.norm_passes` holds the numbers of one pixel of many channels, or of
many pixels of few: so all lanes are full even where there are six channels.
"""

from typing import Any

import numpy as np
from numba import prange

from .bfloat16 import bits, sum_type
from .chunks import Arrays, chunk_length
from .jit import Array, exact_formula_jit, kernel_jit
from .norm_passes import Read, Write, row_sums, row_width
from .scratch import borrow


def _value(stream: Read, read: Read, write: Write) -> Any:
    @exact_formula_jit
    def terms(flat: Arrays, rows: Array, W: int, at: int, j: int) -> Any:
        value = stream(flat[0], at)
        return value, value  # one sum, twice: the compiler computes it once

    return terms


_add_values = row_sums(_value)


@kernel_jit
def _sum_columns(db: Array, dy: Array, sums: Array, few: Array, length: int) -> None:
    chunks, W, C = len(sums), sums.shape[2], db.size
    for chunk in prange(chunks):
        stop = min((chunk + 1) * length, dy.size)
        _add_values(sums[chunk], few[chunk], few[chunk, 0], (dy,), chunk * length, stop)
    for chunk in range(1, chunks):
        for j in range(np.uintp(W)):
            sums[0, 0, j] += sums[chunk, 0, j]
    for c in range(C):
        total = 0.0
        for j in range(c, W, C):
            total += sums[0, 0, j]
        db[c] = total


def bias_grad(db: Array, dy: Array) -> None:
    """db (O,) = sum of dy (..., O) over all its rows (contract in ``contract/conv.py``)."""
    W = row_width(db.size, dy)
    length = chunk_length(dy.size, W)
    chunks = max(1, -(-dy.size // length))
    sums = borrow("sums of chunks", chunks * 2 * W, np.float64).reshape(chunks, 2, W)
    few = borrow("sums of rows", sums.size, sum_type(dy)).reshape(sums.shape)
    _sum_columns(db, bits(dy).reshape(-1), sums, few, length)
