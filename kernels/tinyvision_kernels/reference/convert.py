"""From float32 to bfloat16 and back (contracts in ``contract/convert.py``)."""

from typing import Any


def narrow(xp: Any, y: Any, x: Any) -> None:
    """Round each number to the nearest bfloat16."""
    y[...] = x.astype(y.dtype)


def widen(xp: Any, y: Any, x: Any) -> None:
    """Fill up each number with zeros."""
    y[...] = x.astype(y.dtype)
