"""The layers that behave differently in training and inference."""

import numpy as np
import pytest

import tinyvision as tv
from tests.nn.drawn import built, leaf, numbers
from tinyvision import nn, random
from tinyvision.errors import ShapeError


def test_running_statistics_and_inference_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    layer = built(nn.BatchNorm2d(momentum=0.2, eps=1e-3), (4, 3, 5, 2))
    twin = torch.nn.BatchNorm2d(2, momentum=0.2, eps=1e-3, dtype=torch.float64)
    with torch.no_grad():
        for own, other in (
            (layer.gamma, twin.weight),
            (layer.beta, twin.bias),
            (layer.running_mean, twin.running_mean),
            (layer.running_var, twin.running_var),
        ):
            other.copy_(torch.tensor(own.numpy()))
    for step in range(3):
        x = 3 * numbers((4, 3, 5, 2), step) + 1
        twin_y = twin(torch.tensor(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        np.testing.assert_allclose(layer(x).numpy(), twin_y.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(layer.running_mean.numpy(), twin.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), twin.running_var.numpy(), rtol=1e-12)

    layer.eval(), twin.eval()
    x, dy = numbers((4, 3, 5, 2), 9), numbers((4, 3, 5, 2), 10)
    leaf = tv.Tensor(x, requires_grad=True)
    twin_leaf = torch.tensor(x, requires_grad=True)
    y = layer(leaf)
    twin_y = twin(twin_leaf.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    np.testing.assert_allclose(y.numpy(), twin_y.detach().numpy(), rtol=1e-10)
    y.backward(dy)
    twin.zero_grad()
    twin_y.backward(torch.tensor(dy))
    np.testing.assert_allclose(leaf.grad, twin_leaf.grad.numpy(), rtol=1e-10)
    np.testing.assert_allclose(layer.gamma.grad, twin.weight.grad.numpy(), rtol=1e-10)
    np.testing.assert_allclose(layer.beta.grad, twin.bias.grad.numpy(), rtol=1e-10)


def test_gradients_in_inference_agree_with_finite_differences():
    layer = built(nn.BatchNorm2d(), (2, 3, 3, 2)).eval()
    x = leaf((2, 3, 3, 2), 0)
    report = tv.gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()])
    assert report.error < 1e-6 and len(report.inputs) == 3


def test_building_leaves_running_statistics_alone():
    model = nn.Sequential(nn.Conv2d(3), nn.BatchNorm2d())
    model.build((5, 5, 1))
    assert model.training and model["norm1"].training
    assert model["norm1"].running_var.numpy().tolist() == [1.0, 1.0, 1.0]


def test_one_value_a_channel_has_no_variance():
    layer = built(nn.Sequential(nn.BatchNorm2d()), (4, 1, 1, 2))
    with pytest.raises(ShapeError, match=r"BatchNorm2d 'norm1': one value a channel has no vari"):
        layer(numbers((1, 1, 1, 2), 0))
    assert layer.eval()(numbers((1, 1, 1, 2), 0)).shape == (1, 1, 1, 2)


def test_dropout_drops_its_rate_and_keeps_the_mean():
    layer = nn.Dropout(0.3)
    x = tv.Tensor(np.abs(numbers((1000, 100), 0, np.float32)) + 1, requires_grad=True)
    y = layer(x)
    kept = y.numpy() != 0
    # 100,000 coins of p = 0.7: the standard deviation of their share is 0.00145
    assert abs(kept.mean() - 0.7) < 4 * 0.00145
    np.testing.assert_allclose(y.numpy()[kept], x.numpy()[kept] / 0.7, rtol=1e-6)
    dy = numbers((1000, 100), 1, np.float32)
    y.backward(dy)
    np.testing.assert_allclose(x.grad, np.where(kept, dy / 0.7, 0), rtol=1e-6)


def test_dropout_draws_anew_each_time_and_repeats_by_seed():
    layer, x = nn.Dropout(0.5), np.ones((8, 64), np.float32)
    state = random.state()
    try:
        tv.seed(1)
        first, second = layer(x).numpy(), layer(x).numpy()
        tv.seed(1)
        again = layer(x).numpy()
    finally:
        random.restore(state)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again)
    assert np.array_equal(layer.eval()(x).numpy(), x)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_a_rate_outside_0_1_is_refused(rate):
    with pytest.raises(ValueError, match=r"Dropout: rate must lie in \[0, 1\), got"):
        nn.Dropout(rate)
