"""The register tile: the arithmetic under every convolution and every dense layer.

A processor core multiplies and adds whole *vectors* of numbers (16 float32 with AVX-512), two such
instructions a cycle, but fetches only about two vectors a cycle from its nearest cache. A loop that
loads two numbers for each multiply-add therefore idles. The way out is to use each number many
times while it is in a register: keep a small tile of the result in registers and, for each step k
of the sum, load a few numbers of ``a`` and of ``b`` and combine each with each::

                     b[k, 0:16]   b[k, 16:32]          <- 2 vectors, loaded once
        a[0, k]   *  acc[0][0]    acc[0][1]
        a[1, k]   *  acc[1][0]    acc[1][1]            acc[i][j] += a[i, k] * b[k, vector j]
          ...           ...          ...
        a[13, k]  *  acc[13][0]   acc[13][1]           <- 14 numbers, each copied to all lanes

So 16 loads feed 28 multiply-adds, the 28 sums never leave the registers, and there are enough of
them in flight to hide that each takes four cycles. 28 sums + 2 vectors of b + 1 of a fill 31 of the
32 registers of AVX-512; other processors have others, hence :data:`PROCESSORS`.

Compilers do not find this form by themselves, so :func:`make_tile` writes it down instruction by
instruction in LLVM's intermediate language. :func:`multiply` cuts a product of any number of rows
into tiles. The method is Goto and van de Geijn's, "Anatomy of High-Performance Matrix
Multiplication", ACM Transactions on Mathematical Software 34 (2008),
https://doi.org/10.1145/1356052.1356053.
"""

import platform
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import Array, config, inline_jit


class Processor(NamedTuple):
    """What decides the form of the tile."""

    vector_bytes: int  # width of a register: 64 bytes are 16 float32 or 8 float64
    rows: tuple[int, int, int]  # of the tallest tile and of two that take what it leaves
    register: str  # the letter for any vector register in LLVM's inline assembly


PROCESSORS = {
    "avx512f": Processor(64, (14, 4, 1), "v"),  # 32 registers
    "avx2": Processor(32, (6, 3, 1), "x"),  # 16 registers: 12 sums + 2 of b + 1 of a
    "neon": Processor(16, (8, 4, 1), "w"),  # 32 registers
    "sse2": Processor(16, (4, 2, 1), "x"),  # 16 registers
    "generic": Processor(16, (4, 2, 1), ""),  # any other
}


def host_processor() -> Processor:
    """Return the form of the tile for the processor that Numba compiles for."""
    if config.CPU_FEATURES is not None:  # NUMBA_CPU_FEATURES, such as "+avx2,+fma,-avx512f"
        has = {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    else:
        has = {name for name, present in binding.get_host_cpu_features().items() if present}
    if platform.machine().lower() in ("arm64", "aarch64"):
        has.add("neon")  # every 64-bit Arm has it, and some systems do not list it
    return next((PROCESSORS[name] for name in PROCESSORS if name in has), PROCESSORS["generic"])


HOST = host_processor()
VECTORS = 2  # across a tile
BLOCK_BYTES = VECTORS * HOST.vector_bytes  # width of a tile: the columns of a packed block
TALL, MIDDLE, SINGLE = HOST.rows


# ----------------------------------------------------------------------------
# One tile
# ----------------------------------------------------------------------------


def make_tile(rows: int, vectors: int, vector_bytes: int, register: str) -> Callable[..., None]:
    """Make ``tile``, a function that Numba compiles to one register tile.

    Parameters
    ----------
    rows, vectors : int
        The tile's height, and its width in vectors.
    vector_bytes, register : int, str
        Those of the :class:`Processor`.

    Returns
    -------
    callable
        ``tile(c, c_at, c_row, a, a_at, a_rows, first, a_cols, b, b_at, b_row, depth, add)``
        computes ::

            c[i, j] = (c[i, j] if add else 0) + sum over k < depth of a[i, k] * b[k, j]

        for all i < rows and j < vectors * lanes. The arrays are flat and of one float type;
        ``c[i, j]`` stands for ``c[c_at + i * c_row + j]`` and ``b[k, j]`` for
        ``b[b_at + k * b_row + j]``. Where a[i, k] lies is said by two tables of int64, and stands
        for ``a[a_at + a_rows[first + i] + a_cols[k]]``: so a may be a matrix, its transpose, or the
        windows over an image.
    """
    if config.DISABLE_JIT:
        return _python_tile(rows, vectors, vector_bytes)

    @intrinsic
    def tile(
        typing: Any, c: Any, c_at: Any, c_row: Any,
        a: Any, a_at: Any, a_rows: Any, first: Any, a_cols: Any,
        b: Any, b_at: Any, b_row: Any, depth: Any, add: Any,
    ) -> Any:  # fmt: skip
        index = types.intp
        signature = types.void(
            c, index, index, a, index, a_rows, index, a_cols, b, index, index, index, types.boolean
        )

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            c, c_at, c_row, a, a_at, a_rows, first, a_cols, b, b_at, b_row, depth, add = arguments
            number = context.get_value_type(signature.args[0].dtype)  # float or double
            itemsize = signature.args[0].dtype.bitwidth // 8
            lanes = vector_bytes // itemsize
            vector = ir.VectorType(number, lanes)
            lane_zero = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            undefined = ir.Constant(vector, ir.Undefined)
            # fmuladd: one instruction where the processor has it, a product and a sum elsewhere
            fmuladd = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(vector, [vector] * 3),
                f"llvm.fmuladd.v{lanes}f{8 * itemsize}",
            )

            # No code, but claims to read and write a register. Without it LLVM moves the loads of
            # all rows to the front, where they need so many registers that sums are pushed out.
            pin = register and ir.InlineAsm(
                ir.FunctionType(vector, [vector]), "", f"={register},0", side_effect=True
            )

            def pointer(argument: int, array: Any, at: Any) -> Any:
                make = context.make_array(signature.args[argument])
                return builder.gep(make(context, builder, array).data, [at])

            def constant(value: int) -> Any:
                return ir.Constant(c_at.type, value)

            def vector_at(start: Any, j: int) -> Any:
                at = builder.gep(start, [constant(j * lanes)])
                return builder.bitcast(at, vector.as_pointer())

            def to_all_lanes(value: Any) -> Any:
                one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
                return builder.shuffle_vector(one, undefined, lane_zero)

            tile_of_c = [(i, j) for i in range(rows) for j in range(vectors)]
            c_start, a_start = pointer(0, c, c_at), pointer(3, a, a_at)
            row_table, column_table = pointer(5, a_rows, first), pointer(7, a_cols, constant(0))
            b_start = pointer(8, b, b_at)
            to = [builder.gep(c_start, [builder.mul(c_row, constant(i))]) for i in range(rows)]
            of = [
                builder.gep(a_start, [builder.load(builder.gep(row_table, [constant(i)]))])
                for i in range(rows)
            ]
            # Variables on the stack, which LLVM turns into registers.
            sums = {ij: cgutils.alloca_once(builder, vector) for ij in tile_of_c}

            with builder.if_else(add) as (then, otherwise):
                with then:
                    for i, j in tile_of_c:
                        before = builder.load(vector_at(to[i], j), align=itemsize)
                        builder.store(before, sums[i, j])
                with otherwise:
                    for i, j in tile_of_c:
                        builder.store(ir.Constant(vector, [0.0] * lanes), sums[i, j])

            with cgutils.for_range(builder, depth) as loop:
                b_row_k = builder.gep(b_start, [builder.mul(loop.index, b_row)])
                b_k = [builder.load(vector_at(b_row_k, j), align=itemsize) for j in range(vectors)]
                column = builder.load(builder.gep(column_table, [loop.index]))
                for i in range(rows):
                    a_ik = to_all_lanes(builder.load(builder.gep(of[i], [column])))
                    for j in range(vectors):
                        total = builder.call(fmuladd, [a_ik, b_k[j], builder.load(sums[i, j])])
                        builder.store(builder.call(pin, [total]) if pin else total, sums[i, j])

            for i, j in tile_of_c:
                builder.store(builder.load(sums[i, j]), vector_at(to[i], j), align=itemsize)
            return context.get_dummy_value()

        return signature, generate

    return tile


