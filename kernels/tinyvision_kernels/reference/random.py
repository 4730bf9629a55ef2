"""Philox4x32-10: random numbers as a pure function of (seed, purpose, step, element).

A counter-based generator keeps no state: element ``i`` of a draw is a hash of its own coordinates.
So any thread, any worker and any device computes the same number, and a run that is killed and
resumed at step 1000 draws what it would have drawn.

Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
"""

import math
from typing import Any

from ..contract.random import KEY_STEPS, MULTIPLIERS, ROUNDS, WORD, stream_words


def philox_words(
    xp: Any, counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]
) -> tuple[Any, Any, Any, Any]:
    """Turn four 32-bit counter words and a 64-bit key into four random 32-bit words.

    All words are uint64, numbers or arrays (broadcastable to one another), that hold 32-bit values,
    because the 64-bit product of two words is what the generator needs.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    word, half = xp.uint64(WORD), xp.uint64(32)
    for _ in range(ROUNDS):
        product0 = c0 * xp.uint64(MULTIPLIERS[0])
        product1 = c2 * xp.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (product1 >> half) ^ c1 ^ k0,
            product1 & word,
            (product0 >> half) ^ c3 ^ k1,
            product0 & word,
        )
        k0, k1 = (k0 + xp.uint64(KEY_STEPS[0])) & word, (k1 + xp.uint64(KEY_STEPS[1])) & word
    return c0, c1, c2, c3


def random_bits(xp: Any, bits: Any, count: int, seed: int, purpose: int, step: int) -> None:
    """Fill ``bits`` with uniform 32-bit words.

    Parameters
    ----------
    bits : uint32 array of ``count`` elements, any shape, written
        Element ``i`` (in C order) is word ``i % 4`` of Philox block ``i // 4``.
    seed : int
        64 bits; the generator's key.
    purpose : int
        32 bits; what the numbers are for, so that two uses of one seed never share a draw.
    step : int
        32 bits; which draw for that purpose (the training step, the epoch ...).
    """
    index = xp.arange((count + 3) // 4, dtype=xp.uint64)
    # (blocks, 4) -> (4 * blocks,): word 0..3 of block 0, then of block 1 ...
    words = _blocks(xp, index, _stream(xp, seed, purpose, step)).reshape(-1)[:count]
    bits[...] = words.astype(xp.uint32).reshape(bits.shape)


def random_bits_at(xp: Any, bits: Any, places: Any, seed: int, purpose: int, step: int) -> None:
    """Fill row n of ``bits`` (N, 4) with the four words of block ``places[n]`` of that draw."""
    index = places.astype(xp.uint64)
    bits[...] = _blocks(xp, index, _stream(xp, seed, purpose, step)).astype(xp.uint32)


def _stream(xp: Any, seed: int, purpose: int, step: int) -> Any:
    return tuple(xp.uint64(word) for word in stream_words(seed, purpose, step))


def _blocks(xp: Any, index: Any, stream: Any) -> Any:
    """Return the words of the blocks at ``index`` in the draw of that name: -> (blocks, 4)."""
    zeros = xp.zeros_like(index)
    counter = (
        index & xp.uint64(WORD),
        index >> xp.uint64(32),
        zeros + stream[2],
        zeros + stream[3],
    )
    words = philox_words(xp, counter, (stream[0], stream[1]))
    return xp.stack(words, axis=1)


def dropout(xp: Any, y: Any, x: Any, stream: Any, rate: float) -> None:
    """Set a share ``rate`` of the elements to zero and scale the others up to keep the mean.

    Element i survives if its word is at least rate * 2^32. The words are a function of the stream,
    so the same call on dy is the backward pass.
    """
    index = xp.arange((x.size + 3) // 4, dtype=xp.uint64)
    # (blocks, 4) -> (4 * blocks,) -> the shape of x
    words = _blocks(xp, index, stream).reshape(-1)[: x.size].reshape(x.shape)
    keep = words >= xp.uint64(math.ceil(rate * 2**32))
    y[...] = xp.where(keep, x / (1 - rate), 0)
