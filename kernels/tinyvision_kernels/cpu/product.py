"""Products of any number of rows: tile under tile.

The tiles of the host (:mod:`.tile`) come in three heights and two widths. A product takes as many
of the tallest as fit, and lower ones for the rest.
"""

from collections.abc import Callable

from .jit import Array, inline_jit
from .tile import BLOCK_BYTES, EVEN, HOST, MIDDLE, SINGLE, TALL, Places, make_tile


def _host_tiles(vectors: int, places: Places) -> list[Callable[..., None]]:
    return [
        make_tile(rows, vectors, HOST.vector_bytes, HOST.register, places=places)
        for rows in HOST.rows
    ]


tall_wide, middle_wide, single_wide = _host_tiles(2, "tables")
tall_slim, middle_slim, single_slim = _host_tiles(1, "tables")
tall_wide_matrix, middle_wide_matrix, single_wide_matrix = _host_tiles(2, "steps")
tall_slim_matrix, middle_slim_matrix, single_slim_matrix = _host_tiles(1, "steps")
even_wide = make_tile(EVEN, 2, HOST.vector_bytes, HOST.register, places="steps")
even_slim = make_tile(2 * EVEN, 1, HOST.vector_bytes, HOST.register, places="steps")


@inline_jit
def multiply(
    c: Array, c_at: int, c_row: int,
    a: Array, a_at: int, a_rows: Array, first: int, a_cols: Array,
    b: Array, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """Multiply any number of rows of a by one block of b: c (+)= a @ b, tile under tile.

    The arguments are those of the tile (:func:`make_tile`). ``columns`` is how many of the block's
    columns are wanted: where one vector holds them, only that one is computed. Whole vectors of
    c are written, so that c must be as wide as the block.
    """
    slim = columns * c.itemsize <= BLOCK_BYTES // 2
    done = 0
    while done < rows:
        to, i, left = c_at + done * c_row, first + done, rows - done
        if left >= TALL:
            if slim:
                tall_slim(c, to, c_row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
            else:
                tall_wide(c, to, c_row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
            done += TALL
        elif left >= MIDDLE:
            if slim:
                middle_slim(c, to, c_row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
            else:
                middle_wide(c, to, c_row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
            done += MIDDLE
        else:
            if slim:
                single_slim(c, to, c_row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
            else:
                single_wide(c, to, c_row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
            done += SINGLE


@inline_jit
def multiply_matrix(
    c: Array, c_at: int, c_row: int,
    a: Array, a_at: int, a_row: int, a_col: int,
    b: Array, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """As :func:`multiply`, where a is a matrix: a[i, k] at ``a_at + i * a_row + k * a_col``."""
    slim = columns * c.itemsize <= BLOCK_BYTES // 2
    done = 0
    while done < rows:
        to, of, left = c_at + done * c_row, a_at + done * a_row, rows - done
        if left >= TALL:
            if slim:
                tall_slim_matrix(c, to, c_row, a, of, a_row, a_col, b, b_at, b_row, depth, add)
            else:
                tall_wide_matrix(c, to, c_row, a, of, a_row, a_col, b, b_at, b_row, depth, add)
            done += TALL
        elif left >= MIDDLE:
            if slim:
                middle_slim_matrix(c, to, c_row, a, of, a_row, a_col, b, b_at, b_row, depth, add)
            else:
                middle_wide_matrix(c, to, c_row, a, of, a_row, a_col, b, b_at, b_row, depth, add)
            done += MIDDLE
        else:
            if slim:
                single_slim_matrix(c, to, c_row, a, of, a_row, a_col, b, b_at, b_row, depth, add)
            else:
                single_wide_matrix(c, to, c_row, a, of, a_row, a_col, b, b_at, b_row, depth, add)
            done += SINGLE


@inline_jit
def multiply_transposed(
    c: Array, c_at: int, c_row: int,
    a: Array, a_at: int, a_col: int,
    b: Array, b_at: int, b_row: int,
    rows: int, columns: int, depth: int, add: bool,
) -> None:  # fmt: skip
    """As :func:`multiply`, a[i, k] at ``a_at + i + k * a_col``, in tiles of even height.

    Rows are filled up to a multiple of 2 * EVEN: so many are read of a and written to c.
    """
    slim = columns * c.itemsize <= BLOCK_BYTES // 2
    for i in range(0, rows, 2 * EVEN):
        to, of = c_at + i * c_row, a_at + i
        if slim:
            even_slim(c, to, c_row, a, of, 1, a_col, b, b_at, b_row, depth, add)
        else:
            even_wide(c, to, c_row, a, of, 1, a_col, b, b_at, b_row, depth, add)
            to, of = to + EVEN * c_row, of + EVEN
            even_wide(c, to, c_row, a, of, 1, a_col, b, b_at, b_row, depth, add)


@inline_jit
def whole_tiles(rows: int) -> int:
    """Count the rows to compute where ``rows`` are wanted and more do no harm.

    A rest of more than a middle tile costs less as one tall tile than as several low ones, which
    have too few sums in flight to keep the multipliers busy.
    """
    rest = rows % TALL
    return rows - rest + TALL if rest > MIDDLE else rows
