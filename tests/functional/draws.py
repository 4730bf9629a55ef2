"""Random arrays for the tests of functions."""

import numpy as np

RNG = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    """Draw from the standard normal distribution."""
    return RNG.standard_normal(shape)
