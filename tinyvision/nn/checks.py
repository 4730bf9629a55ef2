"""Checks of layers' settings: numbers a constructor cannot work with are refused at once."""

import operator
from math import inf
from numbers import Real
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
    share = float(value) if isinstance(value, Real) else -1.0
    if not (0 <= share < 1 if below_one else 0 <= share <= 1):
        interval = "[0, 1)" if below_one else "[0, 1]"
        raise ValueError(f"{type(owner).__name__}: {name} must lie in {interval}, got {value!r}")
    return float(value)


def positive(owner: object, name: str, value: Any) -> float:
    """Return ``value`` as a float above 0."""
    if not (isinstance(value, Real) and float(value) > 0):
        raise ValueError(f"{type(owner).__name__}: {name} must be above 0, got {value!r}")
    return float(value)


def factors(owner: object, name: str, values: Any) -> tuple[float, ...]:
    """Return one factor a class as floats of at least 0, not all of them 0."""
    factors = tuple(float(value) for value in values)
    if not all(0 <= factor < inf for factor in factors) or not any(factors):
        raise ValueError(
            f"{type(owner).__name__}: {name} must be 0 or more and not all 0, got {factors}"
        )
    return factors


def input_shape(sizes: Any) -> Shape:
    """Return the shape of one image as a tuple."""
    try:
        shape = tuple(operator.index(size) for size in sizes)
    except TypeError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ValueError(
            "input_shape must list the sizes of one image without the batch axis, such as "
            f"(28, 28, 1); got {sizes!r}"
        )
    return shape


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
