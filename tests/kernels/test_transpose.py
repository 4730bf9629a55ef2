"""Turning a matrix block by block, against NumPy."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tests.kernels.fresh import in_a_new_process
from tinyvision_kernels.cpu.transpose import transpose
from tinyvision_kernels.cpu.vector import lane_count


@numba.njit
def turn(c, c_at, c_row, a, a_at, a_row, rows, columns):
    transpose(c, c_at, c_row, a, a_at, a_row, rows, columns)


def check(rows: int, columns: int, dtype: type) -> None:
    lanes = lane_count(np.empty(0, dtype))
    whole_rows, whole_columns = (-(-n // lanes) * lanes for n in (rows, columns))
    a_row, c_row = columns + 3, whole_rows + 2
    a = np.random.default_rng(rows).standard_normal(5 + rows * a_row).astype(dtype)
    c = np.full(7 + whole_columns * c_row, np.inf, dtype)
    turn(c, 7, c_row, a, 5, a_row, rows, columns)
    expected = np.zeros((whole_columns, whole_rows), dtype)
    expected[:columns, :rows] = a[5:].reshape(rows, a_row)[:, :columns].T
    result = c[7:].reshape(whole_columns, c_row)
    np.testing.assert_array_equal(result[:, :whole_rows], expected)
    assert (result[:, whole_rows:] == np.inf).all()
    assert (c[:7] == np.inf).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_matrices_of_any_shape(dtype: type):
    for rows in (1, 3, 8, 16, 17, 40):
        for columns in (1, 2, 7, 16, 32, 33):
            check(rows, columns, dtype)


def test_in_plain_python():
    code = "import numpy as np, tests.kernels.test_transpose as t\nt.check(5, 19, np.float32)\n"
    in_a_new_process(code, NUMBA_DISABLE_JIT="1")
