"""Contracts of everything that draws random numbers."""

from .registry import Shape, kernel, need


@kernel("y")
def dropout(x: Shape, rate: float, seed: int, purpose: int, step: int) -> tuple[Shape, ...]:
    """y[i] = x[i] / (1 - rate) where word i of Philox(seed, purpose, step) >= rate * 2^32, else 0.

    Backward is the same kernel on dy with the same four numbers: no mask is stored. Source:
    Srivastava et al. 2014; the generator: Salmon et al. 2011.
    """
    need(0 <= rate < 1, f"rate must be in [0, 1), it is {rate}")
    return (x,)


@kernel("bits", dtypes={"bits": "uint32"})
def random_bits(count: int, seed: int, purpose: int, step: int) -> tuple[Shape, ...]:
    """Fill with words of Philox4x32-10, whose key is the seed.

    Element i is word i % 4 of the block with counter (i // 4 in two words, step, purpose).
    """
    return ((count,),)
