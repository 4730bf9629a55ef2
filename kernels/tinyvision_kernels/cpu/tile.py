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
instruction in LLVM's intermediate language. :mod:`.product` cuts a product of any number of rows
into tiles. The method is Goto and van de Geijn's, "Anatomy of High-Performance Matrix
Multiplication", ACM Transactions on Mathematical Software 34 (2008),
https://doi.org/10.1145/1356052.1356053.
"""

import platform
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import Array, config

Places = Literal["steps", "tables", "windows"]


class Processor(NamedTuple):
    """What decides the form of the tile."""

    vector_bytes: int  # width of a register: 64 bytes are 16 float32 or 8 float64
    rows: tuple[int, int, int]  # of the tallest tile and of two that take what it leaves
    even: int  # rows of a tile for matrices whose rows come in whole vectors
    register: str  # the letter for any vector register in LLVM's inline assembly


PROCESSORS = {
    "avx512f": Processor(64, (14, 4, 1), 8, "v"),  # 32 registers
    "avx2": Processor(32, (6, 3, 1), 4, "x"),  # 16 registers: 12 sums + 2 of b + 1 of a
    "neon": Processor(16, (8, 4, 1), 8, "w"),  # 32 registers
    "generic": Processor(16, (4, 2, 1), 4, ""),  # any other: 16 registers, as SSE2 has, will do
}


def host_features() -> set[str]:
    """Name the instruction sets of the processor that Numba compiles for."""
    if config.CPU_FEATURES is not None:  # NUMBA_CPU_FEATURES, such as "+avx2,+fma,-avx512f"
        return {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    return {name for name, present in binding.get_host_cpu_features().items() if present}


def host_processor() -> Processor:
    """Return the form of the tile for the processor that Numba compiles for."""
    has = host_features()
    if platform.machine().lower() in ("arm64", "aarch64"):
        has.add("neon")  # every 64-bit Arm has it, and some systems do not list it
    return next((PROCESSORS[name] for name in PROCESSORS if name in has), PROCESSORS["generic"])


HOST = host_processor()
VECTORS = 2  # across a tile
BLOCK_BYTES = VECTORS * HOST.vector_bytes  # width of a tile: the columns of a packed block
TALL, MIDDLE, SINGLE = HOST.rows
EVEN = HOST.even


# ----------------------------------------------------------------------------
# One tile
# ----------------------------------------------------------------------------


def make_tile(
    rows: int, vectors: int, vector_bytes: int, register: str, *, places: Places, run: int = 1
) -> Callable[..., None]:
    """Make ``tile``, a function that Numba compiles to one register tile.

    Parameters
    ----------
    rows, vectors : int
        The tile's height, and its width in vectors.
    vector_bytes, register : int, str
        Those of the :class:`Processor`.
    places : "steps", "tables" or "windows"
        How a[i, k] is found, see below.
    run : int
        How many neighbouring rows lie side by side, for ``places="tables"``.

    Returns
    -------
    callable
        ``tile(c, c_at, c_row, a, a_at, *two_or_three, b, b_at, b_row, depth, *onto)`` computes ::

            c[i, j] = (something) + sum over k < depth of a[i, k] * b[k, j]

        for all i < rows and j < vectors * lanes. The arrays are flat and of one float type;
        ``c[i, j]`` stands for ``c[c_at + i * c_row + j]`` and ``b[k, j]`` for
        ``b[b_at + k * b_row + j]``. Where a[i, k] lies is said by ``places``:

        - steps, ``a_row, a_col``: at ``a_at + i * a_row + k * a_col``. So a is a matrix or its
          transpose.
        - tables of int64, ``a_rows, first, a_cols``: at ``a_at + a_rows[first + i] + a_cols[k]``.
          So a may also be the windows over an image. A tall tile has more rows than there are
          registers for their places; to load those each time shows where a tile is one vector
          wide. Where rows lie side by side in runs, ``a_rows`` names only the first of each run:
          a[i, k] is at ``a_at + a_rows[first + i // run] + i % run + a_cols[k]``.
        - windows over one row of an image, ``a_row, a_cols``: at ``a_at + i * a_row + a_cols[k]``.

        What is summed onto is c itself with ``add`` = True and nothing with False. Sums over
        windows are mostly short and complete: they begin with the row ``bias, bias_at``, and where
        they end below ``low``, the third of their last arguments, that is stored: 0 for ReLU.
    """
    if config.DISABLE_JIT:
        return _python_tile(rows, vectors, vector_bytes, places, run)
    index = types.intp
    finders = {"steps": _RowsBySteps, "tables": _RowsByTables, "windows": _RowsOfWindows}
    finder: Any = finders[places]
    b_position = 8 if places == "tables" else 7  # among the arguments

    def signature(c: Any, a: Any, where: tuple[Any, ...], b: Any, onto: tuple[Any, ...]) -> Any:
        return types.void(c, index, index, a, index, *where, b, index, index, index, *onto)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        c, c_at, c_row, a, a_at, *where = arguments[:b_position]
        b, b_at, b_row, depth, *onto = arguments[b_position:]
        a_type, b_type = signature.args[3], signature.args[b_position]
        itemsize = a_type.dtype.bitwidth // 8
        lanes = vector_bytes // itemsize
        vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), lanes)
        factor = ir.VectorType(context.get_value_type(a_type.dtype), lanes)
        lane_zero = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        undefined = ir.Constant(factor, ir.Undefined)

        def multiply_add(a_vector: Any, b_vector: Any, total: Any) -> Any:
            kinds, arguments = [factor, factor, vector], [a_vector, b_vector, total]
            if a_type.dtype == types.uint32:
                name = f"llvm.x86.avx512bf16.dpbf16ps.{8 * vector_bytes}"
                kinds, arguments = [vector, factor, factor], [total, a_vector, b_vector]
            else:
                # one instruction where the processor has it, a product and a sum elsewhere
                name = f"llvm.fmuladd.v{lanes}f{8 * itemsize}"
            kind = ir.FunctionType(vector, kinds)
            return builder.call(
                cgutils.get_or_insert_function(builder.module, kind, name), arguments
            )

        def pointer(array_type: Any, array: Any, at: Any) -> Any:
            data = context.make_array(array_type)(context, builder, array).data
            return builder.gep(data, [at])

        def constant(value: int) -> Any:
            return ir.Constant(c_at.type, value)

        def vector_at(start: Any, j: int, kind: Any = vector) -> Any:
            at = builder.gep(start, [constant(j * lanes)])
            return builder.bitcast(at, kind.as_pointer())

        def to_all_lanes(value: Any) -> Any:
            one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(one, undefined, lane_zero)

        tile_of_c = [(i, j) for i in range(rows) for j in range(vectors)]
        c_start, b_start = pointer(signature.args[0], c, c_at), pointer(b_type, b, b_at)
        to = [builder.gep(c_start, [builder.mul(c_row, constant(i))]) for i in range(rows)]
        a_start, kinds = pointer(a_type, a, a_at), signature.args[5:]
        more = (run,) if places == "tables" else ()
        a_rows = finder(builder, rows, a_start, where, pointer, kinds, *more)
        # Variables on the stack, which LLVM turns into registers.
        sums = {ij: cgutils.alloca_once(builder, vector) for ij in tile_of_c}

        start = [ir.Constant(vector, [0.0] * lanes)] * vectors
        if places == "windows":
            bias = pointer(signature.args[-3], *onto[:2])
            start = [builder.load(vector_at(bias, j), align=itemsize) for j in range(vectors)]
        for i, j in tile_of_c:
            builder.store(start[j], sums[i, j])

        with cgutils.for_range(builder, depth) as loop:
            b_row_k = builder.gep(b_start, [builder.mul(loop.index, b_row)])
            b_places = [vector_at(b_row_k, j, factor) for j in range(vectors)]
            b_k = [builder.load(place, align=itemsize) for place in b_places]
            for i, a_ik in enumerate(a_rows.column(loop.index)):
                a_vector = to_all_lanes(builder.load(a_ik))
                for j in range(vectors):
                    total = multiply_add(a_vector, b_k[j], builder.load(sums[i, j]))
                    builder.store(_pin(builder, total, register), sums[i, j])

        if places != "windows":
            # Added to c at the end: numbers of a size meet, and a sum in pieces rounds less.
            with builder.if_then(onto[0]):
                for i, j in tile_of_c:
                    before = builder.load(vector_at(to[i], j), align=itemsize)
                    builder.store(builder.fadd(before, builder.load(sums[i, j])), sums[i, j])
        else:
            low = to_all_lanes(onto[2])
            for i, j in tile_of_c:
                total = builder.load(sums[i, j])
                below = builder.fcmp_ordered("<=", total, low)  # not so for NaN, which stays
                builder.store(builder.select(below, low, total), sums[i, j])
        for i, j in tile_of_c:
            builder.store(builder.load(sums[i, j]), vector_at(to[i], j), align=itemsize)
        return context.get_dummy_value()

    # Numba wants each argument by name.
    if places == "tables":

        @intrinsic
        def tile(
            typing: Any, c: Any, c_at: Any, c_row: Any,
            a: Any, a_at: Any, a_rows: Any, first: Any, a_cols: Any,
            b: Any, b_at: Any, b_row: Any, depth: Any, add: Any,
        ) -> Any:  # fmt: skip
            return signature(c, a, (a_rows, index, a_cols), b, (types.boolean,)), generate

    elif places == "steps":

        @intrinsic
        def tile(
            typing: Any, c: Any, c_at: Any, c_row: Any,
            a: Any, a_at: Any, a_row: Any, a_col: Any,
            b: Any, b_at: Any, b_row: Any, depth: Any, add: Any,
        ) -> Any:  # fmt: skip
            return signature(c, a, (index, index), b, (types.boolean,)), generate

    else:

        @intrinsic
        def tile(
            typing: Any, c: Any, c_at: Any, c_row: Any,
            a: Any, a_at: Any, a_row: Any, a_cols: Any,
            b: Any, b_at: Any, b_row: Any, depth: Any, bias: Any, bias_at: Any, low: Any,
        ) -> Any:  # fmt: skip
            return signature(c, a, (index, a_cols), b, (bias, index, c.dtype)), generate

    return tile


def _pin(builder: Any, value: Any, register: str) -> Any:
    """Hold a value in a register at this very place of the program.

    This is no code at all, but it claims to read and write a register. Without it LLVM moves the
    loads of all rows to the front, where they need so many registers that sums are pushed out.
    """
    if not register:
        return value
    function = ir.FunctionType(value.type, [value.type])
    return builder.call(ir.InlineAsm(function, "", f"={register},0", side_effect=True), [value])


class _RowsByTables:
    """Where the tile finds column k of a: through tables of offsets."""

    def __init__(
        self, builder: Any, rows: int, start: Any, places: Any, pointer: Any, kinds: Any,
        run: int = 1,
    ) -> None:  # fmt: skip
        a_rows, first, a_cols = places
        zero = ir.Constant(first.type, 0)
        table = pointer(kinds[0], a_rows, first)
        offsets = [builder.gep(table, [ir.Constant(first.type, i)]) for i in range(rows // run)]
        self.builder = builder
        self.run = [ir.Constant(first.type, i) for i in range(run)]
        self.rows = [builder.gep(start, [builder.load(offset)]) for offset in offsets]
        self.columns = pointer(kinds[2], a_cols, zero)

    def column(self, k: Any) -> list[Any]:
        """Point at a[i, k] for all i."""
        column = self.builder.load(self.builder.gep(self.columns, [k]))
        heads = [self.builder.gep(row, [column]) for row in self.rows]
        return [self.builder.gep(head, [i]) for head in heads for i in self.run]


class _RowsBySteps:
    """Where the tile finds column k of a: at equal steps, which address arithmetic can reach.

    An address on x86 is ``base + index * (1, 2, 4 or 8)``. With the step and its odd multiples 3, 5
    and 7 in registers that reaches nine rows from one base, so that a tall tile takes two bases
    rather than as many pointers as it has rows, more than there are registers for them.
    """

    REACH = 9

    def __init__(
        self, builder: Any, rows: int, start: Any, places: Any, pointer: Any, kinds: Any
    ) -> None:
        a_row, self.next_column = places
        self.builder, self.rows = builder, rows
        # Pinned, lest LLVM replace them by one pointer a row again.
        self.odd = {n: self._hold(builder.mul(a_row, self._number(n, a_row))) for n in (1, 3, 5, 7)}
        self.bases = []
        for first in range(0, rows, self.REACH):
            base = builder.gep(start, [builder.mul(a_row, self._number(first, a_row))])
            self.bases.append(cgutils.alloca_once_value(builder, base))

    def column(self, k: Any) -> list[Any]:
        """Point at a[i, k] for all i; to be asked for each k in turn."""
        builder = self.builder
        found = []
        for first, base in zip(range(0, self.rows, self.REACH), self.bases, strict=True):
            start = self._hold(builder.load(base))
            found.extend(self._from(start, first))
            builder.store(builder.gep(start, [self.next_column]), base)
        return found

    def _from(self, start: Any, first: int) -> list[Any]:
        """Point at the rows from ``first`` on that can be reached from there."""
        found = [start]
        for i in range(1, min(self.REACH, self.rows - first)):
            shift = (i & -i).bit_length() - 1  # i = odd * 2**shift
            odd = self.odd[i >> shift]
            at = self.builder.shl(odd, self._number(shift, odd))
            found.append(self.builder.gep(start, [at]))
        return found

    @staticmethod
    def _number(value: int, like: Any) -> Any:
        return ir.Constant(like.type, value)

    def _hold(self, value: Any) -> Any:
        return _pin(self.builder, value, "r")  # any general register, on every processor


class _RowsOfWindows(_RowsBySteps):
    """Where the tile finds column k of a: rows at equal steps, columns through a table."""

    def __init__(
        self, builder: Any, rows: int, start: Any, places: Any, pointer: Any, kinds: Any
    ) -> None:
        a_row, a_cols = places
        zero = self._number(0, a_row)
        super().__init__(builder, rows, start, (a_row, zero), pointer, kinds)
        self.columns = pointer(kinds[1], a_cols, zero)

    def column(self, k: Any) -> list[Any]:
        """Point at a[i, k] for all i."""
        builder = self.builder
        column = builder.load(builder.gep(self.columns, [k]))
        found = []
        for first, base in zip(range(0, self.rows, self.REACH), self.bases, strict=True):
            start = self._hold(builder.gep(builder.load(base), [column]))
            found.extend(self._from(start, first))
        return found


def _python_tile(
    rows: int, vectors: int, vector_bytes: int, places: Places, run: int = 1
) -> Callable[..., None]:
    """Make the same tile in plain Python, for ``NUMBA_DISABLE_JIT=1``."""

    def tile(c: Array, c_at: int, c_row: int, a: Array, a_at: int, *more: Any) -> None:
        count = 3 if places == "tables" else 2
        where, (b, b_at, b_row, depth, *onto) = more[:count], more[count:]
        columns = vectors * vector_bytes // c.itemsize

        def offset(i: int, k: int) -> int:
            if places == "tables":
                a_rows, first, a_cols = where
                return int(a_rows[first + i // run] + i % run + a_cols[k])
            a_row, a_col = where
            return int(i * a_row + (a_col[k] if places == "windows" else k * a_col))

        for i in range(rows):
            to = slice(c_at + i * c_row, c_at + i * c_row + columns)
            total = np.zeros(columns, c.dtype)
            if places == "windows":
                bias, bias_at, low = onto
                total += bias[bias_at : bias_at + columns]
            with np.errstate(all="ignore"):  # rows that fill up a tile hold anything
                for k in range(depth):
                    b_k = b[b_at + k * b_row : b_at + k * b_row + columns]
                    total += _product(a[a_at + offset(i, k)], b_k)
                if places == "windows":
                    total = np.where(total <= low, low, total)
                c[to] = c[to] + total if onto[0] is True else total

    return tile


def _product(a: Any, b: Array) -> Any:
    """Multiply a number by some, or a pair of bfloat16 by some pairs."""
    if b.dtype != np.uint32:
        return a * b
    halves = [((v << 16).view(np.float32), (v >> 16 << 16).view(np.float32)) for v in (a, b)]
    (a_low, a_high), (b_low, b_high) = halves
    return a_low * b_low + a_high * b_high
