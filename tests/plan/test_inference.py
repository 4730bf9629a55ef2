"""Plans for inference: batch norms folded into weights, and weights that change."""

import numpy as np
import pytest

import tinyvision as tv
from tests.plan.networks import NETWORKS, images
from tinyvision import backend, models, nn, optim
from tinyvision.errors import PlanError
from tinyvision.nn.layer import Layer
from tinyvision.plan import Forward
from tinyvision.tensor import Tensor


def answers(model: Layer, x: np.ndarray) -> np.ndarray:
    """Return what eager answers."""
    mode = model.training
    model.eval()
    with tv.no_grad():
        y = model(Tensor(x)).numpy()
    model.train(mode)
    return y


def unsettle(model: Layer) -> None:
    """Give every norm statistics that matter."""
    rng = np.random.default_rng(6)
    for path, tensor in model.tensors():
        if path.endswith(("running_var", "gamma")):
            tensor.data[...] = rng.uniform(0.3, 3, tensor.shape)
        elif path.endswith(("running_mean", "beta")):
            tensor.data[...] = rng.standard_normal(tensor.shape)


@pytest.mark.parametrize("on", ["reference", "cpu"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_the_same(name, on):
    with backend.using(on):
        model = NETWORKS[name]()
        model.build((9, 8, 3), seed=3)
        unsettle(model)
        plan = tv.compile(model, (6, 9, 8, 3))
        for count in (6, 1, 6, 3):
            x = images(count, count).astype(np.float32)
            wanted = answers(model, x)
            got = plan(x)
            if any(isinstance(layer, nn.BatchNorm2d) for layer in model.layers()):
                # folding rounds elsewhere
                np.testing.assert_allclose(got, wanted, atol=3e-6 * np.abs(wanted).max(), rtol=0)
            else:
                np.testing.assert_array_equal(got, wanted)
        assert all(layer.training for layer in model.layers())


def test_folding_is_exact_but_for_rounding():
    model = NETWORKS["batch norm"]()
    model.build((9, 8, 3), seed=3)
    unsettle(model)
    model.astype(np.float64)
    with backend.using("reference"):
        plan = tv.compile(model)
        x = images()
        np.testing.assert_allclose(plan(x), answers(model, x), rtol=1e-12)
        (ready,) = plan._ready.values()
        assert not any("norm" in step.kernel for step in ready.engine.record.steps)


def test_weights_that_change_are_noticed():
    with backend.using("cpu"):
        model = NETWORKS["residual"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, (6, 9, 8, 3))
        x = images().astype(np.float32)
        before = plan(x)
        train = tv.compile(model, (6, 9, 8, 3), train=True, loss=nn.CrossEntropy())
        optimizer = optim.SGD(model, lr=0.5)
        train.step(x, np.arange(6) % 5)
        optimizer.step()
        after = plan(x)
        assert np.abs(after - before).max() > 0.01
        np.testing.assert_allclose(after, answers(model, x), atol=1e-5)
        state = model.state()
        unsettle(model)  # writes behind the plan's back
        plan.refresh()
        np.testing.assert_allclose(plan(x), answers(model, x), rtol=1e-4)
        model.load_state(state)
        np.testing.assert_array_equal(plan(x), after)


def test_an_answer_is_the_callers_own():
    with backend.using("cpu"):
        model = NETWORKS["conv relu"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, (6, 9, 8, 3))
        first = plan(images(1).astype(np.float32))
        kept = first.copy()
        second = plan(images(2).astype(np.float32))
        np.testing.assert_array_equal(first, kept)
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(plan.outputs[0], second)


@pytest.mark.parametrize("name", ["resnet20", "vgg_small"])
def test_built_in_models_answer_within_rounding(name):
    with backend.using("cpu"):
        model = models.create(name, (32, 32, 3), 10)
        unsettle(model)
        x = np.random.default_rng(1).standard_normal((8, 32, 32, 3)).astype(np.float32)
        wanted = answers(model, x)
        np.testing.assert_allclose(
            tv.compile(model, x.shape)(x), wanted, atol=2e-5 * np.abs(wanted).max(), rtol=0
        )


def test_calls_that_do_not_fit_the_plan():
    model = NETWORKS["conv relu"]()
    model.build((9, 8, 3), seed=3)
    x = images().astype(np.float32)
    plan = tv.compile(model)
    with pytest.raises(PlanError, match="has not run yet"):
        plan.outputs  # noqa: B018  # asking is the point
    with pytest.raises(PlanError, match="needs a loss"):
        plan.step(x, np.zeros(6, np.int64))
    plan(x)
    with pytest.raises(PlanError, match="train=True and no loss"):
        plan.backward(np.ones((6, 5), np.float32))
    train = tv.compile(model, train=True, loss=nn.CrossEntropy())
    with pytest.raises(PlanError, match=r"by plan\.step"):
        train(x)
    bare = tv.compile(model, train=True)
    bare(x)
    with pytest.raises(PlanError, match=r"dy has shape \(5, 5\), the output \(6, 5\)"):
        bare.backward(np.ones((5, 5), np.float32))


def test_forward_answers_alike_with_and_without_a_plan():
    with backend.using("cpu"):
        model = NETWORKS["dropout"]()
        model.build((9, 8, 3), seed=3)
        x = images().astype(np.float32)
        np.testing.assert_array_equal(Forward(model)(x), Forward(model, eager=True)(x))
        assert all(layer.training for layer in model.layers())
