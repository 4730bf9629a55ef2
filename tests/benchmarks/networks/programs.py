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
    megabytes: int = 0,
) -> Callable[[], float]:
    """Return a function that returns 3, 2, and ``third``, over and over.

    It prints; writes the begin and end of each call to ``log``; takes some memory for a moment; or
    raises, or ends the process.
    """
    losses = []
    print("not an answer")

    def step() -> float:
        begin = perf_counter()
        if refuse:
            raise ValueError("no step today")
        if exit_with is not None:
            os._exit(exit_with)
        np.ones(megabytes << 17)
        sleep(0.001)
        if log:
            with Path(log).open("a") as lines:
                lines.write(f"{os.getpid()} {begin} {perf_counter()}\n")
        losses.append((3.0, 2.0, third)[len(losses) % 3])
        return losses[-1]

    return step
