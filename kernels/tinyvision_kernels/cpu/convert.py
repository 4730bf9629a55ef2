"""From float32 to bfloat16 and back (contracts in ``contract/convert.py``)."""

import numpy as np

from .bfloat16 import bits, number, stored
from .chunks import Arrays, Settings, chunk_length, chunked
from .jit import Array, body_jit


@body_jit
def _convert_part(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    to, of = arrays
    for i in range(np.uintp(start), np.uintp(stop)):
        to[i] = stored(number(of[i]), to)


_convert = chunked(_convert_part)


def narrow(y: Array, x: Array) -> None:
    """Round each number to the nearest bfloat16."""
    _convert((bits(y).reshape(-1), x.reshape(-1)), (), y.size, chunk_length(y.size))


def widen(y: Array, x: Array) -> None:
    """Fill up each number with zeros."""
    _convert((y.reshape(-1), bits(x).reshape(-1)), (), y.size, chunk_length(y.size))
