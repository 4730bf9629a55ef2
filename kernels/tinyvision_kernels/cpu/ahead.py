"""Compile what a program will need before it needs it, several kernels at a time.

Numba compiles under one lock, so that a process compiles one kernel after the other. Several
processes share the work: what one of them has compiled the others find on disk (:mod:`.cache`).
They need only be told what to compile, and that comes from a *rehearsal*: the program runs through
its work while the kernels do nothing but note the types of their arguments.

The processes are fresh interpreters, not forks (OpenMP survives none), that read lines of JSON on
stdin. So none of them outlives its parent: however that ends, stdin ends with it.
"""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numba import typeof

from .cache import cache_directory, short_name
from .jit import KERNELS, config, set_compile_hook
from .noting import noting

MOST_JOBS = 8  # beyond these, starting them takes longer than what is left to compile

# ----------------------------------------------------------------------------
# What will be needed?
# ----------------------------------------------------------------------------


class Need(NamedTuple):
    """A kernel, and the types of the arguments it will be called with."""

    kernel: str  # its identity
    arguments: str  # as :func:`describe` puts them, in JSON

    @property
    def name(self) -> str:
        """Return its file and name: of a loop over chunks, those of what it does with each."""
        return short_name(self.kernel)

    def types(self) -> tuple[Any, ...]:
        """Return Numba's types of the arguments."""
        return tuple(typeof(example(d)) for d in json.loads(self.arguments))

    def is_compiled(self) -> bool:
        """Whether it lies on disk already."""
        kernel = KERNELS[self.kernel]
        return bool(kernel._cache.has(self.types(), kernel.targetctx))


@contextmanager
def rehearsal() -> Iterator[list[Need]]:
    """While the block runs, kernels that this thread calls compute nothing: arrays keep garbage.

    Other threads compute as usual, but wait with rehearsals of their own.

    Yields
    ------
    list of Need
        Filled at the end of the block: what was called, each once, in the order of the first calls.
    """
    needs: list[Need] = []
    if config.DISABLE_JIT:  # nothing is compiled, so nothing needs to be
        yield needs
        return
    names = {id(kernel): identity for identity, kernel in KERNELS.items()}
    notes: dict[Need, None] = {}  # a set that keeps the order

    def note(kernel: Any, arguments: tuple[Any, ...]) -> None:
        with suppress(TypeError):  # what cannot be described is compiled when it is needed
            described = json.dumps([describe(a) for a in arguments])
            notes[Need(names[id(kernel)], described)] = None

    try:
        with noting(note), _rehearsing():
            yield needs
    finally:
        needs += notes


class _Rehearsals(threading.local):
    on = False


_this_thread = _Rehearsals()


@contextmanager
def _rehearsing() -> Iterator[None]:
    outer, _this_thread.on = _this_thread.on, True
    try:
        yield
    finally:
        _this_thread.on = outer


def rehearsing() -> bool:
    """Whether this thread only rehearses."""
    return _this_thread.on


def describe(value: Any) -> Any:
    """Put what Numba's type of an argument depends on into words that JSON can carry.

    Raises
    ------
    TypeError
        There are no words for such an argument.
    """
    if isinstance(value, np.ndarray) and value.flags.c_contiguous:
        return {"array": value.dtype.str, "axes": value.ndim, "writeable": value.flags.writeable}
    if type(value) is tuple:
        return [describe(element) for element in value]
    if isinstance(value, np.generic):
        return {"number": value.dtype.str}
    if value is None or type(value) in (bool, int, float):
        return type(value).__name__
    raise TypeError(f"no words for {type(value).__name__}")


def example(description: Any) -> Any:
    """Return a value of the type described."""
    if isinstance(description, list):
        return tuple(example(element) for element in description)
    if isinstance(description, str):
        return {"NoneType": None, "bool": False, "int": 0, "float": 0.0}[description]
    if "number" in description:
        return np.dtype(description["number"]).type(0)
    array = np.empty((0,) * description["axes"], description["array"])
    array.flags.writeable = description["writeable"]
    return array


