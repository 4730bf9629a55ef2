"""Contracts of everything that draws random numbers."""

from .registry import Shape, kernel, need, rank

# The constants of Philox4x32-10, part of the formula: every implementation draws the same words.
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, in 32 bits
ROUNDS = 10
WORD = 0xFFFFFFFF


def stream_words(seed: int, purpose: int, step: int) -> tuple[int, int, int, int]:
    """Return the words (32 bits each) that name a draw: key low, key high, step, purpose."""
    return seed & WORD, (seed >> 32) & WORD, step & WORD, purpose & WORD


@kernel("y", dtypes={"stream": "uint64"}, bfloat16=True)
def dropout(x: Shape, stream: Shape, rate: float) -> tuple[Shape, ...]:
    """y[i] = x[i] / (1 - rate) where word i of the draw is >= rate * 2^32, else 0.

    ``stream`` (4,) names the draw, as :func:`stream_words` puts it; it is an array so that a
    recorded step draws anew once it holds another number. Backward is the same kernel on dy with
    the same stream: no mask is stored. Source: Srivastava et al. 2014; the generator: Salmon et al.
    2011.
    """
    need(stream == (4,), f"stream must be (4,), it is {stream}")
    need(0 <= rate < 1, f"rate must be in [0, 1), it is {rate}")
    return (x,)


@kernel("bits", dtypes={"bits": "uint32"})
def random_bits(count: int, seed: int, purpose: int, step: int) -> tuple[Shape, ...]:
    """Fill with words of Philox4x32-10, whose key is the seed.

    Element i is word i % 4 of the block with counter (i // 4 in two words, step, purpose).
    """
    return ((count,),)


@kernel("bits", dtypes={"bits": "uint32", "places": "int64"})
def random_bits_at(places: Shape, seed: int, purpose: int, step: int) -> tuple[Shape, ...]:
    """Fill row n with elements 4 p .. 4 p + 3 of that draw, p = places[n].

    So what belongs to one thing of very many is drawn without the others.
    """
    rank("places", places, "N")
    return ((places[0], 4),)
