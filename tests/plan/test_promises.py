"""What a plan promises besides its numbers: the same bits on any threads, and no new memory."""

import tracemalloc

import numba
import numpy as np
import pytest

import tinyvision as tv
from tests.plan.learning import assert_same, learn
from tinyvision import backend, models, nn, optim

SHAPE = (32, 32, 3)


def test_twenty_steps_of_resnet20_are_the_same_on_any_threads_with_or_without_a_plan():
    rng = np.random.default_rng(2)
    batches = [(rng.standard_normal((8, *SHAPE)), rng.integers(0, 10, 8)) for _ in range(20)]

    def make() -> nn.Layer:
        return models.create("resnet20", SHAPE, 10)

    eager = learn(make, batches, plan=False, on="cpu", lr=0.05)
    assert np.isfinite(eager.losses).all()
    threads = numba.get_num_threads()
    for count in {1, threads}:
        numba.set_num_threads(count)
        try:
            assert_same(learn(make, batches, plan=True, on="cpu", lr=0.05), eager)
        finally:
            numba.set_num_threads(threads)


@pytest.mark.parametrize("name", ["mlp", "lenet5", "small_cnn", "resnet20"])
def test_a_step_takes_no_memory(name):
    shape = SHAPE if name == "resnet20" else (28, 28, 1)
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((16, *shape)).astype(np.float32), rng.integers(0, 10, 16)
    with backend.using("cpu"):
        model = models.create(name, shape, 10)
        optimizer = optim.SGD(model, lr=1e-3)
        plan = tv.compile(model, x.shape, train=True, loss=nn.CrossEntropy())
        for _ in range(3):
            plan.step(x, labels)
            optimizer.step()
        tracemalloc.start()
        try:
            for _ in range(5):
                plan.step(x, labels)
                optimizer.step()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # names, shapes and the like, but no array: the smallest of a layer has more
    assert peak < 12_000, f"{peak} bytes"
