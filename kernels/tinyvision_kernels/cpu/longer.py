"""Rows made longer by zeros, for loops that read whole vectors of them."""

from .jit import Array, body_jit
from .scratch import borrow


def longer(rows: Array, width: int, name: str) -> Array:
    """Copy a matrix (rows, columns) to working memory (rows, width), unless it is as wide."""
    if rows.shape[1] == width:
        return rows
    wide = borrow(name, len(rows) * width, rows.dtype).reshape(len(rows), width)
    _fill_up(wide, rows)
    return wide


@body_jit
def _fill_up(wide: Array, rows: Array) -> None:
    for i in range(len(rows)):
        for j in range(wide.shape[1]):
            wide[i, j] = rows[i, j] if j < rows.shape[1] else 0
