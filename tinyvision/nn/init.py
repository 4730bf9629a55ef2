"""Initial weights.

An initializer is a function ``(shape, seed, purpose) -> float64 array``: the values depend on
nothing else, so that a network starts from the same bits on every machine.
"""

from collections.abc import Callable

from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape

Initializer = Callable[[Shape, int, str], NDArray]
