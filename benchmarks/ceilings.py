"""What this machine can do at best: multiply-adds a second, and bytes a second from each memory.

``python -m benchmarks.ceilings`` measures and prints them in about ten seconds. A kernel's speed
says little by itself; these are what it is held against, in the ladder and in the roofline plot.

Multiply-adds: a loop of nothing else, on vectors that never leave their registers, with enough of
them in flight that none waits for another. No kernel is faster (but one that computes less, such as
Winograd's convolution, may seem so).

Bytes: loops that do next to nothing with what they read, over arrays that fit into one level of the
memory: a core's second-level cache, the third level that cores share, main memory. Each is the best
of reading, copying and the triad a = b + s * c of the STREAM benchmark (McCalpin 1995), of which
only those bytes count that the program names.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from benchmarks import machine
from tinyvision_kernels.cpu.tile import HOST

CHAINS = 16  # sums in flight: two units that take four cycles each need eight at least
LENGTH = 1 << 20  # multiply-adds of each chain in one task: about half a millisecond
ROUNDS = 7
SHORTEST = 60_000_000  # bytes that a loop goes over, at least: some milliseconds
FAST = {"contract", "reassoc", "nsz", "arcp"}


@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second, in units of 1e9, from one level of the memory to all cores."""

    level: str  # "L2", "L3" or "memory"
    bytes: int  # that were worked on, by all threads together
    read: float
    copy: float
    triad: float

    @property
    def best(self) -> float:
        """The roof."""
        return max(self.read, self.copy, self.triad)


@dataclass(frozen=True)
class Ceilings:
    """What the machine can do at best.

    Attributes
    ----------
    threads : int
    gflops : dict of str to list of float
        1e9 operations a second, a multiply-add counting as two, in ``"float32"`` and ``"float64"``:
        on one thread, on two, ... on ``threads``.
    bandwidth : list of Bandwidth
        From the nearest memory to the farthest, with ``threads`` threads.
    """

    threads: int
    gflops: dict[str, list[float]]
    bandwidth: list[Bandwidth]

    def peak(self, threads: int | None = None, dtype: str = "float32") -> float:
        """Return the multiply-add peak in GFLOP/s, of all threads or of fewer."""
        return self.gflops[dtype][(threads or self.threads) - 1]

    def to_data(self) -> dict[str, Any]:
        """Return plain data, rounded to what can be trusted."""
        data = asdict(self)
        data["gflops"] = {kind: [round(g, 1) for g in all] for kind, all in self.gflops.items()}
        for level in data["bandwidth"]:
            level |= {loop: round(level[loop], 1) for loop in ("read", "copy", "triad")}
        return data

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Ceilings":
        """Return what :meth:`to_data` was made from."""
        return cls(**{**data, "bandwidth": [Bandwidth(**level) for level in data["bandwidth"]]})


def measure(threads: int | None = None) -> Ceilings:
    """Measure the ceilings of so many threads, by default of all that Numba has."""
    threads = threads or numba.get_num_threads()
    before = numba.get_num_threads()
    try:
        gflops = {
            np.dtype(kind).name: [_peak(count, kind) for count in range(1, threads + 1)]
            for kind in (np.float32, np.float64)
        }
        numba.set_num_threads(threads)
        return Ceilings(threads, gflops, [_bandwidth(*level, threads) for level in levels(threads)])
    finally:
        numba.set_num_threads(before)


