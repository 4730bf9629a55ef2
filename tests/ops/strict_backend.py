"""A backend on the strict stand-in for CuPy: what an op does there, it may do on a GPU."""

from typing import Any

import numpy as np

from tests.kernels import strict_array
from tests.kernels.strict_array import StrictArray, StrictModule, to_device
from tinyvision.backend import make_backend


class StrictArrays(StrictModule):
    """The array module with the doors that a backend needs: explicit copies to the device."""

    ndarray = StrictArray

    def asarray(self, array: Any, dtype: Any = None) -> StrictArray:
        if isinstance(array, StrictArray):
            return array if dtype in (None, array.dtype) else array.astype(dtype)
        return to_device(np.asarray(array, dtype))

    def bincount(self, places: StrictArray, weights: StrictArray, minlength: int) -> StrictArray:
        """The one function that ops call although CuPy's waits for the device, to size its result.

        There is no other that adds up repeated places in the same order every time.
        """
        return strict_array._compute(np.bincount, places, weights, minlength)


STRICT = make_backend("strict", StrictArrays(), {})
