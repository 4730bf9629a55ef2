"""A way to call a kernel of either implementation by its name."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS

try:
    from tinyvision_kernels import cpu

    TABLES = {"reference": reference.TABLE, "cpu": cpu.TABLE}
except ImportError:
    TABLES = {"reference": reference.TABLE}


Call = Callable[..., np.ndarray]


@pytest.fixture(params=TABLES)
def call(request) -> Call:
    """Call a kernel by name and return its one output."""
    table = TABLES[request.param]

    def run(name: str, *arguments) -> np.ndarray:
        contract = KERNELS[name]
        count = len(contract.inputs)
        (shape,) = contract.shapes(*[a.shape for a in arguments[:count]], *arguments[count:])
        dtype = contract.dtype(contract.outputs[0], np.dtype("f4"))
        out = np.full(shape, 7, dtype)
        kernel = table[name] if table is not reference.TABLE else partial(table[name], np)
        kernel(out, *arguments)
        return out

    return run
