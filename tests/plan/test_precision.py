"""Mixed precision: half the memory, about the same losses, float32 where it matters."""

import ml_dtypes
import numba
import numpy as np
import pytest

import tinyvision as tv
from tests.plan.learning import assert_same, learn
from tests.plan.networks import NETWORKS, images, labels
from tests.train.small import batches, small_net
from tinyvision import backend, models, nn
from tinyvision.errors import PlanError
from tinyvision.ops.precision import ToBfloat16, ToFloat32

BATCHES = [(images(i), labels(i)) for i in range(3)]
K = backend.get("reference").kernels


def test_conversions_round_to_the_nearest_and_back_exactly():
    x = np.array([1.0, 1 + 2**-9, 1 + 3 * 2**-9, 3e38, -np.inf], np.float32)
    narrow, saved = ToBfloat16().forward(K, x)
    assert narrow.dtype == ml_dtypes.bfloat16
    # of two as near, the even one
    assert narrow.astype(np.float64).tolist()[:3] == [1.0, 1.0, 1 + 2**-7]
    wide, _ = ToFloat32().forward(K, narrow)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, narrow.astype(np.float32))
    (dx,) = ToBfloat16().backward(K, narrow, saved, (True,))
    assert dx.dtype == np.float32  # what comes from a layer's input
    (dw,) = ToBfloat16().backward(K, x, saved, (True,))
    assert dw is x  # a weight's gradient has float32's digits, and keeps them
    (dy,) = ToFloat32().backward(K, x, None, (True,))
    assert dy.dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("on", ["reference", "cpu"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_about_the_same(name, on):
    exact = learn(NETWORKS[name], BATCHES, plan=True, on=on)
    mixed = learn(NETWORKS[name], BATCHES, plan=True, on=on, precision="bf16")
    assert mixed.losses != exact.losses
    np.testing.assert_allclose(mixed.losses, exact.losses, rtol=0.06, atol=0.02)
    assert {value.dtype for value in mixed.state.values()} == {np.dtype(np.float32)}
    assert mixed.outputs[0].dtype == mixed.gradients[0].dtype == np.float32
    # the direction of the first step: three digits each, summed over the net
    a, b = exact.gradients[0].astype(np.float64), mixed.gradients[0].astype(np.float64)
    assert a @ b > 0.97 * np.sqrt((a @ a) * (b @ b))


def test_small_steps_are_not_lost_in_the_weights():
    """A weight of 1 does not move by 0.001 in bfloat16; the float32 behind it does."""
    model = nn.Sequential(nn.Dense(1, bias=False))
    model.build((1,))
    weight = model.parameters()[0]
    weight.data[...] = 1
    optimizer = tv.optim.SGD(model, lr=1e-3, momentum=0.0)
    with backend.using("reference"):
        plan = tv.compile(model, train=True, loss=nn.MSE(), precision="bf16")
        for _ in range(10):
            plan.step(np.ones((1, 1), np.float32), np.full((1, 1), 1.5, np.float32))
            optimizer.step()
    # dloss/dw is 2 * (w - 1.5) = -1, with the weight that is rounded to 1 until it is nearer to
    # the next bfloat16
    np.testing.assert_allclose(weight.data, 1 + 10 * 1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["resnet20", "lenet5"])
def test_the_same_bits_on_any_threads_and_called_by_python(name):
    shape = (32, 32, 3) if name == "resnet20" else (28, 28, 1)
    rng = np.random.default_rng(5)
    batches = [(rng.standard_normal((8, *shape)), rng.integers(0, 10, 8)) for _ in range(3)]

    def make() -> nn.Layer:
        return models.create(name, shape, 10)

    first = learn(make, batches, plan=True, on="cpu", precision="bf16")
    assert np.isfinite(first.losses).all()
    python = learn(make, batches, plan=True, on="cpu", precision="bf16", native=False)
    assert_same(python, first)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert_same(learn(make, batches, plan=True, on="cpu", precision="bf16"), first)
    finally:
        numba.set_num_threads(threads)


def test_values_take_half_the_memory():
    with backend.using("reference"):
        model = models.create("vgg_small", (32, 32, 3), 10)
        sizes = []
        for precision in ("float32", "bf16"):
            options = {"train": True, "loss": nn.CrossEntropy(), "precision": precision}
            plan = tv.compile(model, (16, 32, 32, 3), **options)
            (ready,) = plan._ready.values()
            sizes.append(ready.engine.layout.size)
    assert sizes[1] < 0.7 * sizes[0]  # images, arg-maxima and rounded weights come on top


def test_inference_answers_about_the_same():
    with backend.using("cpu"):
        model = NETWORKS["residual"]()
        model.build((9, 8, 3), seed=3)
        x = images().astype(np.float32)
        exact = tv.compile(model)(x)
        mixed = tv.compile(model, precision="bf16")(x)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, exact, atol=0.03 * np.abs(exact).max())


def test_a_trainer_learns_in_bfloat16():
    def losses(**options: str) -> list[float]:
        model = small_net()
        trainer = tv.train.Trainer(model, tv.optim.Adam(model, 0.01), **options)
        return [epoch.train_loss for epoch in trainer.fit(batches(), epochs=4).epochs]

    exact, mixed = losses(), losses(precision="bf16")
    assert mixed != exact
    assert mixed[-1] < 0.25 * mixed[0]
    with pytest.raises(ValueError, match="eager training is in float32, not 'bf16'"):
        tv.train.Trainer(small_net(), None, eager=True, precision="bf16")


def test_an_unknown_precision_is_refused():
    with pytest.raises(PlanError, match="there is no precision 'fp8': try float32 or bf16"):
        tv.compile(nn.Sequential(), precision="fp8")
