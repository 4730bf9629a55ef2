"""The kernels as they would be compiled for other processors, timed on this one.

``python -m benchmarks.processors`` runs the same convolutions and a dense layer with the register
tile of each processor in :data:`tinyvision_kernels.cpu.tile.PROCESSORS` that this machine can
execute, each in a process of its own, and prints GFLOP/s. PyTorch, where it is installed, is told
to keep to the same instructions. Results are compared with the reference kernels before anything is
timed. ``--results FILE`` writes the figures as JSON.
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
from benchmarks.contest import torch_or_none
from benchmarks.table import print_table

# What Numba is told, and PyTorch's libraries; nothing stands for the processor itself.
TARGETS: dict[str, dict[str, str]] = {
    "AVX-512": {},
    "AVX2": {
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": "+sse4.2,+avx,+avx2,+fma",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "generic": {
        "NUMBA_CPU_NAME": "x86-64",
        "NUMBA_CPU_FEATURES": "+sse2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
# Each thread keeps its core, which Numba then has to be told the number of.
BOUND = {"OMP_PROC_BIND": "true", "NUMBA_NUM_THREADS": str(os.cpu_count() or 1)}
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
    torch = torch_or_none()
    if torch:
        work |= {
            f"PyTorch {name}": (run, *work[ours][1:])
            for (name, run), ours in zip(
                _torch(torch, x, w, dy, a, b).items(), (*list(work)[:3], "dense"), strict=True
            )
        }
    for name, (run, expected, _) in work.items():
        right = expected()
        error = np.abs(run() - right).max() / np.abs(right).max()
        assert error < 1e-4, f"{name}: off by {error:.1e} of the largest value"
    figures = {}
    for name, (run, _, flops) in work.items():
        sleep(0.2)  # threads of others wait for work by spinning, and would do so on our cores
        run()
        seconds = []
        for _ in range(ROUNDS):
            start = perf_counter()
            run()
            seconds.append(perf_counter() - start)
        figures[name] = round(flops / median(seconds) / 1e9, 1)
    return figures


def _torch(torch: Any, x: Any, w: Any, dy: Any, a: Any, b: Any) -> dict[str, Any]:
    """Return the same work for PyTorch, with images in its channels_last layout."""
    import numba

    torch.set_num_threads(numba.get_num_threads())
    images, gradient = (
        torch.from_numpy(array.transpose(0, 3, 1, 2)) for array in (x, dy)
    )  # (N, H, W, C) -> (N, C, H, W), the same memory: channels last
    weights = torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1)))  # -> (O, C, KH, KW)
    weights = weights.to(memory_format=torch.channels_last)
    left, right = torch.from_numpy(a), torch.from_numpy(b)

    def backward(of_input: bool) -> Any:
        gradients = torch.ops.aten.convolution_backward(
            gradient, images, weights, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
            [of_input, not of_input, False],
        )  # fmt: skip
        if of_input:
            return gradients[0].numpy().transpose(0, 2, 3, 1)  # -> (N, H, W, C)
        return gradients[1].numpy().transpose(2, 3, 1, 0)  # -> (KH, KW, C, O)

    def forward() -> Any:
        y = torch.conv2d(images, weights, None, 1, 1)
        return y.numpy().transpose(0, 2, 3, 1)  # -> (N, H, W, O)

    return {
        "forward": forward,
        "dx": lambda: backward(True),
        "dw": lambda: backward(False),
        "dense": lambda: (left @ right).numpy(),
    }


def run_all() -> dict[str, Any]:
    """Measure every target, each in a fresh process, and return all figures with the machine."""
    figures = {}
    for name in runnable():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.processors", "--here"],
            env={**os.environ, **BOUND, **TARGETS[name]},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        figures[name] = json.loads(done.stdout)
    return {
        "machine": {**machine.describe(), "threads": os.cpu_count() or 1},
        "work": f"3x3 convolution {N} x {H}x{H}x{C} -> {O}; dense {I} x {I} -> {I}",
        "processors": figures,
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
    print_table(results)
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
