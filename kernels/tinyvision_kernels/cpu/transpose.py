"""Turning rows into columns, a block of registers at a time.

Numbers that lie side by side fill a vector; numbers a step apart have to be fetched one by one. So
where a loop wants to run along the other axis of a matrix, the matrix is turned first, in blocks as
high as they are wide: each row is loaded into a register, and log2(lanes) times pairs of registers
exchange halves, quarters, eighths ... ::

    a0 a1 a2 a3          a0 b0 a2 b2          a0 b0 c0 d0
    b0 b1 b2 b3    ->    a1 b1 a3 b3    ->    a1 b1 c1 d1
    c0 c1 c2 c3          c0 d0 c2 d2          a2 b2 c2 d2
    d0 d1 d2 d3          c1 d1 c3 d3          a3 b3 c3 d3

A block of 16 x 16 float32 takes 64 such exchanges, about 30 cycles, so that a matrix is turned
nearly as fast as it is copied.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .jit import Array, config, formula_jit
from .tile import HOST
from .vector import first_lanes, lane_count, masked


def _exchange(builder: Any, rows: list[Any], distance: int) -> list[Any]:
    """Exchange what lies off the diagonal in all blocks of (2 * distance) x (2 * distance)."""
    lanes = len(rows)
    upper = [k + lanes - distance if k & distance else k for k in range(lanes)]
    lower = [k + lanes if k & distance else k + distance for k in range(lanes)]
    numbers = ir.VectorType(ir.IntType(32), lanes)
    result = list(rows)
    for i in range(lanes):
        if not i & distance:
            a, b = rows[i], rows[i + distance]
            result[i] = builder.shuffle_vector(a, b, ir.Constant(numbers, upper))
            result[i + distance] = builder.shuffle_vector(a, b, ir.Constant(numbers, lower))
    return result


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    c, c_at, c_row, a, a_at, a_row, *valid = arguments
    number = signature.args[0].dtype
    itemsize = number.bitwidth // 8
    lanes = HOST.vector_bytes // itemsize
    vector = ir.VectorType(context.get_value_type(number), lanes)

    def row(argument: int, array: Any, at: Any, step: Any, i: int) -> Any:
        data = context.make_array(signature.args[argument])(context, builder, array).data
        start = builder.add(at, builder.mul(step, ir.Constant(step.type, i)))
        return builder.bitcast(builder.gep(data, [start]), vector.as_pointer())

    def load(i: int) -> Any:
        pointer = row(3, a, a_at, a_row, i)
        if not valid:
            return builder.load(pointer, align=itemsize)
        rows, columns = valid
        there = builder.icmp_signed("<", ir.Constant(rows.type, i), rows)
        count = builder.select(there, columns, ir.Constant(columns.type, 0))
        align = ir.Constant(ir.IntType(32), itemsize)
        mask, rest = first_lanes(builder, count, vector), ir.Constant(vector, None)
        return masked(builder, "load", vector, vector, [pointer, align, mask, rest])

    rows = [load(i) for i in range(lanes)]
    distance = 1
    while distance < lanes:
        rows = _exchange(builder, rows, distance)
        distance *= 2
    for i in range(lanes):
        builder.store(rows[i], row(0, c, c_at, c_row, i), align=itemsize)
    return context.get_dummy_value()


_index = types.intp


@intrinsic
def _turn_whole(
    typing: Any, c: Any, c_at: Any, c_row: Any, a: Any, a_at: Any, a_row: Any
) -> Any:  # fmt: skip
    return types.void(c, _index, _index, a, _index, _index), _generate


@intrinsic
def _turn_part(
    typing: Any, c: Any, c_at: Any, c_row: Any, a: Any, a_at: Any, a_row: Any,
    rows: Any, columns: Any,
) -> Any:  # fmt: skip
    return types.void(c, _index, _index, a, *[_index] * 4), _generate


def _python_turn_part(
    c: Array, c_at: int, c_row: int, a: Array, a_at: int, a_row: int, rows: int, columns: int
) -> None:
    lanes = lane_count(a)
    for i in range(lanes):
        for j in range(lanes):
            inside = i < rows and j < columns
            c[c_at + j * c_row + i] = a[a_at + i * a_row + j] if inside else 0


def _python_turn_whole(c: Array, c_at: int, c_row: int, a: Array, a_at: int, a_row: int) -> None:
    _python_turn_part(c, c_at, c_row, a, a_at, a_row, lane_count(a), lane_count(a))


_whole: Any = _python_turn_whole if config.DISABLE_JIT else _turn_whole
_part: Any = _python_turn_part if config.DISABLE_JIT else _turn_part


@formula_jit
def transpose(
    c: Array, c_at: int, c_row: int, a: Array, a_at: int, a_row: int, rows: int, columns: int
) -> None:
    """c[j, i] = a[i, j] for i < rows and j < columns, in whole blocks.

    The arrays are flat and of one type; ``a[i, j]`` stands for ``a[a_at + i * a_row + j]``, and
    likewise for c. Zeros fill c up to whole vectors in both directions; nothing else is read of a.
    """
    lanes = lane_count(a)
    for i in range(0, rows, lanes):
        for j in range(0, columns, lanes):
            to, of = c_at + j * c_row + i, a_at + i * a_row + j
            if i + lanes <= rows and j + lanes <= columns:
                _whole(c, to, c_row, a, of, a_row)
            else:
                _part(c, to, c_row, a, of, a_row, rows - i, columns - j)


def turn(
    c: Array, c_at: int, c_row: int, a: Array, a_at: int, a_row: int, rows: int, columns: int
) -> None:
    """Transpose, where both arrays are of one type: bfloat16 are not made pairs of this way."""
    transpose(c, c_at, c_row, a, a_at, a_row, rows, columns)


@overload(turn, jit_options={"forceinline": True})
def _turn(c, c_at, c_row, a, a_at, a_row, rows, columns):  # type: ignore[no-untyped-def]
    if c.dtype == a.dtype:
        return lambda c, c_at, c_row, a, a_at, a_row, rows, columns: transpose(
            c, c_at, c_row, a, a_at, a_row, rows, columns
        )
    return lambda c, c_at, c_row, a, a_at, a_row, rows, columns: None
