"""Contracts of the way from float32 to bfloat16 and back, for networks that compute in both."""

from .registry import Shape, kernel


@kernel("y", dtypes={"x": "float32", "y": "bfloat16"})
def narrow(x: Shape) -> tuple[Shape, ...]:
    """y = x, rounded to the nearest bfloat16 (of two, to the even one)."""
    return (x,)


@kernel("y", dtypes={"x": "bfloat16", "y": "float32"})
def widen(x: Shape) -> tuple[Shape, ...]:
    """y = x, exactly: a bfloat16 is the upper half of a float32."""
    return (x,)
