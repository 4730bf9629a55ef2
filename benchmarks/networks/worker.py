"""A process in which one contestant lives: it sleeps until it is asked for something.

Both ends of the pipe stand here. A request is a line of JSON, and so is its answer:

======================  ===========================================================================
``{"do": "build" ...}``  make the work: a training step, or an inference
``{"do": "run" ...}``    do it so many times, untimed; the answer is what came out
``{"do": "round" ...}``  do it for so many seconds; the answer is how long each time took
``{"do": "memory"}``     tell how much memory the process has, and has had at most
======================  ===========================================================================
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from .contestants import Contestant

ROOT = Path(__file__).parents[2]
UNTIMED = 0.006  # seconds at the beginning of a round: caches hold what others worked on
LONG = 0.1  # seconds of work that need no such beginning: little of them is affected


class Worker:
    """A contestant's process, as the contest sees it.

    Parameters
    ----------
    contestant : Contestant
    threads : int
        For its work; it finds as many cores.
    """

    def __init__(self, contestant: Contestant, threads: int) -> None:
        self.contestant = contestant
        variables = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
            "OMP_NUM_THREADS": str(threads),
            "NUMBA_NUM_THREADS": str(threads),
            "OMP_PROC_BIND": "true",  # a core of its own for each thread
            **contestant.environment,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, contestant.module],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # it ends when nothing more can be asked
        self._process.stdout.close()
        self._process.wait()

    def build(self, kind: str, name: str, file: Path, N: int, **more: Any) -> None:
        """Let it make its work on a network: ``kind`` is training or inference."""
        settings = {**self.contestant.settings[kind], **more}
        self._ask(do="build", kind=kind, arguments=[name, str(file), N], settings=settings)

    def run(self, times: int) -> list[Any]:
        """Return what the work gives: losses, or logits."""
        return list(self._ask(do="run", times=times))

    def round(self, seconds: float) -> dict[str, float]:
        """Return the median and the 99th percentile of the seconds that one time takes."""
        return dict(self._ask(do="round", seconds=seconds))

    def memory(self) -> dict[str, int]:
        """Return the bytes of memory: after the imports, and the most so far."""
        return dict(self._ask(do="memory"))

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the process ended"}')
        if "error" in answer:
            raise RuntimeError(f"{self.contestant.name}: {answer['error']}")
        return answer["answer"]


# ----------------------------------------------------------------------------
# In the process itself
# ----------------------------------------------------------------------------


def serve(module: str) -> None:
    """Import a contestant's program and answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[: int(os.environ["OMP_NUM_THREADS"])]
        os.sched_setaffinity(0, cores)
    service = _Service(module)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": getattr(service, request.pop("do"))(**request)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class _Service:
    """What a request can ask for."""

    def __init__(self, module: str) -> None:
        self.program = import_module(module)
        self.imported = _resident("VmRSS")
        self.work: Callable[[], Any]
        self.took: float  # seconds, when it was last timed

    def build(self, kind: str, arguments: list[Any], settings: dict[str, Any]) -> None:
        name, file, N = arguments
        self.took = 0.0
        self.work = getattr(self.program, kind)(name, Path(file), N, **settings)

    def run(self, times: int) -> list[Any]:
        return [np.asarray(self.work()).tolist() for _ in range(times)]

    def round(self, seconds: float) -> dict[str, float]:
        work = self.work
        start = perf_counter()
        while perf_counter() - start < UNTIMED and self.took < LONG:
            work()
        times: list[float] = []
        end = perf_counter() + seconds
        while not times or perf_counter() < end:
            start = perf_counter()
            work()
            times.append(perf_counter() - start)
        self.took = times[-1]
        return {"median": median(times), "p99": float(np.percentile(times, 99))}

    def memory(self) -> dict[str, int]:
        return {"imported": self.imported, "peak": _resident("VmHWM")}


def _resident(field: str) -> int:
    """Return the bytes of a line of /proc/self/status; 0 where there is none."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024  # such as "  123456 kB"
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
