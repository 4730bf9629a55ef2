"""Where a plan's time goes: each step measured by itself, against what the machine can do.

What it can do is measured by two kernels that do nothing else: a product of large matrices, and the
sum of two arrays that no cache holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from ..backend import Backend
from .engine import Engine
from .table import Row, rows

ROUNDS = 7  # at least
SECONDS = 0.05  # that a step is run for, if it takes no longer
SIDE = 1024  # of the matrices
LENGTH = 1 << 24  # of the arrays: 64 MB each


@dataclass(frozen=True)
class Ceilings:
    """What this machine does at best.

    Attributes
    ----------
    gflops : float
        Billions of operations a second in a product of matrices.
    gigabytes : float
        Billions of bytes a second from and to main memory.
    """

    gflops: float
    gigabytes: float


@dataclass(frozen=True)
class Timed:
    """A step and its time.

    Attributes
    ----------
    row : Row
    seconds : float
        Median of the rounds.
    """

    row: Row
    seconds: float

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.row.flops / self.seconds / 1e9

    @property
    def gigabytes(self) -> float:
        """Billions of bytes a second, each array counted once."""
        return self.row.bytes / self.seconds / 1e9


@dataclass(frozen=True)
class Profile:
    """What :meth:`Plan.profile` found; ``str()`` gives a table.

    Attributes
    ----------
    steps : tuple of Timed
        In the order in which they run.
    seconds : float
        Median time of a whole run.
    ceilings : Ceilings
    """

    steps: tuple[Timed, ...]
    seconds: float
    ceilings: Ceilings

    def __str__(self) -> str:
        """Return a table of the steps, the longest first."""
        peak = self.ceilings
        total = sum(step.seconds for step in self.steps)
        lines = [
            f"{'kernel':<32}  {'layers':<24}  {'us':>9}  {'share':>6}  {'GFLOP/s':>8}  {'GB/s':>6}"
        ]
        lines += ["-" * len(lines[0])]
        for step in sorted(self.steps, key=lambda step: -step.seconds):
            layers = step.row.layers
            layers = layers if len(layers) <= 24 else f"...{layers[-21:]}"
            lines.append(
                f"{step.row.step:<32}  {layers:<24}  {1e6 * step.seconds:>9,.1f}  "
                f"{step.seconds / total:>6.1%}  {step.gflops:>8,.1f}  {step.gigabytes:>6,.1f}"
            )
        lines += ["-" * len(lines[0])]
        work = sum(step.row.flops for step in self.steps) / self.seconds / 1e9
        lines.append(
            f"a run takes {1e6 * self.seconds:,.1f} us, its steps one by one "
            f"{1e6 * total:,.1f} us; {work:,.0f} GFLOP/s"
        )
        lines.append(
            f"this machine at best: {peak.gflops:,.0f} GFLOP/s (product of matrices), "
            f"{peak.gigabytes:,.0f} GB/s (sum of large arrays)"
        )
        return "\n".join(lines)


def profile(engine: Engine) -> Profile:
    """Time whole runs of an engine, then its steps: each finds what those before it have left."""
    seconds = _time(engine.run, engine.backend)
    steps = [
        Timed(row, _time(call, engine.backend))
        for row, call in zip(rows(engine), engine.singly, strict=True)
    ]
    return Profile(tuple(steps), seconds, ceilings(engine.backend))


def ceilings(backend: Backend) -> Ceilings:
    """Measure what the backend's kernels do at best."""
    k, xp = backend.kernels, backend.xp
    a, c = xp.ones((SIDE, SIDE), "float32"), xp.empty((SIDE, SIDE), "float32")
    product = _time(lambda: k.dense.into(c, a, a, None), backend)
    x, y = xp.ones(LENGTH, "float32"), xp.empty(LENGTH, "float32")
    total = _time(lambda: k.add.into(y, x, x), backend)
    return Ceilings(2 * SIDE**3 / product / 1e9, 2 * x.nbytes / total / 1e9)


def _time(work: Callable[[], None], backend: Backend) -> float:
    """Return the median of some times of ``work``, warmed up."""
    work()
    begin, seconds = perf_counter(), list[float]()
    while len(seconds) < ROUNDS or perf_counter() - begin < SECONDS:
        backend.synchronize()
        start = perf_counter()
        work()
        backend.synchronize()
        seconds.append(perf_counter() - start)
    return median(seconds)
