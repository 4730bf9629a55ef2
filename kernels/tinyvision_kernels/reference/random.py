"""Philox4x32-10: random numbers as a pure function of (seed, purpose, step, element).

A counter-based generator keeps no state: element ``i`` of a draw is a hash of its own coordinates.
So any thread, any worker and any device computes the same number, and a run that is killed and
resumed at step 1000 draws what it would have drawn.

Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
"""

import math
from typing import Any

from ..contract.random import KEY_STEPS, MULTIPLIERS, ROUNDS, WORD


def philox_words(
    xp: Any, counter: tuple[Any, Any, Any, Any], key: tuple[int, int]
) -> tuple[Any, Any, Any, Any]:
    """Turn four 32-bit counter words and a 64-bit key into four random 32-bit words.

    The words are uint64 arrays (or broadcastable to one another) that hold 32-bit values, because
    the 64-bit product of two words is what the generator needs.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    word, half = xp.uint64(WORD), xp.uint64(32)
    for _ in range(ROUNDS):
        product0 = c0 * xp.uint64(MULTIPLIERS[0])
        product1 = c2 * xp.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (product1 >> half) ^ c1 ^ xp.uint64(k0),
            product1 & word,
            (product0 >> half) ^ c3 ^ xp.uint64(k1),
            product0 & word,
        )
        k0, k1 = (k0 + KEY_STEPS[0]) & WORD, (k1 + KEY_STEPS[1]) & WORD
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
    stream = _blocks(xp, index, seed, purpose, step).reshape(-1)[:count]
    bits[...] = stream.astype(xp.uint32).reshape(bits.shape)


def random_bits_at(xp: Any, bits: Any, places: Any, seed: int, purpose: int, step: int) -> None:
    """Fill row n of ``bits`` (N, 4) with the four words of block ``places[n]`` of that draw."""
    index = places.astype(xp.uint64)
    bits[...] = _blocks(xp, index, seed, purpose, step).astype(xp.uint32)


def _blocks(xp: Any, index: Any, seed: int, purpose: int, step: int) -> Any:
    """Return the words of the blocks at ``index``: (blocks,) -> (blocks, 4)."""
    counter = (
        index & xp.uint64(WORD),
        index >> xp.uint64(32),
        xp.full(index.shape, step & WORD, dtype=xp.uint64),
        xp.full(index.shape, purpose & WORD, dtype=xp.uint64),
    )
    words = philox_words(xp, counter, (seed & WORD, (seed >> 32) & WORD))
    return xp.stack(words, axis=1)


def dropout(xp: Any, y: Any, x: Any, rate: float, seed: int, purpose: int, step: int) -> None:
    """Set a share ``rate`` of the elements to zero and scale the others up to keep the mean.

    Element i survives if its word is at least rate * 2^32. The words are a function of the four
    numbers, so the same call on dy is the backward pass.
    """
    bits = xp.empty(x.shape, dtype=xp.uint32)
    random_bits(xp, bits, x.size, seed, purpose, step)
    threshold = math.ceil(rate * 2**32)
    keep = bits.astype(xp.uint64) >= xp.uint64(threshold)
    y[...] = xp.where(keep, x / (1 - rate), 0)
