"""Kernels compiled for lesser processors than this one, which can play them."""

import pytest

from tests.kernels.fresh import in_a_new_process
from tinyvision_kernels.cpu import tile

OLDER = {"avx2": "+sse4.2,+avx,+avx2,+fma", "generic": "+sse2"}

each_older_processor = pytest.mark.parametrize("name", OLDER)


def on_an_older_processor(name: str, code: str) -> None:
    """Run a program in a new process, compiled for a processor of ``OLDER``."""
    if tile.HOST.register not in ("v", "x"):
        pytest.skip("not an x86-64 processor")
    known = list(tile.PROCESSORS)
    if known.index(name) < list(tile.PROCESSORS.values()).index(tile.HOST):
        pytest.skip(f"this processor has no {name}")
    in_a_new_process(code, NUMBA_CPU_NAME="x86-64", NUMBA_CPU_FEATURES=OLDER[name])
