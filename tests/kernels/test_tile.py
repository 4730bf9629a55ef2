"""The register tile: every form of it, compiled and in plain Python, against a plain product."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tinyvision_kernels.cpu import product as products
from tinyvision_kernels.cpu import tile
from tinyvision_kernels.cpu.tile import PROCESSORS, Processor

# Python calls kernels only, so here these helpers become some.
multiply = numba.njit(products.multiply.py_func)
multiply_matrix = numba.njit(products.multiply_matrix.py_func)

DTYPES = (np.float32, np.float64)
DEPTH = 9
LOW = 20  # the least that a tile over windows stores

every_way = pytest.mark.parametrize("places", ["tables", "steps", "windows"])
both_ways = pytest.mark.parametrize("places", ["tables", "steps"])
both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)


def runnable(name: str) -> Processor:
    """Any form runs anywhere, cut up by LLVM; only the registers' letter is a processor's own."""
    same_family = {name, tile.HOST.register} <= {"avx2", "v", "x"}
    ours = PROCESSORS[name] == tile.HOST or same_family
    return PROCESSORS[name] if ours else PROCESSORS[name]._replace(register="")


def compile_tiles(form: Processor, places: tile.Places):
    """Compile the six tiles of a processor as one function, which is six times as quick."""
    tall_wide, middle_wide, single_wide, tall_slim, middle_slim, single_slim = (
        tile.make_tile(rows, vectors, form.vector_bytes, form.register, places=places)
        for vectors in (2, 1)
        for rows in form.rows
    )

    # Numba refuses *arguments to an intrinsic
    def by_tables(which, c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add):
        if which == 0:
            tall_wide(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
        elif which == 1:
            middle_wide(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
        elif which == 2:
            single_wide(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
        elif which == 3:
            tall_slim(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
        elif which == 4:
            middle_slim(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)
        else:
            single_slim(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)

    def by_steps(which, c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add):
        if which == 0:
            tall_wide(c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add)
        elif which == 1:
            middle_wide(c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add)
        elif which == 2:
            single_wide(c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add)
        elif which == 3:
            tall_slim(c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add)
        elif which == 4:
            middle_slim(c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add)
        else:
            single_slim(c, at, row, a, a_at, a_row, a_col, b, b_at, b_row, depth, add)

    def by_windows(which, c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low):
        if which == 0:
            tall_wide(c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low)
        elif which == 1:
            middle_wide(c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low)
        elif which == 2:
            single_wide(c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low)
        elif which == 3:
            tall_slim(c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low)
        elif which == 4:
            middle_slim(c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low)
        else:
            single_slim(c, at, row, a, a_at, a_row, a_cols, b, b_at, b_row, depth, z, z_at, low)

    return numba.njit({"tables": by_tables, "steps": by_steps, "windows": by_windows}[places])


class Product:
    """A random product of small integers, which are exact in any order and precision."""

    def __init__(self, rows: int, columns: int, dtype: type, seed: int, places: tile.Places):
        rng = np.random.default_rng(seed)
        self.rows, self.columns, self.places = rows, columns, places
        self.a, self.b, self.c = (rng.integers(-9, 10, 2000).astype(dtype) for _ in range(3))
        self.steps = int(rng.integers(DEPTH, 40)), int(rng.integers(1, 9))
        # any, where there are tables: a need not be a matrix
        self.a_rows = np.arange(-3, rows) * self.steps[0]
        if places == "tables":
            self.a_rows = rng.integers(0, 900, rows + 3)
        self.a_cols = np.arange(DEPTH) * self.steps[1]
        if places != "steps":
            self.a_cols = rng.integers(0, 900, DEPTH)
        self.c_row, self.b_row = columns + 5, columns + 3

    def arguments(self, c: np.ndarray, add: bool) -> tuple:
        where = {
            "tables": (self.a_rows, 3, self.a_cols),
            "steps": self.steps,
            "windows": (self.steps[0], self.a_cols),
        }[self.places]
        # Windows are summed onto a bias, here a piece of b, or zeros, and end no lower than 20.
        low = self.b.dtype.type(LOW)
        bias = (self.b, 17, low) if add else (np.zeros(99, self.b.dtype), 3, low)
        onto = bias if self.places == "windows" else (add,)
        return c, 11, self.c_row, self.a, 7, *where, self.b, 13, self.b_row, DEPTH, *onto

    def expected(self, add: bool) -> np.ndarray:
        c = self.c.copy()
        for i in range(self.rows):
            for j in range(self.columns):
                at = 11 + i * self.c_row + j
                total = 0
                if add:
                    total = self.b[17 + j] if self.places == "windows" else self.c[at]
                for k in range(DEPTH):
                    a_ik = self.a[7 + self.a_rows[3 + i] + self.a_cols[k]]
                    total += a_ik * self.b[13 + k * self.b_row + j]
                c[at] = max(total, LOW) if self.places == "windows" else total
        return c


@every_way
@both_precisions
@pytest.mark.parametrize("name", PROCESSORS)
def test_every_tile_of_every_processor(name: str, dtype: type, places: tile.Places):
    form = runnable(name)
    run = compile_tiles(form, places)
    lanes = form.vector_bytes // np.dtype(dtype).itemsize
    for which in range(6):
        rows, vectors = form.rows[which % 3], 2 - which // 3
        product = Product(rows, vectors * lanes, dtype, seed=which, places=places)
        for add in (False, True):
            c = product.c.copy()
            run(which, *product.arguments(c, add))
            # the whole array: nothing beside the tile has changed
            np.testing.assert_array_equal(c, product.expected(add), f"{rows} x {vectors}, {add}")


@every_way
@both_precisions
def test_python_body_equals_the_compiled_one(dtype: type, places: tile.Places):
    form = tile.HOST
    lanes = form.vector_bytes // np.dtype(dtype).itemsize
    for rows in form.rows:
        for vectors in (1, 2):
            product = Product(rows, vectors * lanes, dtype, seed=rows, places=places)
            body = tile._python_tile(rows, vectors, form.vector_bytes, places)
            for add in (False, True):
                c = product.c.copy()
                body(*product.arguments(c, add))
                np.testing.assert_array_equal(c, product.expected(add))


@both_precisions
@pytest.mark.parametrize(("rows", "run"), [(27, 3), (10, 5)])
@pytest.mark.parametrize("compiled", [True, False])
def test_rows_in_runs(rows: int, run: int, dtype: type, compiled: bool):
    form = tile.HOST
    product = Product(rows, form.vector_bytes // np.dtype(dtype).itemsize, dtype, run, "tables")
    heads = product.a_rows[: 3 + rows // run]
    product.a_rows = np.append(heads[:3], (heads[3:, None] + np.arange(run)).ravel())
    if compiled:
        one = tile.make_tile(rows, 1, form.vector_bytes, form.register, places="tables", run=run)

        @numba.njit
        def body(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add):
            one(c, at, row, a, a_at, a_rows, i, a_cols, b, b_at, b_row, depth, add)

    else:
        body = tile._python_tile(rows, 1, form.vector_bytes, "tables", run)
    for add in (False, True):
        c = product.c.copy()
        arguments = list(product.arguments(c, add))
        arguments[5] = heads
        body(*arguments)
        np.testing.assert_array_equal(c, product.expected(add))


@both_ways
@both_precisions
@pytest.mark.parametrize("slim", [False, True])
def test_multiply_cuts_any_number_of_rows_into_tiles(slim: bool, dtype: type, places: tile.Places):
    block = tile.BLOCK_BYTES // np.dtype(dtype).itemsize
    width = block // 2 if slim else block
    for rows in range(2 * tile.TALL + 2):
        product = Product(rows, width, dtype, seed=rows, places=places)
        product.c_row = block
        c = product.c.copy()
        *arguments, depth, add = product.arguments(c, True)
        (multiply if places == "tables" else multiply_matrix)(*arguments, rows, width, depth, add)
        np.testing.assert_array_equal(c, product.expected(True), f"{rows} rows")


def test_columns_up_to_a_vector_leave_the_second_vector_alone():
    block = tile.BLOCK_BYTES // 4
    a, b, c = np.ones(64, np.float32), np.ones(10 * block, np.float32), np.zeros(block, np.float32)
    table = np.arange(10)
    multiply(c, 0, block, a, 0, table, 0, table, b, 0, block, 1, block // 2, 10, False)
    assert c.tolist() == [10] * (block // 2) + [0] * (block // 2)
    multiply(c, 0, block, a, 0, table, 0, table, b, 0, block, 1, block // 2 + 1, 10, False)
    assert c.tolist() == [10] * block


def test_nan_and_infinity_pass_through_zero_weights():
    block = tile.BLOCK_BYTES // 4
    a = np.array([np.nan, np.inf, 1], np.float32)
    b, c = np.zeros(block, np.float32), np.empty(3 * block, np.float32)
    rows, column = np.arange(3), np.zeros(1, np.int64)
    multiply(c, 0, block, a, 0, rows, 0, column, b, 0, block, 3, block, 1, False)
    assert np.isnan(c[: 2 * block]).all()
    assert (c[2 * block :] == 0).all()


def test_an_empty_sum_is_zero():
    block = tile.BLOCK_BYTES // 8
    c, nothing, table = np.full(block, np.nan), np.empty(0), np.zeros(1, np.int64)
    multiply(c, 0, block, nothing, 0, table, 0, table, nothing, 0, 0, 1, block, 0, False)
    assert (c == 0).all()


@pytest.mark.parametrize("rows", range(1, 40))
def test_whole_tiles_holds_the_rows_and_less_than_a_tile_more(rows: int):
    assert rows <= products.whole_tiles(rows) < rows + tile.TALL


@pytest.mark.parametrize(
    ("features", "machine", "name"),
    [
        ("+sse2,+avx,+avx2,+fma,+avx512f", "x86_64", "avx512f"),
        ("+sse2,+avx,+avx2,+fma,-avx512f", "x86_64", "avx2"),
        ("+sse2,-avx2", "AMD64", "generic"),
        ("", "arm64", "neon"),
        ("", "aarch64", "neon"),
        ("", "riscv64", "generic"),
    ],
)
def test_the_tile_follows_the_instruction_sets(features, machine, name, monkeypatch):
    monkeypatch.setattr(tile.config, "CPU_FEATURES", features)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert tile.host_processor() == PROCESSORS[name]


@pytest.mark.parametrize(
    ("name", "registers"), [("avx512f", 32), ("avx2", 16), ("neon", 32), ("generic", 16)]
)
def test_the_tall_tile_fits_into_the_registers(name: str, registers: int):
    sums = PROCESSORS[name].rows[0] * 2
    assert sums + 2 + 1 <= registers  # and two vectors of b, one of a
