"""Many strings in two arrays: ten million paths as Python objects would take a gigabyte more."""

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Strings(Sequence[str]):
    """A list of strings, kept as one text and the positions where each ends.

    Parameters
    ----------
    values : iterable of str
        Taken one by one, so that a generator never has all of them in memory.
    """

    def __init__(self, values: Iterable[str]) -> None:
        text, ends = bytearray(), [np.zeros(1, np.int64)]
        chunk: list[int] = []
        for value in values:
            text += _encoded(value)
            chunk.append(len(text))
            if len(chunk) == 4096:  # as an array, a position takes 8 bytes instead of 40
                ends.append(np.array(chunk, np.int64))
                chunk = []
        ends.append(np.array(chunk, np.int64))
        self._text = bytes(text)
        self._ends: NDArray[np.int64] = np.concatenate(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]  # negative positions, and an IndexError beyond the ends
        return self._text[self._ends[i] : self._ends[i + 1]].decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))

    def subset(self, rows: NDArray[np.int64]) -> "Strings":
        """Return the strings at these positions."""
        return Strings(self[int(i)] for i in rows)


def _encoded(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")  # file names need not be Unicode
