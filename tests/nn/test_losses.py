"""Losses against PyTorch and closed forms, gradients against finite differences."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

import tinyvision as tv
from tests.nn.drawn import leaf, numbers
from tinyvision import nn
from tinyvision.errors import ModelFileError, ShapeError

N, K = 6, 4
LABELS = np.array([0, 3, 2, 1, 1, 3])
FACTORS = (0.5, 2.0, 1.0, 3.0)
SHARES = np.random.default_rng(5).dirichlet(np.ones(K), N)


def torch_focal(torch, x, labels, gamma, alpha):
    surprise = torch.nn.functional.cross_entropy(x, labels, reduction="none")
    losses = (1 - torch.exp(-surprise)) ** gamma * surprise
    return (losses * torch.tensor(alpha, dtype=x.dtype)[labels]).mean() if alpha else losses.mean()


ROWS = {
    "cross-entropy": (
        nn.CrossEntropy(),
        LABELS,
        lambda t, x, y: t.nn.CrossEntropyLoss()(x, y),
    ),
    "cross-entropy smoothed": (
        nn.CrossEntropy(smoothing=0.1),
        LABELS,
        lambda t, x, y: t.nn.CrossEntropyLoss(label_smoothing=0.1)(x, y),
    ),
    "cross-entropy weighted": (
        nn.CrossEntropy(0.2, FACTORS),
        LABELS,
        lambda t, x, y: t.nn.CrossEntropyLoss(
            label_smoothing=0.2, weight=t.tensor(FACTORS, dtype=x.dtype)
        )(x, y),
    ),
    "cross-entropy of shares": (
        nn.CrossEntropy(),
        SHARES,
        lambda t, x, y: t.nn.CrossEntropyLoss()(x, y),
    ),
    "cross-entropy of shares smoothed": (
        nn.CrossEntropy(smoothing=0.3),
        SHARES,
        lambda t, x, y: t.nn.CrossEntropyLoss(label_smoothing=0.3)(x, y),
    ),
    "cross-entropy of shares weighted": (
        nn.CrossEntropy(0.2, FACTORS),
        SHARES,
        # PyTorch divides by the number of images, we by the sum of the weights, as for labels
        lambda t, x, y: (
            t.nn.CrossEntropyLoss(label_smoothing=0.2, weight=t.tensor(FACTORS, dtype=x.dtype))(
                x, y
            )
            * (N / (y * t.tensor(FACTORS, dtype=x.dtype)).sum())
        ),
    ),
    "bce": (
        nn.BCEWithLogits(),
        np.random.default_rng(3).random((N, K)),
        lambda t, x, y: t.nn.BCEWithLogitsLoss()(x, y),
    ),
    "bce of whole numbers": (
        nn.BCEWithLogits(),
        np.random.default_rng(3).integers(0, 2, (N, K)),
        lambda t, x, y: t.nn.BCEWithLogitsLoss()(x, y.to(x.dtype)),
    ),
    "mse": (nn.MSE(), numbers((N, K), 4), lambda t, x, y: t.nn.MSELoss()(x, y)),
    "huber": (
        nn.Huber(delta=0.7),
        numbers((N, K), 4),
        lambda t, x, y: t.nn.HuberLoss(delta=0.7)(x, y),
    ),
    "focal": (nn.Focal(), LABELS, lambda t, x, y: torch_focal(t, x, y, 2.0, None)),
    "focal weighted": (
        nn.Focal(1.5, FACTORS),
        LABELS,
        lambda t, x, y: torch_focal(t, x, y, 1.5, FACTORS),
    ),
    "focal without focus": (
        nn.Focal(0),
        LABELS,
        lambda t, x, y: t.nn.CrossEntropyLoss()(x, y),
    ),
}
EACH_ROW = pytest.mark.parametrize(("loss", "targets", "twin"), ROWS.values(), ids=ROWS)


def test_every_loss_has_a_row():
    own = {
        name for name, cls in nn.losses.LOSSES.items() if cls.__module__.startswith("tinyvision.")
    }
    assert {loss.name for loss, _, _ in ROWS.values()} == own


@EACH_ROW
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_value_and_gradient_agree_with_pytorch(loss, targets, twin, dtype):
    torch = pytest.importorskip("torch")
    tolerance = {"rtol": 1e-10} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-6}
    if targets.dtype.kind == "f":
        targets = targets.astype(dtype)
    x = leaf((N, K), 1, dtype)
    twin_x = torch.tensor(x.numpy(), requires_grad=True)
    value = loss(x, targets)
    twin_value = twin(torch, twin_x, torch.tensor(targets))
    assert value.shape == () and value.dtype == dtype
    np.testing.assert_allclose(value.item(), twin_value.item(), **tolerance)
    (value * 0.3).backward()
    (twin_value * 0.3).backward()
    np.testing.assert_allclose(x.grad, twin_x.grad.numpy(), **tolerance)


@EACH_ROW
def test_gradient_agrees_with_finite_differences(loss, targets, twin):
    tv.gradcheck(lambda x: loss(x, targets), [leaf((N, K), 1)], rtol=1e-6)


@EACH_ROW
def test_the_training_record_can_keep_it(loss, targets, twin):
    data = json.loads(json.dumps(loss.to_data()))
    assert nn.Loss.from_data(data) == loss


def test_losses_as_data():
    assert nn.CrossEntropy().to_data() == {"loss": "CrossEntropy"}
    assert nn.Focal(1.5, (1, 2)).to_data() == {"loss": "Focal", "gamma": 1.5, "alpha": [1.0, 2.0]}
    with pytest.raises(
        ModelFileError, match=r"no loss 'CrossEntropi' \(did you mean 'CrossEntropy'"
    ):
        nn.Loss.from_data({"loss": "CrossEntropi"})
    with pytest.raises(ModelFileError, match="loss 'Huber' refuses its settings"):
        nn.Loss.from_data({"loss": "Huber", "delta": -1})


def test_closed_forms():
    x = tv.Tensor(np.zeros((2, 4)))
    # four equal scores: the surprise is log 4 nats, and a quarter is the probability
    assert nn.CrossEntropy()(x, [0, 3]).item() == pytest.approx(np.log(4))
    assert nn.Focal(2.0)(x, [0, 3]).item() == pytest.approx(0.75**2 * np.log(4))
    assert nn.BCEWithLogits()(x, np.ones((2, 4))).item() == pytest.approx(np.log(2))
    assert nn.MSE()(x, np.full((2, 4), 3.0)).item() == 9
    assert nn.Huber(2.0)(x, np.full((2, 4), 3.0)).item() == 2 * (3 - 1)


def test_certainty_gives_no_infinite_slope():
    # p rounds to exactly 1; d(1 - p)^gamma would be 0^(gamma - 1)
    x = tv.Tensor(np.array([[200.0, 0.0]], np.float32), requires_grad=True)
    for gamma in (0.5, 1.0, 2.0):
        x.zero_grad()
        nn.Focal(gamma)(x, [0]).backward()
        assert np.isfinite(x.grad).all()


@pytest.mark.parametrize("loss", [nn.MSE(), nn.Huber(), nn.BCEWithLogits()], ids=lambda v: v.name)
def test_shapes_are_not_broadcast(loss):
    message = rf"{loss.name}: outputs are \(6, 1\), targets \(6,\): they must agree"
    with pytest.raises(ShapeError, match=message):
        loss(leaf((6, 1), 0), numbers((6,), 0))


@pytest.mark.parametrize("loss", [nn.CrossEntropy(), nn.Focal()], ids=lambda v: v.name)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4, 0], [0, -1, 0, 0, 0, 0]])
def test_a_label_outside_the_classes_is_named(loss, labels):
    with pytest.raises((ValueError, IndexError), match=r"4|-1"):
        loss(leaf((N, K), 0), np.array(labels))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.CrossEntropy(smoothing=1.5), "smoothing must lie in"),
        (lambda: nn.CrossEntropy(weights=(1, -1)), "weights must be 0 or more"),
        (lambda: nn.Huber(0), "delta must be above 0"),
        (lambda: nn.Focal(-1), "gamma must be 0 or more"),
        (lambda: nn.Focal(alpha=(1, -1)), "Focal: alpha must be 0 or more"),
        (lambda: nn.CrossEntropy(weights=(1, float("nan"))), "weights must be 0 or more"),
        (lambda: nn.CrossEntropy(smoothing="much"), "smoothing must lie in"),
    ],
)
def test_settings_that_cannot_work_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("loss", [nn.Focal(alpha=(1, 2)), nn.CrossEntropy(weights=(1, 2))])
def test_factors_for_another_number_of_classes_are_refused(loss):
    with pytest.raises(ShapeError, match=rf"{loss.name}: \w+ must be \({K},\), not \(2,\)"):
        loss(leaf((N, K), 0), np.zeros(N, int))


@dataclass(frozen=True)
class LogCosh(nn.Loss):
    """The example of nn/losses.py."""

    scale: float = 1.0

    def forward(self, outputs, targets):
        d = (outputs - targets) * self.scale
        return ((d.exp() + (-d).exp()) / 2).log().mean()


def test_a_loss_of_ones_own():
    loss, targets = LogCosh(scale=2.0), numbers((N, K), 4)
    x = leaf((N, K), 1)
    value = loss(x, targets)
    assert value.item() == pytest.approx(np.log(np.cosh(2 * (x.numpy() - targets))).mean())
    value.backward()
    np.testing.assert_allclose(x.grad, 2 * np.tanh(2 * (x.numpy() - targets)) / (N * K))
    assert nn.Loss.from_data(json.loads(json.dumps(loss.to_data()))) == loss
