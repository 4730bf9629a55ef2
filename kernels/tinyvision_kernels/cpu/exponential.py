"""exp, tanh and sigmoid that a compiler can vectorise, and constants of the right type.

``math.exp`` is a call into the C library: one number at a time, about 3 ns each. Written out as
multiplications and additions the same loop handles a whole vector register a step, ten times
faster. float64 serves gradient checks, where nobody waits: there the C library computes.

Source of the method and of tanh's polynomial: Moshier, Cephes mathematical library, 1989 (expf,
tanhf). The polynomial of e^r is the one of its degree with the smallest relative error, 3e-9.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from .jit import exact_formula_jit

# ----------------------------------------------------------------------------
# Constants: a literal is a float64 to Numba, and float32 * float64 is float64
# ----------------------------------------------------------------------------


def constant(value: float, like: float) -> float:
    """``value`` in the type of ``like``."""
    return type(like)(value)


# Not inline="always": that has Numba delete what it takes for dead code in the calling function,
# and it lost a store to an array unpacked from a tuple (Numba 0.68).
@overload(constant, jit_options={"forceinline": True})
def _constant(value, like):  # type: ignore[no-untyped-def]
    if like == types.float32:
        return lambda value, like: np.float32(value)
    return lambda value, like: np.float64(value)


# ----------------------------------------------------------------------------
# exp(x) = 2^n * exp(r), n = round(x / ln 2), r = x - n ln 2 in [-0.35, 0.35]
# ----------------------------------------------------------------------------

# Beyond: exactly 0, exactly infinite. 2^-126 and 2^127 are the ends of float32's exponents, and one
# multiplication by 2^n is half the work that it would take to come closer to them.
_LOWEST, _HIGHEST = np.float32(-87.3), np.float32(89)
_PER_LN2 = np.float32(1.44269504088896341)
_LN2_HIGH = np.float32(0.693359375)  # few bits, so that n * _LN2_HIGH is exact ...
_LN2_LOW = np.float32(-2.12194440e-4)  # ... and the rest of ln 2
# Added to a small number, 1.5 * 2^23 leaves no bits for a fraction: the sum is rounded to an
# integer, which then also stands in the sum's lowest bits.
_ROUND = np.float32(12582912)
_ROUND_BITS = np.int32(0x4B400000)
_ZERO, _E0 = np.float32(0), np.float32(1)
_E2 = np.float32(4.9999993431e-1)
_E3 = np.float32(1.6666520398e-1)
_E4 = np.float32(4.1668390943e-2)
_E5 = np.float32(8.3687450669e-3)
_E6 = np.float32(1.3814532696e-3)


@exact_formula_jit
def _exp32(x: np.float32) -> np.float32:
    tiny = x < _LOWEST  # comparisons with NaN are false: NaN goes through
    x = _HIGHEST if x > _HIGHEST else x
    rounded = np.float32(x * _PER_LN2 + _ROUND)
    n = np.int32(rounded.view(np.int32) - _ROUND_BITS)
    whole = rounded - _ROUND
    r = x - whole * _LN2_HIGH - whole * _LN2_LOW
    p = (((_E6 * r + _E5) * r + _E4) * r + _E3) * r + _E2
    p = p * r * r + r + _E0
    p = p * np.int32((n + 127) << 23).view(np.float32)  # 2^n: a float32's field of the exponent
    return _ZERO if tiny else p


def exp(x: float) -> float:
    """e^x to 2 units in the last place; NaN for NaN.

    In float32, 0 where e^x < 1.2e-38 and infinite where e^x > 2.4e38.
    """
    return np.exp(x)


@overload(exp)
def _exp(x):  # type: ignore[no-untyped-def]
    return (lambda x: _exp32(x)) if x == types.float32 else (lambda x: math.exp(x))


# ----------------------------------------------------------------------------
# tanh and sigmoid
# ----------------------------------------------------------------------------

_T0 = np.float32(-3.33332819422e-1)
_T1 = np.float32(1.33314422036e-1)
_T2 = np.float32(-5.37397155531e-2)
_T3 = np.float32(2.06390887954e-2)
_T4 = np.float32(-5.70498872745e-3)
_SMALL = np.float32(0.625)
_ONE, _TWO = np.float32(1), np.float32(2)


@exact_formula_jit
def _tanh32(x: np.float32) -> np.float32:
    size = -x if x < _ZERO else x
    large = _ONE - _TWO / (_exp32(size + size) + _ONE)
    large = -large if x < _ZERO else large
    # Near zero that would be a difference of two numbers near 1, without correct digits.
    square = x * x
    small = (((_T4 * square + _T3) * square + _T2) * square + _T1) * square + _T0
    small = small * square * x + x
    return small if size < _SMALL else large


def tanh(x: float) -> float:
    """Hyperbolic tangent to a few units in the last place; NaN for NaN."""
    return np.tanh(x)


@overload(tanh)
def _tanh(x):  # type: ignore[no-untyped-def]
    return (lambda x: _tanh32(x)) if x == types.float32 else (lambda x: math.tanh(x))


@exact_formula_jit
def sigmoid(x: float) -> float:
    """1 / (1 + e^-x), from e^-|x|, which cannot overflow."""
    one = constant(1, x)
    small = exp(-abs(x))
    return (small if x < 0 else one) / (one + small)
