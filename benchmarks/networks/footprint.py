"""What a training takes beside the time of its steps: memory, and the time to its first step."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from . import nets
from .contest import TIMED_RATE
from .contestants import Contestant
from .worker import Worker


def memory(
    contestants: Sequence[Contestant], name: str, folder: Path, threads: int
) -> dict[str, Any]:
    """Return the peak of resident memory of each contestant's training, in bytes.

    Each trains in a process that does nothing else. ``imported`` is what the process had when its
    libraries were imported, before it made the network and its data.
    """
    N, _ = nets.NETS[name]
    file = nets.write(name, folder / f"{name}.safetensors", dropout=True)
    results = {}
    for contestant in contestants:
        with Worker(contestant, threads) as worker:
            worker.build("training", name, file, N, lr=TIMED_RATE)
            worker.run(5)
            results[contestant.name] = worker.memory()
    return results


def start(
    contestants: Sequence[Contestant], name: str, folder: Path, threads: int, rounds: int = 3
) -> dict[str, Any]:
    """Return the seconds from starting a process to its first finished training step.

    A round before those that count fills the caches of compiled code on disk.
    """
    N, _ = nets.NETS[name]
    file = nets.write(name, folder / f"{name}.safetensors", dropout=True)
    seconds: dict[str, list[float]] = {c.name: [] for c in contestants}
    for _ in range(rounds + 1):
        for contestant in contestants:
            began = perf_counter()
            with Worker(contestant, threads) as worker:
                worker.build("training", name, file, N, lr=TIMED_RATE)
                worker.run(1)
                seconds[contestant.name].append(perf_counter() - began)
    return {
        who: {"seconds": round(median(times[1:]), 3), "least": round(min(times[1:]), 3),
              "most": round(max(times[1:]), 3)}
        for who, times in seconds.items()
    }  # fmt: skip
