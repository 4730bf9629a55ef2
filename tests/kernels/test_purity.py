"""What may be recorded: launchers whose programs compute from what arrays hold when they run."""

import numpy as np
import pytest

from tests.kernels.cases import cases, conv_case, dtypes

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels import test_fused_algorithms as fused
from tests.kernels.algorithms import LARGE, applies, forced
from tests.kernels.digests import SMALL_CHUNK, large_cases
from tests.kernels.replay import sees_what_arrays_hold_now
from tests.kernels.test_cpu_conv_algorithms import KERNELS
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import chunks
from tinyvision_kernels.cpu.conv.choice import ALGORITHMS


def all_replay(kernel: str) -> bool:
    first = (*cases(kernel), *large_cases(kernel))
    second = (*cases(kernel, 1), *large_cases(kernel, 1))
    return all(
        sees_what_arrays_hold_now(*pair, cpu.TABLE[kernel], dtype)
        for dtype in dtypes(kernel)
        for pair in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("kernel", cpu.TABLE)
def test_every_launcher_can_be_recorded(kernel):
    assert all_replay(kernel)


@pytest.mark.parametrize("kernel", cpu.TABLE)
def test_one_that_cuts_its_work_into_chunks_too(kernel, monkeypatch):
    monkeypatch.setattr(chunks, "SMALLEST", SMALL_CHUNK)
    assert all_replay(kernel)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_convolution_can(algorithm):
    tried = 0
    for kernel, direction in KERNELS.items():
        if hasattr(ALGORITHMS[algorithm], direction):
            tried += replay_convolutions(kernel, algorithm, LARGE, applies)
    if algorithm in fused.ALGORITHMS:
        for kernel in fused.KERNELS:
            tried += replay_convolutions(kernel, algorithm, (*LARGE, *fused.MORE), fused.fits)
    assert tried > 5


def replay_convolutions(kernel, algorithm, geometries, suits) -> int:
    rng = np.random.default_rng(2)
    tried = 0
    for geometry in geometries:
        pair = [conv_case(kernel, geometry, rng) for _ in range(2)]
        for dtype in dtypes(kernel):
            if suits(algorithm, pair[0], dtype):
                seen = sees_what_arrays_hold_now(*pair, forced(kernel, algorithm), dtype)
                assert seen, f"{kernel} [{geometry.id}] {np.dtype(dtype)}"
                tried += 1
    return tried
