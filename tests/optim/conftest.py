"""The backends on which optimisers are tested."""

import pytest

import tinyvision as tv
from tests.ops.strict_backend import STRICT


@pytest.fixture(params=["reference", "cpu", STRICT], ids=["reference", "cpu", "strict"])
def backend(request):
    if request.param == "cpu":
        pytest.importorskip("numba", reason="Numba, which the cpu kernels need, is not installed")
    with tv.using(request.param) as chosen:
        yield chosen
