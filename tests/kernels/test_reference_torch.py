"""The reference kernels against PyTorch: values, and gradients under a random upstream gradient."""

from functools import partial

import numpy as np
import pytest

from tests.kernels.cases import cases, run
from tests.kernels.gradients import GRADIENTS, gradients
from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS

torch = pytest.importorskip("torch", reason="PyTorch, the independent witness, is not installed")
F = torch.nn.functional

TABLE = {name: partial(kernel, np) for name, kernel in reference.TABLE.items()}
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}

both_precisions = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def padded(x, pad, value=0.0):
    top, bottom, left, right = pad
    return F.pad(nchw(x), (left, right, top, bottom), value=value)


def conv2d(x, w, b, stride, pad, dilation, groups):
    weight = w.permute(3, 2, 0, 1)  # (KH, KW, C/G, O) -> (O, C/G, KH, KW)
    return nhwc(F.conv2d(padded(x, pad), weight, b, stride, 0, dilation, groups))


def max_pool2d(x, window, stride, pad):
    top, bottom, left, right = pad
    if top == bottom and left == right and 2 * top <= window[0] and 2 * left <= window[1]:
        return nhwc(F.max_pool2d(nchw(x), window, stride, (top, left)))
    return nhwc(F.max_pool2d(padded(x, pad, -torch.inf), window, stride))


def avg_pool2d(x, window, stride, pad):
    total = F.avg_pool2d(padded(x, pad), window, stride, divisor_override=1)
    real = F.avg_pool2d(padded(torch.ones_like(x), pad), window, stride, divisor_override=1)
    return nhwc(total / real)


def upsample2d(x, factor):
    return nhwc(F.interpolate(nchw(x), scale_factor=factor, mode="nearest"))


def pad_shortcut(x, stride, channels):
    return F.pad(x[:, :: stride[0], :: stride[1]], channels)


def softmax_cross_entropy(logits, labels, weights, smoothing):
    weights = None if weights is None else weights.detach()
    return F.cross_entropy(logits, labels, weights, label_smoothing=smoothing, reduction="none")


def batch_norm(x, gamma, beta, eps, momentum, running_mean=None, running_var=None):
    rows = x.reshape(-1, x.shape[-1])  # PyTorch's channels come second
    y = F.batch_norm(rows, running_mean, running_var, gamma, beta, True, momentum, eps)
    return y.reshape(x.shape)


def batch_norm_infer(x, gamma, beta, mean, var, eps):
    rows = x.reshape(-1, x.shape[-1])
    return F.batch_norm(rows, mean.detach(), var.detach(), gamma, beta, False, 0.0, eps).reshape(
        x.shape
    )


def relu_max_pool(z):
    return nhwc(F.max_pool2d(torch.relu(nchw(z)), 2))


FORWARD = {
    "conv2d": conv2d,
    "conv2d_relu": lambda *given: torch.relu(conv2d(*given)),
    "conv2d_relu_max_pool": lambda *given: relu_max_pool(conv2d(*given)),
    "dense": lambda x, w, b: F.linear(x, w.T, b),
    "dense_relu": lambda x, w, b: torch.relu(F.linear(x, w.T, b)),
    "add": lambda a, b: a + b,
    "add_relu": lambda a, b: torch.relu(a + b),
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "gelu": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": partial(torch.softmax, dim=1),
    "log_softmax": partial(torch.log_softmax, dim=1),
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "global_avg_pool2d": lambda x: x.mean(dim=(1, 2)),
    "upsample2d": upsample2d,
    "pad_shortcut": pad_shortcut,
    "softmax_cross_entropy": softmax_cross_entropy,
    "bce_with_logits": partial(F.binary_cross_entropy_with_logits, reduction="none"),
    "batch_norm": batch_norm,
    "batch_norm_infer": batch_norm_infer,
    "batch_norm_relu": lambda *given: torch.relu(batch_norm(*given)),
    "layer_norm": lambda x, gamma, beta, eps: F.layer_norm(x, x.shape[1:], gamma, beta, eps),
    "group_norm": lambda x, gamma, beta, groups, eps: nhwc(
        F.group_norm(nchw(x), groups, gamma, beta, eps)
    ),
}


def assert_close(what, actual, expected, dtype):
    expected = expected.detach().numpy()
    assert actual.dtype == dtype, f"{what} is {actual.dtype}"
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, finite.max(initial=0))
    bound = TOLERANCE[dtype] * scale
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound, err_msg=what)


def tensors(arrays):
    """As float64 tensors: the witness is exact even where the kernel computes in float32."""
    given = {}
    for name, array in arrays.items():
        given[name] = None if array is None else torch.tensor(array)
        if array is not None and array.dtype.kind == "f":
            given[name] = given[name].double().requires_grad_()
    return given


