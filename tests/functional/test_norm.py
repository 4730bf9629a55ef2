"""Batch norm's statistics, and what dropout drops."""

import numpy as np
import pytest

from tests.functional.draws import normal
from tinyvision import functional, random
from tinyvision.tensor import Tensor


def test_batch_norm_follows_the_statistics_in_training_alone() -> None:
    x = 2 * normal(4, 3, 3, 2) + 5
    mean, var = Tensor(np.zeros(2)), Tensor(np.ones(2))
    gamma, beta = np.ones(2), np.zeros(2)
    y = functional.batch_norm(x, gamma, beta, mean, var, momentum=0.1).numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(mean.numpy(), 0.1 * x.mean(axis=(0, 1, 2)))
    unbiased = x.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(var.numpy(), 0.9 + 0.1 * unbiased)
    kept = mean.numpy().copy()
    y = functional.batch_norm(x, gamma, beta, mean, var, training=False, eps=0.0)
    np.testing.assert_allclose(y.numpy(), (x - mean.numpy()) / np.sqrt(var.numpy()))
    np.testing.assert_array_equal(mean.numpy(), kept)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    random.seed(1)
    x = Tensor(np.ones((400, 500), np.float32), requires_grad=True)
    y = functional.dropout(x, 0.3)
    values = np.unique(y.numpy())
    np.testing.assert_allclose(values, [0, 1 / 0.7], rtol=1e-6)
    assert np.mean(y.numpy() == 0) == pytest.approx(0.3, abs=5e-3)  # five standard deviations
    dy = normal(400, 500).astype(np.float32)
    y.backward(dy)
    np.testing.assert_array_equal(x.grad, np.where(y.numpy() > 0, dy / np.float32(0.7), 0))


def test_dropout_draws_afresh_and_again_from_a_seed() -> None:
    x = np.ones((8, 8), np.float32)
    random.seed(3)
    first, second = functional.dropout(x, 0.5).numpy(), functional.dropout(x, 0.5).numpy()
    assert (first != second).any()
    state = random.state()
    third = functional.dropout(x, 0.5).numpy()
    random.restore(state)
    np.testing.assert_array_equal(functional.dropout(x, 0.5).numpy(), third)
    random.seed(3)
    np.testing.assert_array_equal(functional.dropout(x, 0.5).numpy(), first)


def test_dropout_rests_outside_training() -> None:
    x, before = Tensor(np.ones(4, np.float32)), random.state()
    assert functional.dropout(x, 0.5, training=False) is x
    assert functional.dropout(x, 0.0) is x
    assert random.state() == before
    for rate in (1.0, -0.1):
        with pytest.raises(ValueError, match=rf"rate must lie in \[0, 1\), got {rate}"):
            functional.dropout(x, rate)
