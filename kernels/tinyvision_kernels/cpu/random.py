"""Random numbers: Philox4x32-10 (see ``reference/random.py``), a block of four words at a time."""

import math
from typing import Any

import numpy as np

from ..contract import random as contract
from ..contract.random import KEY_STEPS, MULTIPLIERS, WORD
from .chunks import Arrays, Settings, chunk_length, chunked
from .exponential import constant
from .jit import Array, body_jit, formula_jit

# Every number is a uint64, since that is what the product of two 32-bit words needs, and since
# Numba makes a float64 of a uint64 and a plain integer.
_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_STEP0, _STEP1 = np.uint64(KEY_STEPS[0]), np.uint64(KEY_STEPS[1])
_WORD, _HALF = np.uint64(WORD), np.uint64(32)


@formula_jit
def philox(block: Any, stream: Settings) -> Any:
    """Return the four words of a block; ``stream`` = (seed low, seed high, step, purpose)."""
    k0, k1, c2, c3 = stream
    c0, c1 = block & _WORD, block >> _HALF
    for _ in range(10):
        product0, product1 = c0 * _M0, c2 * _M1
        c0, c1 = (product1 >> _HALF) ^ c1 ^ k0, product1 & _WORD
        c2, c3 = (product0 >> _HALF) ^ c3 ^ k1, product0 & _WORD
        k0, k1 = (k0 + _STEP0) & _WORD, (k1 + _STEP1) & _WORD
    return c0, c1, c2, c3


def stream_words(seed: int, purpose: int, step: int) -> Settings:
    """Return all that names a draw but the block, as :func:`philox` takes it."""
    return tuple(np.uint64(word) for word in contract.stream_words(seed, purpose, step))


@body_jit
def _bits(arrays: Arrays, stream: Settings, start: int, stop: int) -> None:
    bits = arrays[0][start:stop]  # chunks start at a multiple of four
    whole = bits.size // 4
    for i in range(whole):
        w0, w1, w2, w3 = philox(np.uint64(start // 4 + i), stream)
        bits[4 * i] = w0
        bits[4 * i + 1] = w1
        bits[4 * i + 2] = w2
        bits[4 * i + 3] = w3
    if 4 * whole < bits.size:
        words = philox(np.uint64(start // 4 + whole), stream)
        for i in range(4 * whole, bits.size):
            bits[i] = words[i - 4 * whole]


_random_bits = chunked(_bits)


def random_bits(bits: Array, count: int, seed: int, purpose: int, step: int) -> None:
    """Fill ``bits`` with words of the generator."""
    length = chunk_length(bits.size, 4)
    _random_bits((bits.reshape(-1),), stream_words(seed, purpose, step), bits.size, length)


@body_jit
def _bits_at(arrays: Arrays, stream: Settings, start: int, stop: int) -> None:
    bits, places = arrays
    for n in range(start, stop):
        words = philox(np.uint64(places[n]), stream)
        for k in range(4):
            bits[n, k] = words[k]


_random_bits_at = chunked(_bits_at)


def random_bits_at(bits: Array, places: Array, seed: int, purpose: int, step: int) -> None:
    """Fill row n with the four words of block ``places[n]``."""
    N = len(places)
    _random_bits_at((bits, places), stream_words(seed, purpose, step), N, chunk_length(N))


@formula_jit
def _drop(x: Any, word: Any, threshold: Any, keep: Any) -> Any:
    return x / keep if word >= threshold else constant(0, x)


@body_jit
def _dropout_part(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    threshold, keep = settings
    words = arrays[2]
    stream = words[0], words[1], words[2], words[3]
    y, x = arrays[0][start:stop], arrays[1][start:stop]  # chunks start at a multiple of four
    whole = x.size // 4
    for i in range(whole):
        w0, w1, w2, w3 = philox(np.uint64(start // 4 + i), stream)
        y[4 * i] = _drop(x[4 * i], w0, threshold, keep)
        y[4 * i + 1] = _drop(x[4 * i + 1], w1, threshold, keep)
        y[4 * i + 2] = _drop(x[4 * i + 2], w2, threshold, keep)
        y[4 * i + 3] = _drop(x[4 * i + 3], w3, threshold, keep)
    if 4 * whole < x.size:
        last = philox(np.uint64(start // 4 + whole), stream)
        for i in range(4 * whole, x.size):
            y[i] = _drop(x[i], last[i - 4 * whole], threshold, keep)


_dropout = chunked(_dropout_part)


def dropout(y: Array, x: Array, stream: Array, rate: float) -> None:
    """Zero elements with probability ``rate``, scale the others up; draws no mask into memory."""
    # word >= rate * 2^32 for an integer word: it reaches the next integer
    threshold = np.uint64(math.ceil(rate * 2.0**32))
    settings = threshold, x.dtype.type(1 - rate)
    _dropout((y.reshape(-1), x.reshape(-1), stream), settings, x.size, chunk_length(x.size, 4))
