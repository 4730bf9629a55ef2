"""A contestant's program that computes nothing, and misbehaves as it is told."""

import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep

import numpy as np


def training(
    name: str,
    file: Path,
    N: int,
    lr: float,
    *,
    log: str = "",
    third: float = 1.0,
    refuse: bool = False,
    exit_with: int | None = None,
    kept: int = 0,
    taken: int = 0,
) -> Callable[[], float]:
    """Return a function that returns 3, 2, and ``third``, over and over.

    It prints; writes the begin and end of each call to ``log``; keeps some megabytes from the
    beginning and takes others for a moment; or raises, or ends the process.
    """
    losses = []
    own = np.ones(kept << 17)
    print("not an answer")

    def step() -> float:
        begin = perf_counter()
        if refuse:
            raise ValueError("no step today")
        if exit_with is not None:
            os._exit(exit_with)
        np.ones(taken << 17)
        sleep(0.001)
        if log:
            with Path(log).open("a") as lines:
                lines.write(f"{os.getpid()} {begin} {perf_counter()}\n")
        losses.append(own.min(initial=1) * (3.0, 2.0, third)[len(losses) % 3])
        return losses[-1]

    return step