@both_precisions
@pytest.mark.parametrize("name", FORWARD)
def test_forward_and_gradients(name, dtype):
    rng = np.random.default_rng(0)
    for original in cases(name):
        case = original.astype(dtype)
        outputs = run(case, TABLE[name], dtype)
        given = tensors(case.inputs)
        y = FORWARD[name](*given.values(), *case.settings.values())
        assert_close(f"{name} [{case.id}]", next(iter(outputs.values())), y, dtype)

        if "NaN" in case.id:
            continue  # nobody defines the derivative at NaN: test_reference.py holds the contract
        dy = rng.standard_normal(y.shape).astype(dtype)
        found = gradients(case, outputs, dy, TABLE, dtype)
        owners = [given[owner] for owner in found]
        wanted = torch.autograd.grad(y, owners, torch.tensor(dy, dtype=torch.float64))
        for (owner, gradient), expected in zip(found.items(), wanted, strict=True):
            assert_close(f"{name} [{case.id}]: gradient of {owner}", gradient, expected, dtype)


@both_precisions
def test_batch_norm_remembers_the_statistics(dtype):
    for original in cases("batch_norm"):
        case = original.astype(dtype)
        outputs = run(case, TABLE["batch_norm"], dtype)
        given = {name: tensor.detach() for name, tensor in tensors(case.inputs).items()}
        running = {name: torch.tensor(array).double() for name, array in case.updates.items()}
        batch_norm(**given, **case.settings, **running)
        for name, expected in running.items():
            assert_close(f"{name} [{case.id}]", outputs[name], expected, dtype)


OPTIMISERS = {
    "sgd": ("sgd_step", torch.optim.SGD, {}),
    "sgd, momentum": ("sgd_step", torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    "sgd, nesterov": ("sgd_step", torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    "adam": ("adam_step", torch.optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-6}),
    "adam, decay": ("adam_step", torch.optim.Adam, {"weight_decay": 0.1}),
    "adamw": ("adam_step", torch.optim.AdamW, {"weight_decay": 0.1}),
    "rmsprop": ("rmsprop_step", torch.optim.RMSprop, {"alpha": 0.9}),
    "rmsprop, momentum": (
        "rmsprop_step",
        torch.optim.RMSprop,
        {"momentum": 0.9, "weight_decay": 0.1, "eps": 1e-6},
    ),
}


@both_precisions
@pytest.mark.parametrize("kernel, optimiser, options", OPTIMISERS.values(), ids=OPTIMISERS)
def test_five_steps_of_an_optimiser(kernel, optimiser, options, dtype):
    rng = np.random.default_rng(1)
    contract, scale = KERNELS[kernel], 0.5
    state = {name: np.zeros(33, dtype) for name in contract.updates}
    state["w"] = rng.standard_normal(33).astype(dtype)
    state["average"] = state["w"].copy()
    weights = torch.nn.Parameter(torch.tensor(state["w"]).double())
    peer = optimiser([weights], lr=0.1, **options)
    swa_utils, network = torch.optim.swa_utils, torch.nn.ParameterList([weights])
    mean = swa_utils.AveragedModel(network, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    mean.update_parameters(network)  # starts as a copy

    settings = dict(peer.defaults, scale=scale, decoupled=optimiser is torch.optim.AdamW)
    settings["average_decay"] = 0.9
    settings["beta1"], settings["beta2"] = settings.get("betas", (None, None))
    for step in range(1, 6):
        g = rng.standard_normal(33).astype(dtype)
        settings["step"] = step
        chosen = [settings[name] for name in contract.settings]
        TABLE[kernel](*state.values(), g, *chosen)
        weights.grad = scale * torch.tensor(g).double()
        peer.step()
        mean.update_parameters(network)
        assert_close(f"{kernel}, step {step}", state["w"], weights, dtype)
        assert_close(f"{kernel}, step {step}", state["average"], mean.module[0], dtype)


# Batch norm in two steps, which have a gradient together only: test_fused.py asks PyTorch for it.
TWO_STEPS = {
    *("conv2d_statistics", "batch_norm_statistics", "batch_norm_apply", "batch_norm_apply_relu"),
    *("batch_norm_apply_relu_max_pool", "batch_norm_relu_max_pool_grad"),
    *("batch_norm_apply_add_relu", "batch_norm_add_relu_grad", "batch_norm_infer_relu"),
}


def test_every_gradient_kernel_is_held_to_pytorch():
    backward = {name for names in GRADIENTS.values() for name in names}
    updates = {kernel for kernel, _, _ in OPTIMISERS.values()}
    # Random numbers and the one sum have no counterpart: test_reference.py holds them. What is
    # done to bytes has no gradient: test_augment.py, test_retouch.py and test_resize.py hold it.
    others = {"dropout", "random_bits", "random_bits_at", "sum_of_squares"}
    others |= {"narrow", "widen"}  # test_bfloat16.py
    others |= {name for name in KERNELS if name.endswith("_images")}
    assert set(FORWARD) | backward | updates | others == set(KERNELS) - TWO_STEPS