def _python_tile(rows: int, vectors: int, vector_bytes: int) -> Callable[..., None]:
    """Make the same tile in plain Python, for ``NUMBA_DISABLE_JIT=1``."""

    def tile(
        c: Array, c_at: int, c_row: int,
        a: Array, a_at: int, a_rows: Array, first: int, a_cols: Array,
        b: Array, b_at: int, b_row: int, depth: int, add: bool,
    ) -> None:  # fmt: skip
        columns = vectors * vector_bytes // c.itemsize
        for i in range(rows):
            to = slice(c_at + i * c_row, c_at + i * c_row + columns)
            if not add:
                c[to] = 0
            for k in range(depth):
                b_k = b[b_at + k * b_row : b_at + k * b_row + columns]
                c[to] += a[a_at + a_rows[first + i] + a_cols[k]] * b_k

    return tile


# ----------------------------------------------------------------------------
# A block of tiles
# ----------------------------------------------------------------------------


def _host_tiles(vectors: int) -> list[Callable[..., None]]:
    return [make_tile(rows, vectors, HOST.vector_bytes, HOST.register) for rows in HOST.rows]


tall_wide, middle_wide, single_wide = _host_tiles(2)
tall_slim, middle_slim, single_slim = _host_tiles(1)


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
def whole_tiles(rows: int) -> int:
    """Count the rows to compute where ``rows`` are wanted and more do no harm.

    A rest of more than a middle tile costs less as one tall tile than as several low ones, which
    have too few sums in flight to keep the multipliers busy.
    """
    rest = rows % TALL
    return rows - rest + TALL if rest > MIDDLE else rows


@inline_jit
def add_to(c: Array, c_at: int, a: Array, a_at: int, b: Array, b_at: int, count: int) -> None:
    """c[j] = a[j] + b[j] for j < count: a finished row of sums leaves, its bias on top."""
    to, of, on = np.uintp(c_at), np.uintp(a_at), np.uintp(b_at)
    block = np.uintp(BLOCK_BYTES // c.itemsize)
    if count == block:  # the common case, which LLVM unrolls since it knows the number
        for j in range(block):
            c[to + j] = a[of + j] + b[on + j]
    else:
        for j in range(np.uintp(count)):  # unsigned: Numba need not look for negative indices
            c[to + j] = a[of + j] + b[on + j]


@inline_jit
def copy(c: Array, c_at: int, a: Array, a_at: int, count: int) -> None:
    """c[j] = a[j] for j < count."""
    to, of = np.uintp(c_at), np.uintp(a_at)
    for j in range(np.uintp(count)):
        c[to + j] = a[of + j]


@inline_jit
def zero(c: Array, c_at: int, count: int) -> None:
    """c[j] = 0 for j < count."""
    to = np.uintp(c_at)
    for j in range(np.uintp(count)):
        c[to + j] = 0
