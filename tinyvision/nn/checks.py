"""Checks of layers' settings: numbers a constructor cannot work with are refused at once."""

import operator
from typing import Any

from tinyvision_kernels.contract import Pads, Pair, Shape, ShapeError

Pad = str | int | Pair | Pads


def count(owner: object, name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` as an int of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ValueError(
            f"{type(owner).__name__}: {name} must be a whole number of at least {least}, "
            f"got {value!r}"
        )
    return number


def size(owner: object, name: str, value: Any, least: int = 1) -> int | Pair:
    """Return a whole number, or a pair of them (along H, along W), as given."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return count(owner, name, value[0], least), count(owner, name, value[1], least)
    if isinstance(value, (list, tuple)):
        raise ValueError(
            f"{type(owner).__name__}: {name} must be a whole number or a pair of them, got {value}"
        )
    return count(owner, name, value, least)


def padding(owner: object, value: Any) -> Pad:
    """Return a ``pad`` setting: a word, a number, a pair, or (top, bottom, left, right)."""
    if isinstance(value, str):
        if value not in ("valid", "same"):
            raise ValueError(
                f"{type(owner).__name__}: pad must be 'valid', 'same' or cells, got {value!r}"
            )
        return value
    if isinstance(value, (list, tuple)) and len(value) == 4:
        top, bottom, left, right = (count(owner, "pad", cells, 0) for cells in value)
        return top, bottom, left, right
    return size(owner, "pad", value, 0)


def pair(value: int | Pair) -> Pair:
    """Return ``value`` along H and along W."""
    return (value, value) if isinstance(value, int) else value


def rate(owner: object, name: str, value: Any, *, below_one: bool) -> float:
    """Return ``value`` as a float in [0, 1], or in [0, 1) with ``below_one``."""
    if not (0 <= value < 1 if below_one else 0 <= value <= 1):
        interval = "[0, 1)" if below_one else "[0, 1]"
        raise ValueError(f"{type(owner).__name__}: {name} must lie in {interval}, got {value!r}")
    return float(value)


def positive(owner: object, name: str, value: Any) -> float:
    """Return ``value`` as a float above 0."""
    if not value > 0:
        raise ValueError(f"{type(owner).__name__}: {name} must be above 0, got {value!r}")
    return float(value)


def images(shape: Shape) -> None:
    """Refuse inputs that are no batch of images."""
    if len(shape) != 4:
        raise ShapeError(f"input must be a batch of images (N, H, W, C), it is {shape}")


def flat(shape: Shape) -> None:
    """Refuse inputs that are no batch of feature vectors."""
    if len(shape) != 2:
        raise ShapeError(f"input must be (N, I), it is {shape}: add Flatten() before")


def groups(channels: int, filters: int, number: int) -> None:
    """Refuse channels that cannot be shared out among the groups."""
    for what, n in (("input", channels), ("output", filters)):
        if n % number:
            raise ShapeError(f"{n} {what} channels do not divide into {number} groups")
