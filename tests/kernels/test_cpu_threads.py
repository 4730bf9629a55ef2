"""The same bits for any number of threads, and right ones wherever the work is cut."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tests.kernels.agreement import assert_agrees
from tests.kernels.cases import cases
from tests.kernels.digests import SMALL_CHUNK, digest
from tests.kernels.fresh import ROOT, SOURCES
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import chunks

COUNTS = (1, 2, 3, 7)


@pytest.fixture(scope="module")
def digests_by_kernel() -> dict[str, list[str]]:
    """Digests for 1, 2, 3 and 7 threads, of a pool that has seven on any machine."""
    environment = {
        **os.environ,
        "NUMBA_NUM_THREADS": str(max(COUNTS)),
        "OMP_WAIT_POLICY": "passive",  # with more threads than cores, waiting ones must sleep
        "PYTHONPATH": os.pathsep.join([str(SOURCES.parent), str(ROOT)]),
    }
    command = [sys.executable, "-m", "tests.kernels.digests", *map(str, COUNTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, list[str]] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("kernel", cpu.TABLE)
def test_thread_count_changes_no_bit(kernel, digests_by_kernel):
    assert digests_by_kernel[kernel] == [digests_by_kernel[kernel][0]] * len(COUNTS)


@pytest.mark.parametrize("kernel", cpu.TABLE)
def test_another_process_computes_the_same_bits(kernel, digests_by_kernel, monkeypatch):
    monkeypatch.setattr(chunks, "SMALLEST", SMALL_CHUNK)
    assert digest(kernel) == digests_by_kernel[kernel][0], f"{numba.get_num_threads()} threads"


@pytest.mark.parametrize("kernel", cpu.TABLE)
def test_many_chunks_agree_with_the_reference(kernel, monkeypatch):
    monkeypatch.setattr(chunks, "SMALLEST", SMALL_CHUNK)
    for case in cases(kernel):
        assert_agrees(case, cpu.TABLE[kernel], np.float32)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 16384, 16385, 10**6, 123_456_789])
@pytest.mark.parametrize("unit", [1, 4, 130])
def test_chunks_are_few_and_end_at_whole_units(size, unit):
    length = chunks.chunk_length(size, unit)
    assert length % unit == 0
    assert -(-size // length) <= chunks.MOST
    assert length < chunks.SMALLEST + unit or length < size / chunks.MOST + 1 + unit
