"""ResNet-20 with weights that PyTorch trained: the proof that both compute the same network.

Weights: Yerlan Idelbayev's "Proper ResNet implementation for CIFAR10/CIFAR100 in PyTorch", stated
test error 8.27 %.
"""

import numpy as np
import pytest

import tinyvision as tv
from tinyvision.data.named.cifar import load_cifar10
from tinyvision.models import resnet20

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
BATCH_NORM = {"gamma": "weight", "beta": "bias"}


def from_pytorch(weights):
    """Convert PyTorch's names and layouts into the state of :func:`resnet20`."""
    state = {}

    def conv_and_norm(path, source, number):
        # (O, C, KH, KW) -> (KH, KW, C, O)
        w = weights[f"{source}conv{number}.weight"].transpose(2, 3, 1, 0)
        state[f"{path}conv{number}.w"] = w
        for own in ("gamma", "beta", "running_mean", "running_var"):
            other = weights[f"{source}bn{number}.{BATCH_NORM.get(own, own)}"]
            state[f"{path}norm{number}.{own}"] = other

    conv_and_norm("", "", 1)
    for stage in (1, 2, 3):
        for block in (1, 2, 3):
            for number in (1, 2):
                path = f"stage{stage}.block{block}.residual1.body."
                conv_and_norm(path, f"layer{stage}.{block - 1}.", number)
    state["dense1.w"] = weights["linear.weight"].T  # (O, I) -> (I, O)
    state["dense1.b"] = weights["linear.bias"]
    return state


def torch_logits(torch, weights, x, dtype):
    """The network in PyTorch's own functions, on its own layout and weights."""
    F = torch.nn.functional
    p = {name: torch.tensor(value, dtype=dtype) for name, value in weights.items()}

    def norm(name, x):
        statistics = p[f"{name}.running_mean"], p[f"{name}.running_var"]
        return F.batch_norm(x, *statistics, p[f"{name}.weight"], p[f"{name}.bias"])

    x = torch.tensor(x, dtype=dtype).permute(0, 3, 1, 2)  # (N, H, W, C) -> (N, C, H, W)
    x = F.relu(norm("bn1", F.conv2d(x, p["conv1.weight"], padding=1)))
    for stage in (1, 2, 3):
        for block in (0, 1, 2):
            at = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = F.conv2d(x, p[f"{at}.conv1.weight"], stride=stride, padding=1)
            y = F.relu(norm(f"{at}.bn1", y))
            y = norm(f"{at}.bn2", F.conv2d(y, p[f"{at}.conv2.weight"], padding=1))
            if stride == 2:
                quarter = y.shape[1] // 4
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter))
            x = F.relu(x + y)
    x = x.mean(dim=(2, 3))
    return F.linear(x, p["linear.weight"], p["linear.bias"]).numpy()


@pytest.fixture(scope="module")
def weights(data_root):
    path = data_root / "weights/resnet-cifar10/resnet20-12fca82f.npz"
    if not path.is_file():
        pytest.skip(f"no ResNet-20 weights at {path}")
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(scope="module")
def test_set(cifar10_folder):
    _, test = load_cifar10(cifar10_folder)
    return (test.images / np.float32(255) - MEAN) / STD, test.labels


@pytest.fixture
def model(weights):
    model = resnet20((32, 32, 3), 10)
    model.build((32, 32, 3))
    model.load_state(from_pytorch(weights))
    return model.eval()


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)], ids=["float64", "float32"]
)
def test_logits_agree_with_pytorch(model, weights, test_set, dtype, tolerance):
    torch = pytest.importorskip("torch")
    x = test_set[0][:6].astype(dtype)
    with tv.using("reference"), tv.no_grad():
        logits = model.astype(dtype)(x).numpy()
    expected = torch_logits(torch, weights, x, getattr(torch, dtype))
    np.testing.assert_allclose(logits, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_it_scores_91_7_percent_on_cifar10(model, test_set):
    images, labels = test_set
    right = 0
    with tv.no_grad():
        for start in range(0, len(images), 500):
            logits = model(images[start : start + 500]).numpy()
            right += int((logits.argmax(axis=1) == labels[start : start + 500]).sum())
    # PyTorch gets 9173 of 10,000 right; two images may sit on the fence of rounding
    assert abs(right - 9173) <= 2
