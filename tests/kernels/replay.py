"""Whether a launcher is pure: a program recorded on some numbers computes from others."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.kernels.case import Case, arguments
from tinyvision_kernels.cpu.program import Program


def sees_what_arrays_hold_now(
    first: Case, second: Case, launcher: Callable[..., None], dtype: Any
) -> bool:
    """Record a call of one case, and replay it on the numbers of the other, of the same shapes.

    Twice: what a kernel adds to numbers that the launcher has set would grow.
    """
    arrays, expected = arguments(first, dtype), arguments(second, dtype)
    settings = first.settings.values()
    program = Program()
    before = bits(arrays)
    with np.errstate(all="ignore"):
        with program.recording():
            launcher(*arrays, *settings)
        untouched = bits(arrays) == before
        launcher(*expected, *settings)
    replayed = []
    for _ in range(2):
        for array, number in zip(arrays, arguments(second, dtype), strict=True):
            if array is not None:
                array[...] = number
        program.run()
        replayed.append(bits(arrays))
    return untouched and replayed == [bits(expected)] * 2


def bits(arrays: list[np.ndarray | None]) -> list[bytes]:
    return [b"" if array is None else array.tobytes() for array in arrays]
