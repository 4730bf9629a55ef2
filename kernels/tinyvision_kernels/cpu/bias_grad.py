"""The gradient of a bias: the sum over all pixels or rows of dy, or of what a ReLU lets pass of it.

A row of the layout of :mod:`.norm_passes` holds the numbers of one pixel of many channels, or of
many pixels of few: so all lanes are full even where there are six channels.
"""

from typing import Any

import numpy as np
from numba import prange

from .bfloat16 import bits, sum_type
from .chunks import Arrays, chunk_length, launch
from .jit import Array, exact_formula_jit, inline_jit, kernel_jit
from .norm_passes import Read, Write, row_sums, row_width, where_positive
from .parts import room_for_sums


@inline_jit
def add_up(db: Array, sums: Array) -> None:
    """Add up the first sums of each chunk, (chunks, ., W), and then those of a channel: db (C,)."""
    chunks, _, W = sums.shape
    for chunk in range(1, chunks):
        for j in range(np.uintp(W)):
            sums[0, 0, j] += sums[chunk, 0, j]
    for c in range(db.size):
        total = 0.0
        for j in range(c, W, db.size):
            total += sums[0, 0, j]
        db[c] = total


def _summing(make_terms: Any) -> Any:
    """Make the kernel that fills db with the sum of a term of some arrays, the last of them dy."""
    add_terms = row_sums(make_terms)

    @kernel_jit
    def sum_columns(db: Array, flat: Arrays, sums: Array, few: Array, length: int) -> None:
        size = flat[-1].size
        for chunk in prange(len(sums)):
            start, stop = chunk * length, min((chunk + 1) * length, size)
            add_terms(sums[chunk], few[chunk], few[chunk, 0], flat, start, stop)
        add_up(db, sums)

    def fill(db: Array, *arrays: Array) -> None:
        like = arrays[-1]
        W = row_width(db.size, like)
        length = chunk_length(like.size, W)
        chunks = max(1, -(-like.size // length))
        flat = tuple(bits(array).reshape(-1) for array in arrays)
        room = room_for_sums(chunks, W, sum_type(like))
        launch(sum_columns, chunks, db, flat, *room, length)

    return fill


def _value(stream: Read, read: Read, write: Write) -> Any:
    @exact_formula_jit
    def terms(flat: Arrays, rows: Array, W: int, at: int, j: int) -> Any:
        value = stream(flat[0], at)
        return value, value  # one sum, twice: the compiler computes it once

    return terms


def _masked(stream: Read, read: Read, write: Write) -> Any:
    @exact_formula_jit
    def terms(flat: Arrays, rows: Array, W: int, at: int, j: int) -> Any:
        dz, y, dy = flat
        g = where_positive(stream(y, at), stream(dy, at))
        write(dz, at, g)
        return g, g

    return terms


_sum_columns, _mask_and_sum_columns = _summing(_value), _summing(_masked)


def bias_grad(db: Array, dy: Array) -> None:
    """db (O,) = sum of dy (..., O) over all its rows (contract in ``contract/conv.py``)."""
    _sum_columns(db, dy)


def mask_and_sum(dz: Array, db: Array, dy: Array, y: Array) -> None:
    """Fill dz with dy where y > 0, else 0, and db (C,) with its sum."""
    _mask_and_sum_columns(db, dz, y, dy)
