"""Optimisers against PyTorch's, step by step, on every backend."""

from math import sqrt

import numpy as np
import pytest

import tinyvision as tv
from tests.ops.strict_backend import STRICT
from tests.optim.drawn_parameters import (
    SHAPES,
    every_optimizer,
    gradients,
    parameters,
    put_gradients,
)
from tinyvision import nn, optim
from tinyvision.schedules import Constant, Cosine, WarmUp

torch = pytest.importorskip("torch", reason="PyTorch, the independent witness, is not installed")

STEPS = 12
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}

both_precisions = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)


class Peer:
    """PyTorch's optimiser over the same parameters in float64, without decay where we spare it."""

    def __init__(self, optimizer, settings, chosen, lr, *, decay_all=False):
        self.parameters = [torch.tensor(p.numpy()).double().requires_grad_() for p in chosen]
        decay = settings.get("weight_decay", 0.01 if optimizer is optim.AdamW else 0.0)
        groups = [
            {"params": [t], "weight_decay": decay if p.decay or decay_all else 0.0}
            for t, p in zip(self.parameters, chosen, strict=True)
        ]
        others = {key: value for key, value in settings.items() if key != "weight_decay"}
        self.optimizer = getattr(torch.optim, optimizer.__name__)(groups, lr=lr, **others)

    def step(self, arrays, *, lr=None, clip_norm=None):
        """Make one step; return the norm of the gradient."""
        for t, array in zip(self.parameters, arrays, strict=True):
            t.grad = torch.tensor(array).double()
        limit = float("inf") if clip_norm is None else clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, limit)
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"] if lr is None else lr
        self.optimizer.step()
        return float(norm)


def assert_close(step, chosen, peer, dtype):
    for p, expected in zip(chosen, peer.parameters, strict=True):
        values, expected = p.numpy(), expected.detach().numpy()
        assert values.dtype == dtype
        largest = np.abs(expected).max()
        np.testing.assert_allclose(
            values,
            expected,
            rtol=TOLERANCE[dtype],
            atol=TOLERANCE[dtype] * largest,
            err_msg=f"{p.name}, step {step}",
        )


# --- the formulas ---------------------------------------------------------------------------------


@every_optimizer
@both_precisions
def test_steps_agree_with_pytorch(backend, optimizer, settings, dtype):
    chosen = parameters(dtype)
    peer = Peer(optimizer, settings, chosen, 0.05)
    ours = optimizer(chosen, 0.05, **settings)
    for step in range(STEPS):
        arrays = gradients(step, dtype)
        put_gradients(chosen, arrays)
        ours.step()
        peer.step(arrays)
        assert_close(step, chosen, peer, dtype)
    assert ours.step_count == STEPS


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_defaults_are_pytorchs_but_for_sgd(name):
    with tv.using("reference"):
        chosen = parameters()
        ours = getattr(optim, name)(chosen)
    theirs = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)]).defaults
    own = {"SGD": {"lr": 0.1, "momentum": 0.9}}.get(name, {})
    for key, expected in {**theirs, **own}.items():
        if hasattr(ours, key):
            assert getattr(ours, key) == expected, key
    assert ours.schedule == Constant(own.get("lr", theirs["lr"]))


@every_optimizer
def test_decay_all_reaches_biases_and_norms(optimizer, settings):
    settings = {**settings, "weight_decay": 0.2}
    with tv.using("reference"):
        chosen = parameters()
        peer = Peer(optimizer, settings, chosen, 0.05, decay_all=True)
        ours = optimizer(chosen, 0.05, decay_all=True, **settings)
        for step in range(3):
            put_gradients(chosen, gradients(step))
            ours.step()
            peer.step(gradients(step))
            assert_close(step, chosen, peer, np.float64)


def test_decay_moves_weights_and_leaves_biases_and_norms():
    with tv.using("reference"):
        model = nn.Sequential(nn.Conv2d(2), nn.BatchNorm2d(), nn.Flatten(), nn.Dense(3))
        model.build((5, 5, 1))
        before = model.state()
        optim.SGD(model, 0.1, momentum=0.0, weight_decay=0.5).step()  # all gradients are zero
    moved = {path for path, array in model.state().items() if (array != before[path]).any()}
    assert moved == {"conv1.w", "dense1.w"}
    np.testing.assert_allclose(model.state()["conv1.w"], before["conv1.w"] * 0.95, rtol=1e-6)


