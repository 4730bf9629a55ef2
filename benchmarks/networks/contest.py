"""The contest: equal results first, then turns, round by round, each contestant in its process."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from benchmarks.contest import Score

from . import nets
from .contestants import Contestant
from .worker import Worker

STEPS = 3  # whose losses are compared; the third is the first that momentum shows in
CHECKED_RATE = 0.005  # learning rate of these steps: losses change, and do not yet explode
TIMED_RATE = 1e-4  # of the steps that are timed: thousands of them on one batch
TOLERANCE = {False: 1e-3, True: 5e-2}  # of the largest value, in float32 and in bf16
PAUSE = (
    0.01  # seconds between rounds: threads may wait for more work by spinning, GNU's for five ms
)


class Entry:
    """A worker with the figures of its rounds."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.medians, self.p99 = Score(), Score()

    @property
    def name(self) -> str:
        return self.worker.contestant.name

    def to_data(self) -> dict[str, Any]:
        """Return the figures as plain data; times in milliseconds."""
        return {
            "ms": round(self.medians.median * 1e3, 5),
            "spread": round(self.medians.spread, 3),
            "p99 ms": round(self.p99.median * 1e3, 5),
            "bf16": self.worker.contestant.bf16,
        }


def hold(
    contestants: Sequence[Contestant],
    kind: str,
    name: str,
    batches: Sequence[int],
    folder: Path,
    *,
    threads: int,
    rounds: int,
    seconds: float,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Let contestants do the same work on a network, in turn.

    Parameters
    ----------
    kind : {"training", "inference"}
    name : str
        One of :data:`nets.NETS`.
    batches : sequence of int
        Images in a batch; a contest each.
    folder : Path
        For the network's files.
    rounds, seconds : int, float
        Turns of each contestant, and how long each takes at least.

    Yields
    ------
    (int, dict)
        The batch, and by contestant: milliseconds (median of its rounds' medians), spread (distance
        between the quartiles, as a share), milliseconds that 99 of 100 calls stay under.
    """
    plain = nets.write(name, folder / f"{name}-plain.safetensors", dropout=False)
    whole = nets.write(name, folder / f"{name}.safetensors", dropout=True)
    with ExitStack() as stack:
        # all of them import at once, which takes a few seconds, and then sleep
        workers = [stack.enter_context(Worker(c, threads)) for c in contestants]
        for N in batches:
            entries = [Entry(worker) for worker in workers]
            check(workers, kind, name, plain, N)
            print(f"{kind}, {name}, batch {N}: {len(workers)} contestants agree", flush=True)
            if kind == "training":
                for worker in workers:
                    worker.build(kind, name, whole, N, lr=TIMED_RATE)
                    worker.run(2)  # the first may compile
            take_turns(entries, rounds, seconds)
            yield N, {entry.name: entry.to_data() for entry in entries}


def check(workers: Sequence[Worker], kind: str, name: str, file: Path, N: int) -> None:
    """Fail unless all workers compute the same: the losses of the first steps, or the logits."""
    training = kind == "training"
    expected = None
    for worker in workers:
        worker.build(kind, name, file, N, **({"lr": CHECKED_RATE} if training else {}))
        values = np.asarray(worker.run(STEPS if training else 1))
        expected = values if expected is None else expected
        # each loss relative to itself, logits relative to the largest
        scale = np.abs(expected) if training else np.abs(expected).max()
        error = float((np.abs(values - expected) / scale).max())
        who = worker.contestant
        if not error <= TOLERANCE[who.bf16]:
            raise AssertionError(
                f"{name}, {kind}, batch {N}: {who.name} differs by {error:.1e} from "
                f"{workers[0].contestant.name}, {TOLERANCE[who.bf16]:.0e} is allowed"
            )


def take_turns(entries: Sequence[Entry], rounds: int, seconds: float) -> None:
    """Time the workers round by round: while one works the others sleep."""
    for _ in range(rounds):
        for entry in entries:
            sleep(PAUSE)
            times = entry.worker.round(seconds)
            entry.medians.seconds.append(times["median"])
            entry.p99.seconds.append(times["p99"])
