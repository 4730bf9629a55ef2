"""The generator against its published vectors, the draws against their distributions."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinyvision.random import (
    bits,
    next_step,
    normal,
    permutation,
    purpose_of,
    restore,
    seed,
    state,
    uniform,
)
from tinyvision_kernels.reference.random import philox_words, random_bits

# Known answers of philox4x32-10 from Random123 1.14 (file kat_vectors): counter, key, words.
KNOWN_ANSWERS = [
    (
        (0x00000000,) * 4,
        (0x00000000,) * 2,
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_published_words(counter, key, words):
    c0, c1, c2, c3 = (np.full(3, word, np.uint64) for word in counter)
    result = philox_words(np, (c0, c1, c2, c3), key)
    for got, expected in zip(result, words, strict=True):
        assert got.tolist() == [expected] * 3


def test_random_bits_places_seed_purpose_and_step():
    # The third vector, reached through the public arguments: the counter is
    # (block low, block high, step, purpose), so block 0 with step and purpose of zero and a zero
    # key is the first vector; its words are elements 0..3.
    out = np.empty(6, np.uint32)
    random_bits(np, out, out.size, seed=0, purpose=0, step=0)
    assert out[:4].tolist() == list(KNOWN_ANSWERS[0][2])
    one = np.full(1, 1, np.uint64)
    zero = np.zeros(1, np.uint64)
    block_one = philox_words(np, (one, zero, zero, zero), (0, 0))
    assert out[4:].tolist() == [int(block_one[0][0]), int(block_one[1][0])]

    random_bits(np, out, out.size, seed=(7 << 32) | 5, purpose=3, step=2)
    words = philox_words(np, (zero, zero, zero + np.uint64(2), zero + np.uint64(3)), (5, 7))
    assert out[:4].tolist() == [int(word[0]) for word in words]


def test_an_element_does_not_depend_on_how_many_are_drawn():
    long = bits(1001, seed=9, purpose="x")
    assert np.array_equal(bits(7, seed=9, purpose="x"), long[:7])
    assert np.array_equal(bits((11, 91), seed=9, purpose="x"), long.reshape(11, 91))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2, "purpose": "shuffle", "step": 3},
        {"seed": 1 + 2**32, "purpose": "shuffle", "step": 3},
        {"seed": 1, "purpose": "shuffled", "step": 3},
        {"seed": 1, "purpose": "shuffle", "step": 4},
    ],
)
def test_draws_of_another_seed_purpose_or_step_are_independent(other):
    n = 100_000
    here = uniform(n, seed=1, purpose="shuffle", step=3)
    there = uniform(n, **other)
    assert not np.array_equal(here, there)
    # The correlation of n independent pairs has a deviation of 1 / sqrt(n); five are far out.
    assert abs(np.corrcoef(here, there)[0, 1]) < 5 / np.sqrt(n)


def test_bits_are_fair_one_by_one():
    n = 200_000
    words = bits(n, seed=123, purpose="fair")
    ones = [(words >> np.uint32(bit) & np.uint32(1)).mean() for bit in range(32)]
    assert np.abs(np.array(ones) - 0.5).max() < 5 * 0.5 / np.sqrt(n)


def test_uniform_has_the_moments_of_a_uniform():
    n = 400_000
    u = uniform(n, seed=5, purpose="u")
    assert u.dtype == np.float64
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert abs(u.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    # Chi-squared over 64 bins: 63 degrees of freedom, deviation sqrt(2 * 63).
    counts = np.histogram(u, bins=64, range=(0, 1))[0]
    chi2 = ((counts - n / 64) ** 2 / (n / 64)).sum()
    assert abs(chi2 - 63) < 5 * np.sqrt(2 * 63)


def test_normal_has_the_moments_of_a_normal():
    n = 400_000
    z = normal((n // 4, 4), seed=5, purpose="z", step=1)
    assert z.shape == (n // 4, 4)
    assert z.dtype == np.float64
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs((np.abs(z) > 1.959964).mean() - 0.05) < 5 * np.sqrt(0.05 * 0.95 / n)


@pytest.mark.parametrize("n", [0, 1, 2, 10, 1000])
def test_permutation_holds_every_number_once(n):
    order = permutation(n, seed=3, purpose="shuffle", step=8)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_permutation_changes_with_the_epoch_and_repeats_with_the_seed():
    first = permutation(50, seed=3, purpose="shuffle", step=0)
    assert np.array_equal(first, permutation(50, seed=3, purpose="shuffle", step=0))
    assert not np.array_equal(first, permutation(50, seed=3, purpose="shuffle", step=1))
    assert not np.array_equal(first, np.arange(50))


def test_permutations_are_equally_likely():
    draws = 6000
    keys = [tuple(permutation(3, seed=1, purpose="fair", step=step)) for step in range(draws)]
    counts = np.array([keys.count(key) for key in set(keys)])
    assert len(counts) == 6
    chi2 = ((counts - draws / 6) ** 2 / (draws / 6)).sum()
    assert chi2 < 5 + 5 * np.sqrt(2 * 5)  # 5 degrees of freedom


def test_purpose_is_the_crc32_of_its_name():
    assert purpose_of("123456789") == 0xCBF43926  # the check value of CRC-32/ISO-HDLC


# --- the stream -----------------------------------------------------------------------------------


@pytest.fixture
def kept_stream():
    before = state()
    yield
    restore(before)


@pytest.mark.usefixtures("kept_stream")
def test_the_stream_counts_from_its_seed_and_goes_on_where_it_was():
    seed(7)
    assert [next_step() for _ in range(3)] == [(7, 0), (7, 1), (7, 2)]
    saved = state()
    assert next_step() == (7, 3)
    seed(2**64 - 1)
    assert next_step() == (2**64 - 1, 0)
    restore(saved)
    assert next_step() == (7, 3)


@pytest.mark.usefixtures("kept_stream")
def test_no_two_threads_take_the_same_step():
    seed(0)
    with ThreadPoolExecutor(8) as pool:
        steps = list(pool.map(lambda _: next_step()[1], range(4000)))
    assert sorted(steps) == list(range(4000))


@pytest.mark.usefixtures("kept_stream")
@pytest.mark.parametrize("wrong", [-1, 2**64])
def test_a_seed_beyond_64_bits_is_refused(wrong):
    seed(5)
    with pytest.raises(ValueError, match=r"a seed must lie in 0 \.\. 2\*\*64 - 1"):
        seed(wrong)
    assert state() == (5, 0)