# --- clipping -------------------------------------------------------------------------------------


@both_precisions
def test_clipping_agrees_with_pytorch(backend, dtype):
    chosen = parameters(dtype)
    peer = Peer(optim.SGD, {"momentum": 0.9}, chosen, 0.05)
    ours = optim.SGD(chosen, 0.05, clip_norm=5.0)
    for step in range(STEPS):
        # Every other gradient is clipped, and so large that the 1e-6 that PyTorch adds to the norm
        # does not show; the others are small.
        arrays = [a * dtype(1e6 if step % 2 else 1e-2) for a in gradients(step, dtype)]
        put_gradients(chosen, arrays)
        ours.step()
        norm = peer.step(arrays, clip_norm=5.0)
        assert ours.last_norm == pytest.approx(norm, rel=1e-7 if dtype == np.float32 else 1e-12)
        assert_close(step, chosen, peer, dtype)


def test_the_norm_is_taken_over_all_parameters_before_clipping():
    with tv.using("reference"):
        a, b = nn.Parameter(np.zeros(1)), nn.Parameter(np.zeros(1), decay=False)
        ours = optim.SGD([a, b], 1.0, momentum=0.0, clip_norm=1.0)
        assert np.isnan(ours.last_norm)
        put_gradients([a, b], [[3.0], [4.0]])
        ours.step()
    assert ours.last_norm == 5.0
    assert [a.item(), b.item()] == pytest.approx([-0.6, -0.8], rel=1e-15)
    assert [a.grad.item(), b.grad.item()] == [3.0, 4.0]  # gradients stay as they were


def test_clipping_a_gradient_of_zeros_changes_nothing():
    with tv.using("reference"):
        chosen = parameters()
        before = [p.numpy().copy() for p in chosen]
        ours = optim.SGD(chosen, clip_norm=1.0)
        ours.step()
    assert ours.last_norm == 0.0
    assert all((p.numpy() == old).all() for p, old in zip(chosen, before, strict=True))


# --- schedules ------------------------------------------------------------------------------------


def test_a_schedule_sets_the_rate_of_every_step(backend):
    chosen = parameters()
    schedule = WarmUp(Cosine(0.2, 8), 3)
    peer = Peer(optim.Adam, {}, chosen, 1.0)
    ours = optim.Adam(chosen, schedule)
    for step in range(STEPS):
        put_gradients(chosen, gradients(step))
        ours.step()
        assert ours.last_lr == schedule(step)
        peer.step(gradients(step), lr=schedule(step))
        assert_close(step, chosen, peer, np.float64)


def test_a_numpy_rate_does_not_promote():
    with tv.using(STRICT):  # which refuses to compute float32 with a float64 of NumPy
        chosen = parameters(np.float32)
        ours = optim.SGD(chosen, lambda step: np.float64(0.1), weight_decay=np.float64(0.1))
        ours.step()
    assert type(ours.last_lr) is float


@pytest.mark.parametrize("rate", [float("nan"), -0.1, float("inf"), None, "0.1"])
def test_a_schedule_that_returns_no_rate_stops_before_anything_changes(rate):
    with tv.using("reference"):
        chosen = parameters()
        ours = optim.SGD(chosen, lambda step: 0.1 if step < 1 else rate)
        put_gradients(chosen, gradients(0))
        ours.step()
        before = [p.numpy().copy() for p in chosen]
        with pytest.raises(ValueError, match=r"SGD: a schedule must return .* for step 1$"):
            ours.step()
    assert ours.step_count == 1
    assert all((p.numpy() == old).all() for p, old in zip(chosen, before, strict=True))


# --- in the loop ----------------------------------------------------------------------------------


