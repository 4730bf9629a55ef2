"""Kernels that are optimised as a whole behave as those that Numba compiles its own way."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba
from numba.core import codegen, event

from tests.kernels.fresh import python
from tinyvision_kernels.cpu import compile_once, product
from tinyvision_kernels.cpu.jit import inline_jit, kernel_jit

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
known = pytest.mark.skipif(
    not compile_once.applies(),
    reason=f"Numba {numba.__version__} is new here: run all tests with compile_once.TESTED raised",
)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path))


@inline_jit
def twice(x):
    return 2 * x


def make_kernel(offset):
    @kernel_jit
    def kernel(y, x):
        for i in numba.prange(x.size):
            y[i] = twice(x[i]) + min(offset, x[i])

    return kernel


@known
def test_a_kernel_is_all_that_reaches_the_optimiser(store, monkeypatch):
    optimised = []
    optimise = codegen.JITCodeLibrary._optimize_final_module
    record = lambda self: (optimised.append(self.name), optimise(self))  # noqa: E731
    monkeypatch.setattr(codegen.JITCodeLibrary, "_optimize_final_module", record)
    x = np.arange(5.0)
    y = np.empty_like(x)
    make_kernel(3)(y, x)
    assert y.tolist() == [0, 3, 6, 9, 11]
    assert optimised == ["make_kernel.<locals>.kernel"]


def test_a_helper_is_plain_python_for_python():
    with event.install_recorder("numba:compile") as recorder:
        assert product.whole_tiles(1) == 1
    assert not recorder.buffer


def test_a_helper_of_one_kernel_helps_another_and_code_of_others_too(store):
    x = np.arange(5.0)
    y = np.empty_like(x)
    for offset in (3, 4):
        make_kernel(offset)(y, x)
        assert y.tolist() == [2 * a + min(offset, a) for a in x]

    @numba.njit
    def elsewhere(x):
        return twice(x) + min(3, x)

    assert elsewhere(4.0) == 11


def test_an_unknown_numba_compiles_its_own_way_to_the_same_results(tmp_path):
    unknown = "from tinyvision_kernels.cpu import compile_once; compile_once.TESTED = ((0, 1),) * 2"
    code = """
{before}
import numpy as np
from tinyvision_kernels import cpu
x = np.linspace(-3, 3, 40_000, dtype=np.float32)
y, p, losses = np.empty_like(x), np.empty((4, 5), np.float32), np.empty(4, np.float32)
cpu.TABLE["silu"](y, x)
cpu.TABLE["softmax_cross_entropy"](losses, p, x[:20].reshape(4, 5), np.arange(4), None, 0.0)
print(y.tobytes().hex()[:9000], losses.tolist(), cpu.product.whole_tiles(1))
"""
    printed = {
        python(code.format(before=before), TINYVISION_CACHE=str(tmp_path / str(i)))[0]
        for i, before in enumerate(["", unknown])
    }
    assert len(printed) == 1


def test_an_error_inside_of_a_kernel_is_told_alike_by_every_process(tmp_path):
    # to raise it, a function needs its environment, in which the message lies
    code = """
from tinyvision_kernels.cpu.jit import body_jit, inline_jit

@inline_jit
def careful(x):
    if x < 0:
        raise ValueError("below zero", x)
    return x

@body_jit
def kernel(x):
    return careful(x) + careful(x - 1)

print(kernel(1.0))
try:
    kernel(0.5)
except ValueError as error:
    print(error.args)
"""
    for _ in range(2):
        assert python(code, TINYVISION_CACHE=str(tmp_path))[0] == "1.0\n('below zero', -0.5)\n"
