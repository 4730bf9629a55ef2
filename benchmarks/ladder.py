"""One convolution, from Python loops to Winograd's method: what each step up is worth.

``python -m benchmarks.ladder`` measures every rung and prints the table, in about a minute. Results
are held against float64 before anything is timed. GFLOP/s count a convolution as the direct method
does, a multiply-add as two; the peak is measured in the same run (:mod:`benchmarks.ceilings`).
``--results FILE`` writes the figures as JSON, of which the table in ``kernels/README.md`` is made.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from benchmarks import ceilings, machine
from benchmarks.contest import Score, torch_or_none
from benchmarks.table import print_table
from tinyvision import backend
from tinyvision_kernels.reference import naive_conv

GEOMETRY = ((1, 1), (1, 1, 1, 1), (1, 1), 1)  # stride, padding, dilation, groups
TURNS = 7  # of each rung
CALLS = 3  # in a turn
WARM = 0.03  # s, before them
TOLERANCE = 1e-4  # of the largest value
PAUSE = 0.05  # s; threads of other libraries wait for work by spinning, for a while on our cores


@dataclass(frozen=True)
class Work:
    """A 3x3 convolution with a border of zeros: N images of H x H x C, O filters."""

    N: int
    H: int
    C: int
    O: int

    @property
    def label(self) -> str:
        """As the table says it."""
        return f"{self.N} x {self.H}x{self.H}x{self.C} -> {self.O}"

    @property
    def flops(self) -> int:
        """Operations of the direct method."""
        return 2 * self.N * self.H**2 * self.O * 9 * self.C


WHOLE = Work(128, 16, 64, 128)
PART = Work(8, 16, 64, 128)  # for what would take seconds
CRUMB = Work(1, 6, 8, 8)  # for what would take hours

Run = Callable[[Any, Any, Any], Any]  # (x, w, b) -> y


@dataclass(frozen=True)
class Rung:
    """One way to compute the convolution."""

    name: str
    run: Run
    place: str  # where its code stands, from kernels/
    idea: str
    work: Work = WHOLE
    threads: int | None = None  # None: all


# ----------------------------------------------------------------------------
# The two rungs that stand nowhere else
# ----------------------------------------------------------------------------


@njit(parallel=True, error_model="numpy")
def plain_loops(y: Any, x: Any, w: Any, b: Any) -> None:
    """Compute each output by itself: a sum over the window's cells and channels."""
    N, H, W, C = x.shape
    for n in prange(N):
        for i in range(H):
            for j in range(W):
                for o in range(b.size):
                    total = b[o]
                    for r in range(3):
                        for s in range(3):
                            p, q = i + r - 1, j + s - 1
                            if 0 <= p < H and 0 <= q < W:
                                for c in range(C):
                                    total += x[n, p, q, c] * w[r, s, c, o]
                    y[n, i, j, o] = total


@njit(parallel=True, error_model="numpy", fastmath={"contract"})
def lanes_over_outputs(y: Any, x: Any, w: Any, b: Any) -> None:
    """Compute all outputs of a pixel together: the innermost loop runs over them."""
    N, H, W, C = x.shape
    for n in prange(N):
        for i in range(H):
            for j in range(W):
                sums = y[n, i, j]
                for o in range(sums.size):
                    sums[o] = b[o]
                for r in range(3):
                    for s in range(3):
                        p, q = i + r - 1, j + s - 1
                        if 0 <= p < H and 0 <= q < W:
                            for c in range(C):
                                pixel, filters = x[n, p, q, c], w[r, s, c]
                                for o in range(sums.size):
                                    sums[o] += pixel * filters[o]


def _filling(loops: Callable[..., None], *settings: Any) -> Run:
    """Give loops that fill their output one to fill."""

    def run(x: Any, w: Any, b: Any) -> Any:
        y = np.empty((*x.shape[:3], b.size), x.dtype)
        loops(y, x, w, b, *settings)
        return y

    return run


def _kernel(name: str, *algorithm: str) -> Run:
    kernels = backend.get(name).kernels
    return lambda x, w, b: kernels.conv2d(x, w, b, *GEOMETRY, *algorithm)


