"""The kernels as they would be compiled for other processors, timed on this one.

``python -m benchmarks.processors`` runs the same convolutions and a dense layer with the register
tile of each processor in :data:`tinyvision_kernels.cpu.tile.PROCESSORS` that this machine can
execute, each in a process of its own, and prints GFLOP/s. Results are compared with the reference
kernels before anything is timed. ``--results FILE`` writes the figures as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np

from benchmarks import machine

# What Numba is told; nothing stands for the processor itself.
TARGETS: dict[str, dict[str, str]] = {
    "AVX-512": {},
    "AVX2": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma"},
    "generic": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"},
}
N, H, C, O = 128, 16, 64, 128
I = 1024
ROUNDS = 15


def runnable() -> list[str]:
    """Return the targets that this machine can execute."""
    if not machine.describe()["system"].endswith("x86_64"):
        return []
    names = list(TARGETS)
    widest = machine.vector_unit()
    return names[names.index(widest) :] if widest in names else names[-1:]


def measure() -> dict[str, float]:
    """Return GFLOP/s of each kernel in this process, counted as direct convolution."""
    from tinyvision import backend

    cpu, reference = (backend.get(name).kernels for name in ("cpu", "reference"))
    rng = np.random.default_rng(0)
    x, w, dy, a, b = (
        rng.standard_normal(shape, np.float32)
        for shape in ((N, H, H, C), (3, 3, C, O), (N, H, H, O), (I, I), (I, I))
    )
    geometry = ((1, 1), (1, 1, 1, 1), (1, 1), 1)
    convolution, product = 2 * N * H * H * C * O * 9, 2 * I**3

    def conv(kernels: Any, *more: str) -> dict[str, Any]:
        return {
            "forward": lambda: kernels.conv2d(x, w, None, *geometry, *more),
            "dx": lambda: kernels.conv2d_dx(dy, w, (H, H), *geometry, *more),
            "dw": lambda: kernels.conv2d_dw(x, dy, (3, 3), *geometry, *more),
        }

    work = {
        f"{algorithm} {direction}": (run, conv(reference)[direction], convolution)
        for algorithm in ("direct", "winograd")
        for direction, run in conv(cpu, algorithm).items()
    }
    work["dense"] = (lambda: cpu.dense(a, b, None), lambda: reference.dense(a, b, None), product)
    for name, (run, expected, _) in work.items():
        right = expected()
        error = np.abs(run() - right).max() / np.abs(right).max()
        assert error < 1e-4, f"{name}: off by {error:.1e} of the largest value"
    sleep(0.2)  # NumPy's BLAS threads wait for work by spinning, and would do so on our cores
    figures = {}
    for name, (run, _, flops) in work.items():
        seconds = []
        for _ in range(ROUNDS):
            start = perf_counter()
            run()
            seconds.append(perf_counter() - start)
        figures[name] = round(flops / median(seconds) / 1e9, 1)
    return figures


def run_all() -> dict[str, Any]:
    """Measure every target, each in a fresh process, and return all figures with the machine."""
    import numba

    figures = {}
    for name in runnable():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.processors", "--here"],
            env={**os.environ, **TARGETS[name]},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        figures[name] = json.loads(done.stdout)
    return {
        "machine": {**machine.describe(), "threads": numba.get_num_threads()},
        "work": f"3x3 convolution {N} x {H}x{H}x{C} -> {O}; dense {I} x {I} -> {I}",
        "gflops": figures,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure()))
        return
    results = run_all()
    print(results["work"])
    columns = list(next(iter(results["gflops"].values())))
    print(f"{'GFLOP/s':10}" + "".join(f"{column:>18}" for column in columns))
    for name, row in results["gflops"].items():
        print(f"{name:10}" + "".join(f"{row[column]:18.0f}" for column in columns))
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
