"""Learning rates that change with the step: functions of the step alone, so a resumed run agrees.

A schedule is any callable ``(step: int) -> float``; steps count from 0. These are the usual ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, inf, pi
from numbers import Integral, Real
from typing import Any

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """lr(t) = lr."""

    lr: float

    def __post_init__(self) -> None:
        _need(self, "lr", Real, lambda lr: 0 < lr < inf, "a number above 0")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return float(self.lr)


@dataclass(frozen=True)
class Step:
    """lr(t) = lr * factor^floor(t / every): drops by ``factor`` every so many steps."""

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _need(self, "lr", Real, lambda lr: 0 < lr < inf, "a number above 0")
        _need(self, "every", Integral, lambda steps: steps >= 1, "a whole number of at least 1")
        _need(self, "factor", Real, lambda factor: 0 < factor <= 1, "a number in (0, 1]")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return float(self.lr * self.factor ** (step // self.every))


@dataclass(frozen=True)
class Cosine:
    """lr(t) = final + (lr - final) * (1 + cos(pi * t / steps)) / 2, then ``final``.

    Source: Loshchilov and Hutter, "SGDR", 2017, without restarts.
    """

    lr: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _need(self, "lr", Real, lambda lr: 0 < lr < inf, "a number above 0")
        _need(self, "steps", Integral, lambda steps: steps >= 1, "a whole number of at least 1")
        _need(self, "final", Real, lambda lr: 0 <= lr <= self.lr, "a number from 0 to lr")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return _cosine_between(self.lr, self.final, min(step / self.steps, 1.0))


@dataclass(frozen=True)
class WarmUp:
    """lr(t) = after(0) * (t + 1) / (steps + 1) for t < steps, then after(t - steps).

    A straight rise from near zero while the statistics of a fresh network settle, then ``after``.
    Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017.
    """

    after: Schedule
    steps: int

    def __post_init__(self) -> None:
        _need(self, "after", object, callable, "a schedule, such as Constant(0.1)")
        _need(self, "steps", Integral, lambda steps: steps >= 0, "a whole number of at least 0")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.steps:
            return float(self.after(0) * (step + 1) / (self.steps + 1))
        return float(self.after(step - self.steps))


@dataclass(frozen=True)
class OneCycle:
    """Up from peak/start_divisor to ``peak`` and down to peak/final_divisor, both along a cosine.

    The rise takes ``rise`` of the ``steps``, and is left out where that is not one whole step; the
    last step, t = steps - 1, has the final rate. A single step has the peak.
    Source: Smith and Topin, "Super-Convergence", 2018.
    """

    peak: float
    steps: int
    rise: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 2.5e5

    def __post_init__(self) -> None:
        _need(self, "peak", Real, lambda lr: 0 < lr < inf, "a number above 0")
        _need(self, "steps", Integral, lambda steps: steps >= 1, "a whole number of at least 1")
        _need(self, "rise", Real, lambda share: 0 <= share < 1, "a number in [0, 1)")
        for name in ("start_divisor", "final_divisor"):
            _need(self, name, Real, lambda ratio: 1 <= ratio < inf, "a number of at least 1")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        last = self.steps - 1
        top = max(self.rise * self.steps - 1, 0.0)  # where the peak is; may lie between two steps
        if step < top:
            return _cosine_between(self.peak / self.start_divisor, self.peak, step / top)
        if step == 0:
            return float(self.peak)
        final = float(self.peak / self.final_divisor)
        if step >= last:
            return final
        return _cosine_between(self.peak, final, (step - top) / (last - top))


def _cosine_between(start: float, end: float, done: float) -> float:
    """Go from ``start`` to ``end`` along half a period, level at both."""
    return float(end + (start - end) * (1 + cos(pi * done)) / 2)


def _need(
    schedule: object, name: str, kind: type, accepts: Callable[[Any], bool], wanted: str
) -> None:
    """Refuse a setting that is not of ``kind`` or that ``accepts`` says no to."""
    value = getattr(schedule, name)
    if not isinstance(value, kind) or isinstance(value, bool) or not accepts(value):
        raise ValueError(f"{type(schedule).__name__}: {name} must be {wanted}, got {value!r}")
