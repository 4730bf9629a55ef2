"""Learning rates that change with the step: functions of the step alone, so a resumed run agrees.

A schedule is any callable ``(step: int) -> float``; steps count from 0. These are the usual ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """lr(t) = lr."""

    lr: float

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.lr


@dataclass(frozen=True)
class Step:
    """lr(t) = lr * factor^floor(t / every): drops by ``factor`` every so many steps."""

    lr: float
    every: int
    factor: float = 0.1

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

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        done = min(step / self.steps, 1.0)
        return self.final + (self.lr - self.final) * (1 + cos(pi * done)) / 2


@dataclass(frozen=True)
class WarmUp:
    """lr(t) = after(0) * (t + 1) / (steps + 1) for t < steps, then after(t - steps).

    A straight rise from near zero while the statistics of a fresh network settle, then ``after``.
    Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017.
    """

    after: Schedule
    steps: int

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.steps:
            return self.after(0) * (step + 1) / (self.steps + 1)
        return self.after(step - self.steps)


@dataclass(frozen=True)
class OneCycle:
    """Up from peak/start_divisor to ``peak`` and down to peak/final_divisor, both along a cosine.

    The rise takes ``rise`` of the ``steps``; the last step, t = steps - 1, has the final rate.
    Source: Smith and Topin, "Super-Convergence", 2018.
    """

    peak: float
    steps: int
    rise: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 2.5e5

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        start, final = self.peak / self.start_divisor, self.peak / self.final_divisor
        top = self.rise * self.steps - 1
        if step <= top:
            return _cosine_between(start, self.peak, step / top)
        done = (step - top) / max(self.steps - 1 - top, 1e-9)
        return _cosine_between(self.peak, final, min(done, 1.0))


def _cosine_between(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + cos(pi * done)) / 2
