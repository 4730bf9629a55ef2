"""A random order of n things that nobody has to write down.

Sorting random keys shuffles as well, but holds all n of them; for ten billion images that is 80 GB.
Here position i is *computed*: a cipher is a bijection of its alphabet, whatever its key, so
enciphering 0, 1, 2, ... visits every number once, in an order that the key decides.

The alphabet must have n letters, and ciphers like theirs to have 2^b. A Feistel network over two
digits fits any n: write i as (left, right) in a rectangle of a x b >= n, then in turn shift one
digit by a hash of the other::

    left  = (left  + hash(right, key_0)) mod a
    right = (right + hash(left,  key_1)) mod b
    ...

Each step can be undone (subtract the same hash), hence each is a bijection of the rectangle. A
result that falls into the rectangle's rest, beyond n, is enciphered again until it falls inside
(*cycle walking*): since the walk is along a cycle of a bijection that started inside, it comes
back inside, and no two starts meet. With a = ceil(sqrt(n)) the rest is smaller than a row, so that
happens to about one in sqrt(n).

Sources: Luby, Rackoff, "How to construct pseudorandom permutations", 1988; Black, Rogaway, "Ciphers
with arbitrary finite domains", 2002; the hash is the finaliser of SplitMix64 (Steele, Lea, Flood,
2014), its keys are words of Philox.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ...random import bits

# Luby and Rackoff need 4 for large n. For few images 8 still show: some of the 120 orders of five
# come too often (chi-square 236 at 119 degrees of freedom in 6,000 draws; with 12 it is 117).
ROUNDS = 12


class Shuffle:
    """A bijection of 0 .. n-1 in memory that does not grow with n.

    Parameters
    ----------
    n : int
        How many numbers, up to 2^62.
    seed, purpose, step
        Name the draw, as everywhere in :mod:`tinyvision.random`.
    """

    def __init__(self, n: int, seed: int, purpose: str, step: int = 0) -> None:
        self.n = n
        self.a = max(math.isqrt(max(n - 1, 0)) + 1, 1)  # ceil(sqrt(n))
        self.b = max(-(-n // self.a), 1)
        high, low = bits((2, ROUNDS), seed, purpose, step).astype(np.uint64)
        self._keys = (high << np.uint64(32)) | low

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what stands at these positions of the shuffled order."""
        out = self._once(positions)
        outside = np.flatnonzero(out >= self.n)
        while len(outside):
            out[outside] = self._once(out[outside])
            outside = outside[out[outside] >= self.n]
        return out

    def _once(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        a, b = np.uint64(self.a), np.uint64(self.b)
        left, right = np.divmod(values.astype(np.uint64), b)
        for i, key in enumerate(self._keys):
            if i % 2 == 0:
                left = (left + _hash(right, key) % a) % a
            else:
                right = (right + _hash(left, key) % b) % b
        return (left * b + right).astype(np.int64)


def _hash(x: NDArray[np.uint64], key: np.uint64) -> NDArray[np.uint64]:
    z = x ^ key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
