"""A plan learns what eager learns, bit for bit."""

import threading

import numpy as np
import pytest

import tinyvision as tv
from tests.plan.learning import assert_same, learn
from tests.plan.networks import NETWORKS, TwoOutputs, images, labels
from tinyvision import backend, models, nn, optim, random
from tinyvision.tensor import Tensor

# networks with a pooling that is fused with what stands before it
POOLED = ("conv relu pool", "batch norm")
BATCHES = [(images(i), labels(i)) for i in range(3)]


@pytest.mark.parametrize("on", ["reference", "cpu"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_the_same(name, on):
    eager = learn(NETWORKS[name], BATCHES, plan=False, on=on)
    assert np.ptp(eager.losses) > 1e-3  # it does learn
    planned = learn(NETWORKS[name], BATCHES, plan=True, on=on)
    assert_same(planned, eager, sums_reordered=on == "cpu" and name in POOLED)


@pytest.mark.parametrize("name", ["batch norm", "residual", "dropout", "own weights"])
def test_in_float64(name):
    eager = learn(NETWORKS[name], BATCHES, plan=False, dtype=np.float64, on="cpu")
    assert eager.gradients[0].dtype == np.float64
    planned = learn(NETWORKS[name], BATCHES, plan=True, dtype=np.float64, on="cpu")
    assert_same(planned, eager, sums_reordered=name in POOLED)


@pytest.mark.parametrize("name", models.names())
def test_the_built_in_models_learn_the_same(name):
    shape = (32, 32, 3) if name in ("vgg_small", "resnet20") else (28, 28, 1)
    rng = np.random.default_rng(5)
    batches = [(rng.standard_normal((n, *shape)), rng.integers(0, 10, n)) for n in (12, 12, 5)]

    def make() -> nn.Layer:
        return models.create(name, shape, 10)

    if name in ("mlp", "resnet20"):
        eager = learn(make, batches, plan=False, on="cpu")
        assert_same(learn(make, batches, plan=True, on="cpu"), eager)
    else:  # one step, as what differs in the last digit soon bends another ReLU
        eager = learn(make, batches[:1], plan=False, on="cpu")
        assert_same(learn(make, batches[:1], plan=True, on="cpu"), eager, sums_reordered=True)
    planned = learn(make, batches, plan=True, on="cpu")
    assert_same(learn(make, batches, plan=True, on="cpu", native=False), planned)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (nn.CrossEntropy(smoothing=0.1), labels()),
        (nn.CrossEntropy(weights=(1.0, 2.0, 0.5, 1.5, 3.0)), labels()),
        (nn.CrossEntropy(0.1), np.random.default_rng(4).dirichlet(np.ones(5), 6)),
        (nn.BCEWithLogits(), np.random.default_rng(4).integers(0, 2, (6, 5))),
        (nn.MSE(), np.random.default_rng(4).standard_normal((6, 5))),
        (nn.Huber(), np.random.default_rng(4).standard_normal((6, 5)).astype(np.float32)),
        (nn.Focal(gamma=1.5), labels()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Loss) else "",
)
def test_every_loss(loss, targets):
    batches = [(images(i), targets) for i in range(2)]
    eager = learn(NETWORKS["residual"], batches, plan=False, loss=loss, on="cpu")
    assert_same(learn(NETWORKS["residual"], batches, plan=True, loss=loss, on="cpu"), eager)


def test_short_batches_and_other_sizes_come_as_they_like():
    def make() -> nn.Layer:
        return nn.Sequential(nn.Conv2d(4, 3), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Dense(5))

    batches = [
        *((images(i, n), labels(i, n)) for i, n in enumerate((6, 6, 2, 6, 2, 1, 7, 2, 6))),
        (np.random.default_rng(8).standard_normal((3, 12, 7, 3)), labels(9, 3)),
        (images(10), labels(10)),
    ]
    eager = learn(make, batches, plan=False, on="cpu")
    assert_same(learn(make, batches, plan=True, on="cpu"), eager)


def test_backward_without_a_loss():
    with backend.using("cpu"):
        model = NETWORKS["residual"]()
        model.build((9, 8, 3), seed=1)
        x = Tensor(images().astype(np.float32))
        dy = np.random.default_rng(3).standard_normal((6, 5)).astype(np.float32)
        y = model(x)
        y.backward(dy)
        wanted = {name: p.grad.copy() for name, p in model.named_parameters()}
        model.zero_grad()
        plan = tv.compile(model, (6, 9, 8, 3), train=True)
        np.testing.assert_array_equal(plan(x), y.numpy())
        plan.backward(dy)
        for name, p in model.named_parameters():
            np.testing.assert_array_equal(p.grad, wanted[name], err_msg=name)
        plan.backward(2 * dy)  # gradients are replaced, not added to
        np.testing.assert_array_equal(model.parameters()[-1].grad, 2 * wanted[list(wanted)[-1]])


def test_a_loss_that_is_the_output_is_its_mean():
    with backend.using("reference"):
        model = NETWORKS["conv relu"]()
        model.build((9, 8, 3), seed=3)
        criterion = nn.CrossEntropy()
        x, y = images().astype(np.float32), labels()
        plan = tv.compile(lambda x, y: criterion(model(x), y), train=True)
        wanted = criterion(model(Tensor(x)), y)
        wanted.backward()
        gradients = [p.grad.copy() for p in model.parameters()]
        assert plan(x, y).shape == ()
        assert plan(x, y) == wanted.item()
        plan.backward(np.ones((), np.float32))
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            np.testing.assert_array_equal(p.grad, gradient)


def test_several_inputs_and_outputs():
    with backend.using("cpu"):
        function = TwoOutputs()
        a, b = (images(i).astype(np.float32) for i in (1, 2))
        targets = labels()

        def loss(left: Tensor, right: Tensor, labels: Tensor) -> Tensor:
            return nn.CrossEntropy()(left, labels) + (right * right).mean()

        outputs = function(Tensor(a), Tensor(b))
        value = loss(*outputs, Tensor(targets))
        value.backward()
        wanted = [p.grad.copy() for p in function.body.parameters()]
        function.body.zero_grad()
        plan = tv.compile(function, train=True, loss=loss)
        assert plan.step(a, b, targets) == value.item()
        for got, right in zip(plan.outputs, outputs, strict=True):
            np.testing.assert_array_equal(got, right.numpy())
        for p, grad in zip(function.body.parameters(), wanted, strict=True):
            np.testing.assert_array_equal(p.grad, grad)


def test_frozen_layers_stay_as_they_are():
    def make() -> nn.Layer:
        model = NETWORKS["batch norm"]()
        model.build((9, 8, 3), seed=3)
        model[:3].freeze()
        return model

    eager = learn(make, BATCHES, plan=False, on="cpu")
    assert_same(learn(make, BATCHES, plan=True, on="cpu"), eager)


def test_a_new_optimiser_moves_weights_and_the_plan_follows():
    with backend.using("cpu"):
        model = NETWORKS["conv relu"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, train=True, loss=nn.CrossEntropy())
        x, y = images().astype(np.float32), labels()
        first = plan.step(x, y)
        before = [p.grad.copy() for p in model.parameters()]
        optimizer = optim.SGD(model, lr=0.1)  # into memory of its own
        assert plan.step(x, y) == first
        for p, grad in zip(model.parameters(), before, strict=True):
            np.testing.assert_array_equal(p.grad, grad)
        optimizer.step()
        assert plan.step(x, y) < first


def test_wrong_labels_are_refused():
    with backend.using("cpu"):
        model = NETWORKS["conv relu"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, (6, 9, 8, 3), train=True, loss=nn.CrossEntropy())
        x = images().astype(np.float32)
        with pytest.raises(ValueError, match="label 5 is none of the K=5 classes"):
            plan.step(x, np.array([0, 1, 2, 3, 4, 5]))
        with pytest.raises(tv.errors.ShapeError, match="one class number each"):
            plan.step(x, labels(0, 5))
        with pytest.raises(TypeError, match="float64"):
            plan.step(images(), labels())


def test_dropout_draws_anew_and_as_eager_would():
    with backend.using("cpu"):
        model = NETWORKS["dropout"]()
        model.build((9, 8, 3), seed=3)
        x, y = images().astype(np.float32), labels()
        plan = tv.compile(model, (6, 9, 8, 3), train=True, loss=nn.CrossEntropy())
        random.seed(11)
        got = [plan.step(x, y) for _ in range(3)]
        assert random.state() == (11, 6)  # two a step
        random.seed(11)
        assert got == [nn.CrossEntropy()(model(Tensor(x)), y).item() for _ in range(3)]
        assert len(set(got)) == 3
        random.seed(2**40 + 3)
        wide = plan.step(x, y)
        random.seed(2**40 + 3)
        assert wide == nn.CrossEntropy()(model(Tensor(x)), y).item()


def test_threads_take_turns():
    with backend.using("cpu"):
        model = NETWORKS["batch norm"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, (6, 9, 8, 3))
        inputs = [images(i).astype(np.float32) for i in range(4)]
        wanted = [plan(x) for x in inputs]
        wrong: list[int] = []

        def run(i: int) -> None:
            for _ in range(50):
                if not np.array_equal(plan(inputs[i]), wanted[i]):
                    wrong.append(i)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