def _best(work: Callable[[], object]) -> float:
    """Return the shortest of several times: whatever disturbs, it only makes them longer."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        work()
        seconds.append(perf_counter() - start)
    return min(seconds)


# ----------------------------------------------------------------------------
# Multiply-adds
# ----------------------------------------------------------------------------


@intrinsic
def _multiply_add(typing: Any, out: Any, length: Any) -> Any:
    """Run ``CHAINS`` sums of vectors, s = s * a + b, ``length`` times each; store one of them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, length = arguments
        number = context.get_value_type(signature.args[0].dtype)
        lanes = HOST.vector_bytes * 8 // signature.args[0].dtype.bitwidth
        vector = ir.VectorType(number, lanes)
        name = f"llvm.fmuladd.v{lanes}f{signature.args[0].dtype.bitwidth}"
        kind = ir.FunctionType(vector, [vector] * 3)
        fmuladd = cgutils.get_or_insert_function(builder.module, kind, name)
        a, b = (ir.Constant(vector, [value] * lanes) for value in (0.999, 0.001))
        sums = [cgutils.alloca_once(builder, vector) for _ in range(CHAINS)]
        for i, chain in enumerate(sums):
            builder.store(ir.Constant(vector, [float(i)] * lanes), chain)
        with cgutils.for_range(builder, length):
            for chain in sums:
                builder.store(builder.call(fmuladd, [builder.load(chain), a, b]), chain)
        total = builder.load(sums[0])
        for chain in sums[1:]:
            total = builder.fadd(total, builder.load(chain))
        array = context.make_array(signature.args[0])(context, builder, out)
        to = builder.bitcast(array.data, vector.as_pointer())
        builder.store(total, to, align=signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(out, types.intp), generate


@njit(parallel=True)
def _multiply_adds(out: Any, tasks: int, length: int) -> None:
    for task in prange(tasks):
        _multiply_add(out[task], length)


def _peak(threads: int, dtype: Any) -> float:
    numba.set_num_threads(threads)
    lanes = HOST.vector_bytes // np.dtype(dtype).itemsize
    out = np.empty((threads, 64), dtype)  # rows lie in cache lines of their own
    seconds = _best(lambda: _multiply_adds(out, threads, LENGTH))
    return 2 * threads * CHAINS * LENGTH * lanes / seconds / 1e9


# ----------------------------------------------------------------------------
# Bytes
# ----------------------------------------------------------------------------


def levels(threads: int) -> list[tuple[str, int]]:
    """Return the name of each level, and the bytes of three arrays that lie in it for all threads.

    A level whose size nobody tells is left out.
    """
    second, third = machine.cache_bytes(2), machine.cache_bytes(3)
    found = []
    if second:
        found.append(("L2", second // 2 * threads))
    if third and second and third > 4 * second * threads:
        found.append(("L3", third // 3))
    return [*found, ("memory", max(8 * (third or 0), 200_000_000))]


@njit(parallel=True, fastmath=FAST)
def _read(total: Any, a: Any, repeats: int) -> None:
    for task in prange(a.shape[0]):
        row = a[task]
        for k in range(repeats):
            sum = np.float32(k)
            for i in range(row.size):
                sum += row[i]
            total[task, k % 16] = sum


@njit(parallel=True, fastmath=FAST)
def _copy(a: Any, b: Any, repeats: int) -> None:
    for task in prange(a.shape[0]):
        to, of = a[task], b[task]
        for k in range(repeats):
            add = np.float32(k)
            for i in range(to.size):
                to[i] = of[i] + add


@njit(parallel=True, fastmath=FAST)
def _triad(a: Any, b: Any, c: Any, repeats: int) -> None:
    for task in prange(a.shape[0]):
        to, left, right = a[task], b[task], c[task]
        for k in range(repeats):
            s = np.float32(k)
            for i in range(to.size):
                to[i] = left[i] + s * right[i]


def _bandwidth(level: str, size: int, threads: int) -> Bandwidth:
    """Let each thread go over three arrays of its own, of ``size`` bytes together."""
    length = size // (3 * 4 * threads)
    repeats = max(1, SHORTEST // size)
    arrays = a, b, c = [np.full((threads, length), fill, np.float32) for fill in (0, 1, 2)]
    total = np.empty((threads, 16), np.float32)
    billions = threads * length * 4 * repeats / 1e9  # bytes of each array, all repeats

    def read() -> None:
        for array in arrays:  # as much as the triad goes over, lest it fit into a nearer memory
            _read(total, array, repeats)

    def copy() -> None:
        _copy(a, b, repeats)
        _copy(c, b, repeats)

    return Bandwidth(
        level,
        3 * threads * length * 4,
        read=3 * billions / _best(read),
        copy=4 * billions / _best(copy),
        triad=3 * billions / _best(lambda: _triad(a, b, c, repeats)),
    )


# ----------------------------------------------------------------------------
# The command
# ----------------------------------------------------------------------------


def print_ceilings(ceilings: Ceilings) -> None:
    """Print the ceilings to the terminal."""
    for kind, peaks in ceilings.gflops.items():
        for count, gflops in enumerate(peaks, 1):
            print(f"{kind} multiply-adds, {count} thread{'s' * (count > 1)}: {gflops:,.0f} GFLOP/s")
    for level in ceilings.bandwidth:
        print(
            f"{level.level} ({level.bytes / 1e6:,.1f} MB): read {level.read:,.0f}, copy "
            f"{level.copy:,.0f}, triad {level.triad:,.0f} GB/s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, help="default: all")
    parser.add_argument("--results", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    ceilings = Ceilings.from_data(
        measure(options.threads).to_data()
    )  # print what the file will hold
    print_ceilings(ceilings)
    if options.results:
        described = {**machine.describe(), "threads": ceilings.threads}
        data = {"machine": described, "ceilings": ceilings.to_data()}
        options.results.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
