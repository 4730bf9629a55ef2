"""Timing several ways to do the same work so that the ratio can be trusted.

Contestants run in turn, round by round, so that a machine whose speed drifts slows all of them.
Before anything is timed their results are compared. What counts is the ratio of the medians.

A turn begins with calls that are not timed. For some milliseconds the threads of whoever had the
turn before may still wait for more work by spinning, on our cores, and the caches hold its data: a
contestant would be timed by how polite the one before it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import numpy as np

OURS = "cpu"  # the contestant that the ratios are about
UNTIMED = 0.006  # seconds at the beginning of a turn; GNU OpenMP's threads spin for about five


@dataclass
class Score:
    """Seconds of each round of one contestant."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median seconds."""
        return median(self.seconds)

    @property
    def spread(self) -> float:
        """Distance between the quartiles, as a share of the median."""
        low, _, high = quantiles(self.seconds, n=4)
        return (high - low) / self.median


@dataclass
class Contest:
    """One line of the table: who did what in which time."""

    group: str
    name: str
    flops: int
    bytes: int
    scores: dict[str, Score]

    def ratio(self, rival: str) -> float | None:
        """Return how many times faster we are than a rival (its best form)."""
        times = [s.median for who, s in self.scores.items() if who.split(" ")[0] == rival]
        return min(times) / self.scores[OURS].median if times else None

    def to_data(self) -> dict[str, Any]:
        """Return the line as plain data; times in milliseconds."""
        return {
            "group": self.group,
            "name": self.name,
            "flops": self.flops,
            "bytes": self.bytes,
            "ms": {who: round(s.median * 1e3, 4) for who, s in self.scores.items()},
            "spread": {who: round(s.spread, 3) for who, s in self.scores.items()},
            "gflops": round(self.flops / self.scores[OURS].median / 1e9, 1) if self.flops else None,
            "vs torch": _rounded(self.ratio("torch")),
            "vs reference": _rounded(self.ratio("reference")),
            **{
                f"vs {rival}": _rounded(ratio)
                for rival in ("float32", "opencv")
                if (ratio := self.ratio(rival)) is not None
            },
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def assert_close(results: dict[str, Any], tolerance: float) -> None:
    """Fail unless every contestant computed the same, relative to the largest value."""
    reference = np.asarray(results[OURS], np.float64)
    scale = max(float(np.abs(reference).max()), 1e-30)
    for who, result in results.items():
        error = float(np.abs(np.asarray(result, np.float64) - reference).max()) / scale
        assert error <= tolerance, f"{who} differs from {OURS} by {error:.1e} of the largest value"


def hold(
    benchmark: Any,
    group: str,
    name: str,
    contestants: dict[str, Callable[[], Any]],
    *,
    flops: int = 0,
    bytes: int = 0,
    tolerance: float | None = 1e-4,
    rounds: tuple[int, int] = (15, 200),
    slow: tuple[str, ...] = ("reference",),
) -> Contest:
    """Compare the contestants' results, then time them in turn.

    Parameters
    ----------
    benchmark : fixture of pytest-benchmark
        Records our own contestant; the others run in its ``setup``, that is, between its rounds.
    contestants : dict of callables
        Each does the whole work once and returns an array on the host (compared, not timed apart).
    flops : int
        Floating-point operations of the work, a multiply-add counting as two, and a comparison, an
        exponential or a root as one.
    bytes : int
        That must move in any case: of each array that is read or written, once.
    tolerance : float or None
        Largest difference allowed, as a share of the largest value; None where results differ on
        purpose (a training step changes weights).
    rounds : (int, int)
        Fewest and most rounds; in between, as many as fit into half a second of our own.
    slow : names
        Contestants that run in three rounds only.
    """
    results = {who: run() for who, run in contestants.items()}  # also the warm-up
    if tolerance is not None:
        assert_close(results, tolerance)
    scores = {who: Score() for who in contestants}

    def begin_turn(who: str) -> None:
        start = perf_counter()
        while who not in slow and perf_counter() - start < UNTIMED:
            contestants[who]()

    def timed(who: str) -> None:
        start = perf_counter()
        contestants[who]()
        scores[who].seconds.append(perf_counter() - start)

    def others() -> None:
        for who in contestants:
            if who != OURS and (who not in slow or len(scores[who].seconds) < 3):
                begin_turn(who)
                timed(who)
        begin_turn(OURS)

    start = perf_counter()
    contestants[OURS]()
    fitting = int(0.5 / (perf_counter() - start))
    benchmark.group = group
    benchmark.pedantic(
        lambda: timed(OURS),
        setup=others,
        rounds=min(max(fitting, rounds[0]), rounds[1]),
        warmup_rounds=1,
    )
    contest = Contest(group, name, flops, bytes, scores)
    benchmark.extra_info.update(contest.to_data())
    CONTESTS.append(contest)
    return contest


CONTESTS: list[Contest] = []  # of this run, for the table at the end


def torch_or_none() -> Any:
    """Return the torch module, or None where it is not installed: its column stays empty."""
    try:
        import torch
    except ImportError:
        return None
    return torch