def test_a_network_trains_as_in_pytorch(backend):
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((16, 6)), rng.integers(0, 3, 16)
    model = nn.Sequential(nn.Dense(8), nn.ReLU(), nn.Dense(3))
    model.build((6,))
    model.astype(np.float64)
    weights = [torch.tensor(p.numpy()).requires_grad_() for p in model.parameters()]
    peer = torch.optim.SGD(weights, 0.1, 0.9)
    ours = optim.SGD(model, 0.1, momentum=0.9)
    for _ in range(STEPS):
        ours.zero_grad()
        loss = nn.CrossEntropy()(model(x), labels)
        loss.backward()
        ours.step()
        w1, b1, w2, b2 = weights
        logits = torch.relu(torch.tensor(x) @ w1 + b1) @ w2 + b2
        expected = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
        peer.zero_grad()
        expected.backward()
        peer.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    for p, expected in zip(model.parameters(), weights, strict=True):
        np.testing.assert_allclose(p.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_a_whole_number_and_single_elements_do():
    with tv.using("reference"):
        p = nn.Parameter(np.float64(2.0), name="scale")
        ours = optim.SGD([p], 1, momentum=0, clip_norm=100)
        p.grad[...] = 0.5
        ours.step()
    assert p.shape == SHAPES["scale"] and p.item() == 1.5
    assert ours.last_norm == sqrt(0.25)


# --- settings that make no sense ------------------------------------------------------------------

REFUSED = [
    (optim.SGD, {"lr": 0.0}, "SGD: lr must be a number above 0, got 0.0"),
    (optim.SGD, {"lr": "0.1"}, "SGD: lr must be a number above 0, got '0.1'"),
    (optim.SGD, {"lr": float("inf")}, "SGD: lr must be a number above 0, got inf"),
    (optim.SGD, {"momentum": 1.0}, "SGD: momentum must be a number in [0, 1), got 1.0"),
    (optim.SGD, {"momentum": None}, "SGD: momentum must be a number in [0, 1), got None"),
    (
        optim.SGD,
        {"weight_decay": -1e-4},
        "SGD: weight_decay must be a number of at least 0, got -0.0001",
    ),
    (
        optim.SGD,
        {"weight_decay": float("nan")},
        "SGD: weight_decay must be a number of at least 0, got nan",
    ),
    (optim.SGD, {"clip_norm": 0}, "SGD: clip_norm must be a number above 0, got 0"),
    (optim.Adam, {"betas": 0.9}, "Adam: betas must be two numbers, got 0.9"),
    (optim.Adam, {"betas": (0.9,)}, "Adam: betas must be two numbers, got (0.9,)"),
    (optim.Adam, {"betas": (0.9, 1)}, "Adam: betas[1] must be a number in [0, 1), got 1"),
    (optim.AdamW, {"betas": (-0.1, 0.9)}, "AdamW: betas[0] must be a number in [0, 1), got -0.1"),
    (optim.AdamW, {"eps": 0}, "AdamW: eps must be a number above 0, got 0"),
    (optim.RMSprop, {"alpha": 2}, "RMSprop: alpha must be a number in [0, 1), got 2"),
    (optim.RMSprop, {"eps": -1}, "RMSprop: eps must be a number above 0, got -1"),
    (optim.RMSprop, {"momentum": -1}, "RMSprop: momentum must be a number in [0, 1), got -1"),
]


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"), REFUSED, ids=lambda value: str(value)
)
def test_settings_that_make_no_sense_are_refused(optimizer, settings, message):
    chosen = parameters()
    before = [p.data for p in chosen]
    with pytest.raises(ValueError) as caught:
        optimizer(chosen, **settings)
    assert str(caught.value) == message
    assert all(p.data is old for p, old in zip(chosen, before, strict=True))


def test_an_optimizer_of_ones_own():
    class SignDescent(optim.Optimizer):
        """w -= lr * sign(g)."""

        def update(self, k, segment, lr, scale):
            segment.values[...] -= lr * k.xp.sign(segment.gradients)

    with tv.using("reference"):
        p = nn.Parameter(np.array([1.0, 2.0, 3.0]))
        ours = SignDescent([p], 0.5)
        p.grad[...] = [0.1, -7.0, 0.0]
        ours.step()
    assert p.numpy().tolist() == [0.5, 2.5, 3.0]
    assert ours.state().keys() == {"step_count"}