RUNGS = [
    Rung(
        "Python loops",
        _filling(naive_conv.conv2d, *GEOMETRY),
        "tinyvision_kernels/reference/naive_conv.py",
        "The formula as seven nested loops, to be read first. Python looks up the type of every "
        "number and makes an object of every sum, some hundred instructions for each product.",
        work=CRUMB,
        threads=1,
    ),
    Rung(
        "NumPy, im2col",
        _kernel("reference"),
        "tinyvision_kernels/reference/conv.py",
        "The pixels under each window are copied into a row of a matrix, so that one product of "
        "matrices does all the work, in a library made for it. But that matrix is nine times as "
        "large as the images: it goes out to memory and comes back.",
    ),
    Rung(
        "compiled loops",
        _filling(plain_loops),
        "../benchmarks/ladder.py",
        "The loops of the first rung, compiled, the images shared out among the cores. Nothing is "
        "looked up any more, but products come one at a time, each sum waits for the one before "
        "it, and the weights of a filter lie far apart in memory.",
        work=PART,
    ),
    Rung(
        "lanes",
        _filling(lanes_over_outputs),
        "../benchmarks/ladder.py",
        "The same with the loop over the filters innermost: their weights lie side by side, and "
        "the compiler takes a vector of them at a time. Now every multiply-add takes two loads and "
        "a store along, and the core waits for these.",
    ),
    Rung(
        "register tile, one thread",
        _kernel("cpu", "direct"),
        "tinyvision_kernels/cpu/tile.py",
        "The sums of 14 pixels by 32 filters stay in registers until they are finished: a number "
        "that was loaded is used 14 or 32 times, and nothing is stored in between. The core does "
        "little else now than multiply and add.",
        threads=1,
    ),
    Rung(
        "register tile, all threads",
        _kernel("cpu", "direct"),
        "tinyvision_kernels/cpu/conv/direct.py",
        "Bands of images that fit into a core's own cache are shared out among the cores. They are "
        "cut by the size of the work, not by the number of threads, so that any number of threads "
        "computes the same bits.",
    ),
    Rung(
        "Winograd",
        _kernel("cpu", "winograd"),
        "tinyvision_kernels/cpu/conv/winograd.py",
        "Patches of 6 x 6 pixels are turned into 36 numbers, whose products with as many numbers "
        "of a filter are turned back into 4 x 4 outputs: 36 multiplications in place of 144. "
        "Counted as the direct method this may pass the peak; it rounds a little more.",
    ),
]
REFEREE = "PyTorch"  # its rows are "PyTorch" and a layout; the better one counts


def referees() -> list[Rung]:
    """Return PyTorch's rows; none where it is not installed."""
    torch = torch_or_none()
    if torch is None:
        return []

    def run(memory_format: Any) -> Run:
        given: list[Any] = []  # its own layout is given to it, as ours is to us

        def forward(x: Any, w: Any, b: Any) -> Any:
            if not given:
                nchw, oihw = x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1)
                tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (nchw, oihw)]
                given.extend(t.to(memory_format=memory_format) for t in tensors)
            with torch.no_grad():
                y = torch.nn.functional.conv2d(*given, torch.from_numpy(b), padding=1)
            return y.permute(0, 2, 3, 1).numpy()

        return forward

    formats = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
    idea = "oneDNN, called by PyTorch in the better of its two layouts: the referee."
    return [Rung(f"{REFEREE} {name}", run(form), "", idea, WHOLE) for name, form in formats.items()]


# ----------------------------------------------------------------------------
# Measuring
# ----------------------------------------------------------------------------


def measure(rungs: list[Rung], turns: int = TURNS) -> list[dict[str, Any]]:
    """Hold every rung against float64, then time them in turn, round by round.

    Returns
    -------
    list of dict
        For each: ``rung``, ``work``, ``flops``, ``threads``, ``ms`` (median), ``spread`` (between
        the quartiles, of the median), ``gflops`` and ``error`` (of the largest value).
    """
    threads = numba.get_num_threads()
    rows: list[dict[str, Any]] = []
    calls, scores = [], []
    for rung in rungs:
        x, w, b = _operands(rung.work)
        expected = _exact(x, w, b)
        off = float(np.abs(rung.run(x, w, b) - expected).max() / np.abs(expected).max())
        if off > TOLERANCE:
            raise AssertionError(f"{rung.name}: off by {off:.1e} of the largest value")
        row = {"rung": rung.name, "work": rung.work.label, "flops": rung.work.flops}
        rows.append({**row, "threads": rung.threads or threads, "error": float(f"{off:.2g}")})
        calls.append(_timed(rung.run, (x, w, b), rung.threads or threads))
        scores.append(Score())
    for _ in range(turns):
        for call, score in zip(calls, scores, strict=True):
            score.seconds += call()
    numba.set_num_threads(threads)
    for row, score in zip(rows, scores, strict=True):
        row["ms"] = round(score.median * 1e3, 4)
        row["spread"] = round(score.spread, 3)
        row["gflops"] = float(f"{row['flops'] / score.median / 1e9:.4g}")
    return rows


def _timed(run: Run, operands: tuple[Any, Any, Any], threads: int) -> Callable[[], list[float]]:
    """Return a function that times some calls in a row, as a program in full run makes them."""

    def turn() -> list[float]:
        numba.set_num_threads(threads)
        sleep(PAUSE)
        start = perf_counter()
        while perf_counter() - start < WARM:
            run(*operands)  # brings cores, caches and memory back to work
        seconds = []
        for _ in range(CALLS):
            start = perf_counter()
            run(*operands)
            seconds.append(perf_counter() - start)
        return seconds

    return turn


def _operands(work: Work) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    shapes = (work.N, work.H, work.H, work.C), (3, 3, work.C, work.O), (work.O,)
    x, w, b = (rng.standard_normal(shape, np.float32) for shape in shapes)
    return x, w, b


def _exact(x: Any, w: Any, b: Any) -> Any:
    wide = [a.astype(np.float64) for a in (x, w, b)]
    return backend.get("reference").kernels.conv2d(*wide, *GEOMETRY)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    if torch := torch_or_none():
        torch.set_num_threads(numba.get_num_threads())
    roof = ceilings.measure()
    results = {
        "machine": {**machine.describe(), "threads": roof.threads},
        "ceilings": roof.to_data(),
        "rungs": measure([*RUNGS, *referees()]),
    }
    print_table(results)
    if options.results:
        options.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
