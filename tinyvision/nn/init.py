"""Initial weights.

An initializer is a function ``(shape, seed, purpose) -> float64 array``: the values depend on
nothing else, so a network starts from the same values on every machine. Layers take one by name
(``init="he"``), as a number (every weight equals it), or as a function; a function of your own gets
a name by which model files know it from :func:`register`.

Why does the scale matter? With weights of variance v, a unit that sums ``fan_in`` products has an
output of variance ``fan_in * v * E[x^2]``. Unless that factor is near 1 the signal grows or dies
layer by layer, and so do the gradients on their way back, where ``fan_out`` takes its place.

========================= ===================================== ==============================
name                      distribution                          source
========================= ===================================== ==============================
he                        normal, std sqrt(2 / fan_in)          He et al. 2015, eq. 10
he_uniform                uniform, limit sqrt(6 / fan_in)       He et al. 2015
glorot                    uniform, limit sqrt(6 / (in + out))   Glorot and Bengio 2010, eq. 16
glorot_normal             normal, std sqrt(2 / (in + out))      Glorot and Bengio 2010
orthogonal                orthonormal rows or columns           Saxe, McClelland, Ganguli 2014
zeros, ones               constant
========================= ===================================== ==============================
"""

from collections.abc import Callable
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape

from .. import random
from ..errors import UnknownNameError

Initializer = Callable[[Shape, int, str], NDArray[np.float64]]
InitLike = str | float | Initializer  # what a layer's ``init`` may be

INITIALIZERS: dict[str, Initializer] = {}  # by name, for layers' settings and model files


def register(initializer: Initializer) -> Initializer:
    """Make an initializer known by its function's name (a decorator)."""
    INITIALIZERS[name_of_function(initializer)] = initializer
    return initializer


def get(init: InitLike) -> Initializer:
    """Return the initializer that a setting means: a name, a number, or a function.

    Raises
    ------
    UnknownNameError
        No initializer has that name.
    """
    if callable(init):
        return init
    if isinstance(init, str):
        if init not in INITIALIZERS:
            raise UnknownNameError("initializer", init, INITIALIZERS)
        return INITIALIZERS[init]
    return constant(init)


def name_of(initializer: Callable[..., Any]) -> str:
    """Return the name under which a function is registered.

    Raises
    ------
    TypeError
        It is not registered, so that a model file could not say what it is.
    """
    name = name_of_function(initializer)
    if INITIALIZERS.get(name) is not initializer:
        raise TypeError(
            f"the initializer {name} has no name that a model file could keep: decorate it with "
            "@nn.init.register, or give a number for a constant"
        )
    return name


def name_of_function(function: Callable[..., Any]) -> str:
    """Return the name a function was defined with."""
    return str(getattr(function, "__name__", type(function).__name__))


def fans(shape: Shape) -> tuple[int, int]:
    """Count the inputs a unit sums over and the units an input feeds.

    For a dense weight (I, O) that is I and O; for a convolution (KH, KW, C, O) each is multiplied
    by the KH * KW cells of the window.
    """
    window = prod(shape[:-2])
    fan_in = shape[-2] if len(shape) > 1 else 1
    return fan_in * window, shape[-1] * window


# --- distributions ------------------------------------------------------------------------------


def constant(value: float) -> Initializer:
    """Every weight equals ``value``."""
    return lambda shape, seed, purpose: np.full(shape, float(value))


def normal(std: float) -> Initializer:
    """Weights from the normal distribution of mean 0 and this standard deviation."""
    return lambda shape, seed, purpose: std * random.normal(shape, seed, purpose)


def uniform(limit: float) -> Initializer:
    """Weights from the uniform distribution over [-limit, limit)."""
    return lambda shape, seed, purpose: limit * (2 * random.uniform(shape, seed, purpose) - 1)


@register
def zeros(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """All 0: for biases. Equal weights would get equal gradients and stay equal for ever."""
    return np.zeros(shape)


@register
def ones(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """All 1: for the scales of normalisation."""
    return np.ones(shape)


@register
def he(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """Normal, variance 2 / fan_in: ReLU throws half of the signal away, the 2 makes up for it."""
    return normal(sqrt(2 / fans(shape)[0]))(shape, seed, purpose)


@register
def he_uniform(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """Uniform with the variance of :func:`he`: limit^2 / 3 = 2 / fan_in."""
    return uniform(sqrt(6 / fans(shape)[0]))(shape, seed, purpose)


@register
def glorot(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """Uniform, variance 2 / (fan_in + fan_out): between what forward and backward need."""
    return uniform(sqrt(6 / sum(fans(shape))))(shape, seed, purpose)


@register
def glorot_normal(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """Normal with the variance of :func:`glorot`."""
    return normal(sqrt(2 / sum(fans(shape))))(shape, seed, purpose)


@register
def orthogonal(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
    """Orthonormal columns of the (fan_in, O) matrix, or rows where it is wider than tall.

    The Q of a normal matrix's QR decomposition; with R's diagonal made positive it is uniform over
    the orthogonal matrices. The last bits depend on the LAPACK at hand.
    """
    rows, columns = prod(shape[:-1]), shape[-1]
    normals = random.normal((max(rows, columns), min(rows, columns)), seed, purpose)
    q, r = np.linalg.qr(normals)
    q = q * np.sign(np.diagonal(r))
    return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)


# --- for weights whose fans the shape alone does not tell ---------------------------------------


def grouped(initializer: Initializer, groups: int) -> Initializer:
    """Draw each group's (KH, KW, C/groups, O/groups) on its own: no group sees the others' inputs.

    The shape of the whole, (KH, KW, C/groups, O), would count too many outputs for an input.
    """
    if groups == 1:
        return initializer

    def draw(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
        part = (*shape[:-1], shape[-1] // groups)
        parts = [initializer(part, seed, f"{purpose} group {g}") for g in range(groups)]
        return np.concatenate(parts, axis=-1)

    return draw


def transposed(initializer: Initializer) -> Initializer:
    """Draw for a weight that is stored as (..., O, C): a transposed convolution sums over C."""

    def draw(shape: Shape, seed: int, purpose: str) -> NDArray[np.float64]:
        swapped = (*shape[:-2], shape[-1], shape[-2])
        return np.ascontiguousarray(initializer(swapped, seed, purpose).swapaxes(-1, -2))

    return draw
