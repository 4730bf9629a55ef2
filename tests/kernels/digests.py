"""What the compiled kernels compute, bit for bit, as one digest for each kernel and thread count.

``python -m tests.kernels.digests 1 2 3`` prints, as JSON, for each kernel its digest with 1 thread,
with 2 and with 3. The number of threads in a pool is fixed when a process starts, so the test
runs this in a process of its own.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator

import numba
import numpy as np

from tests.kernels.cases import Case, cases, conv_case, dtypes, make, run
from tests.kernels.geometries import SAME, Conv
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import chunks

SMALL_CHUNK = 64  # elements: small cases then have many chunks


def digests(thread_counts: Iterable[int]) -> dict[str, list[str]]:
    chunks.SMALLEST = SMALL_CHUNK
    result: dict[str, list[str]] = {name: [] for name in cpu.TABLE}
    for count in thread_counts:
        numba.set_num_threads(count)
        for name in cpu.TABLE:
            result[name].append(digest(name))
    return result


def digest(name: str) -> str:
    """Hash all that a kernel writes in all its cases."""
    bits = hashlib.sha256()
    for dtype in dtypes(name):
        for case in (*cases(name), *large_cases(name)) if dtype != np.float64 else ():
            for array in run(case, cpu.TABLE[name], dtype).values():
                bits.update(array.tobytes())
    return bits.hexdigest()


def large_cases(name: str, seed: int = 5) -> Iterator[Case]:
    """Cases of the products large enough to be cut into several pieces."""
    rng = np.random.default_rng(seed)
    if name.startswith("conv2d"):
        yield conv_case(name, Conv("large", (6, 24, 20, 8), (3, 3), 40, pad=SAME), rng)
        yield conv_case(name, Conv("by channel", (6, 24, 20, 9), (3, 3), 9, groups=9), rng)
    elif name.startswith("dense"):
        for N, I, O in [(1500, 40, 24), (1, 700, 200), (30, 1024, 70), (60, 530, 256)]:
            arrays = {"x": (N, I), "w": (I, O), "b": (O,), "dy": (N, O)}
            given = {key: rng.standard_normal(shape) for key, shape in arrays.items()}
            yield make(name, f"large, {N}x{I}x{O}", given)
    elif name == "bias_grad":
        yield make(name, "large", {"dy": rng.standard_normal((9000, 24))})


if __name__ == "__main__":
    print(json.dumps(digests(map(int, sys.argv[1:]))))