# ----------------------------------------------------------------------------
# Compiling it
# ----------------------------------------------------------------------------


class Compiled(NamedTuple):
    """What has become of a need: ``error`` is empty if it now lies on disk."""

    need: Need
    seconds: float
    error: str


def compile_all(
    needs: Iterable[Need], jobs: int, done: Callable[[Compiled], None] = lambda one: None
) -> list[Compiled]:
    """Compile kernels by so many processes; what lies on disk already takes no time.

    Parameters
    ----------
    needs : iterable of Need
    jobs : int
        Processes, at least 1.
    done : callable
        Called for each need as it is done, in this thread.

    Returns
    -------
    list of Compiled
        In the order in which they were done. If this is interrupted, all processes end at once, and
        what they have compiled so far lies on disk.
    """
    # The longest take the longest: begun last, one would keep all others waiting. And a loop over
    # chunks, which has no cells of its own to count, compiles the body that runs alone along with
    # it: so that comes behind.
    waiting = deque(sorted(needs, key=_effort, reverse=True))
    results: list[Compiled] = []
    finished: SimpleQueue[Compiled | None] = SimpleQueue()
    with ExitStack() as stack:
        jobs = min(jobs, len(waiting))
        for _ in range(jobs):
            process = stack.enter_context(_worker())
            thread = threading.Thread(target=_feed, args=(process, waiting, finished))
            thread.start()
            stack.callback(thread.join)
            stack.callback(process.kill)
        while jobs:
            one = finished.get()
            if one is None:
                jobs -= 1
            else:
                results.append(one)
                done(one)
    lost = [Compiled(need, 0.0, "no process is left to compile it") for need in waiting]
    for one in lost:
        done(one)
    return results + lost


def _effort(need: Need) -> tuple[bool, int]:
    function = KERNELS[need.kernel].py_func
    return need.kernel.count("(") > 1 or "_" in function.__name__, len(function.__code__.co_code)


@contextmanager
def _worker() -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process that runs :func:`serve`, deaf to the Ctrl-C that is meant for its parent."""
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); import {__name__} as a; a.serve()"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _feed(
    process: "subprocess.Popen[bytes]", waiting: "deque[Need]", finished: "SimpleQueue[Any]"
) -> None:
    """Hand out needs to a process until there are none left, or it has died."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(IndexError):  # nothing is waiting any more
        while True:
            need = waiting.popleft()
            try:
                process.stdin.write(json.dumps(need).encode() + b"\n")
                seconds, error = json.loads(process.stdout.readline())
            except (OSError, ValueError):
                code = process.wait()
                finished.put(Compiled(need, 0.0, f"the compiling process ended with {code}"))
                break
            finished.put(Compiled(need, seconds, error))
    finished.put(None)


def serve() -> None:
    """Compile what comes in on stdin, a need a line; answer each with seconds and an error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    set_compile_hook(lambda kernel: None)  # the parent says what happens
    for line in sys.stdin:
        started, error = perf_counter(), ""
        try:
            need = Need(*json.loads(line))
            KERNELS[need.kernel].compile(need.types())
            if not need.is_compiled():
                error = f"compiled, but cannot be kept in {cache_directory()}"
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        print(json.dumps([round(perf_counter() - started, 3), error]), file=answers, flush=True)


def usual_jobs() -> int:
    """Return a process for each core that this one may use, but not too many: each needs memory."""
    affinity = getattr(os, "sched_getaffinity", None)  # where the system knows such a thing
    return min(MOST_JOBS, len(affinity(0)) if affinity else os.cpu_count() or 1)


def missing(needs: Sequence[Need]) -> list[Need]:
    """Return those that do not lie on disk yet."""
    return [need for need in needs if not need.is_compiled()]
