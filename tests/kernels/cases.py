"""Random inputs for every kernel: one table that all tests of kernels draw from.

``cases("conv2d")`` lists what to call a kernel with; ``run`` calls any implementation of it. ::

    for case in cases("conv2d"):
        result = run(case, cpu.TABLE["conv2d"], np.float32)  # {"y": array}
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.kernels import geometries
from tests.kernels.augment_inputs import augment_cases
from tests.kernels.case import Case, dtypes, make, run
from tests.kernels.geometries import Conv, Pool
from tests.kernels.move_cases import shortcut_cases, upsample_cases
from tests.kernels.norm_inputs import around_norm, running_statistics, statistics
from tinyvision_kernels.contract import KERNELS

__all__ = ["Case", "cases", "conv_case", "dtypes", "make", "pool_case", "run"]


def cases(kernel: str, seed: int = 0) -> list[Case]:
    """All cases of a kernel; the numbers depend on the kernel's name and the seed alone."""
    rng = np.random.default_rng(zlib.crc32(kernel.encode()) + seed)
    return list(_MAKERS[kernel](kernel, rng))


# --- convolution and pooling: every geometry -----------------------------------------------------


def conv_case(kernel: str, geometry: Conv, rng: np.random.Generator, bias: bool = True) -> Case:
    """A case of conv2d, fused or not, conv2d_dx or conv2d_dw."""
    N, H, W, C = geometry.x
    O, window, groups = geometry.O, geometry.window, geometry.groups
    given = {
        "x": rng.standard_normal(geometry.x),
        "w": rng.standard_normal((*window, C // groups, O)),
        "b": rng.standard_normal(O) if bias else None,
        "dy": rng.standard_normal((N, *geometry.positions(), O)),
        "size": (H, W),
        "window": window,
        "stride": geometry.stride,
        "pad": geometry.pad,
        "dilation": geometry.dilation,
        "groups": groups,
    }
    if kernel == "conv2d_statistics":
        given |= running_statistics(O, rng)
    return make(kernel, geometry.id if bias else f"{geometry.id}, no bias", given)


def pool_case(kernel: str, geometry: Pool, rng: np.random.Generator) -> Case:
    """A case of any pooling with windows. Values repeat, so that windows have ties."""
    N, H, W, C = geometry.x
    pooled = (N, *geometry.positions(), C)
    given = {
        "x": rng.integers(-4, 4, geometry.x) / 3,
        "dy": rng.standard_normal(pooled),
        "argmax": _winners(geometry, rng) if kernel == "max_pool2d_dx" else None,
        "size": (H, W),
        "window": geometry.window,
        "stride": geometry.stride,
        "pad": geometry.pad,
    }
    return make(kernel, geometry.id, given)


def _winners(geometry: Pool, rng: np.random.Generator) -> np.ndarray:
    """For each window a random cell that is not padding."""
    (N, H, W, C), (KH, KW) = geometry.x, geometry.window
    OH, OW = geometry.positions()
    winners = np.empty((N, OH, OW, C), np.uint8)
    for i in range(OH):
        for j in range(OW):
            top, left = (
                i * geometry.stride[0] - geometry.pad[0],
                (j * geometry.stride[1] - geometry.pad[2]),
            )
            rows = range(max(0, -top), min(KH, H - top))
            columns = range(max(0, -left), min(KW, W - left))
            real = [r * KW + s for r in rows for s in columns]
            winners[:, i, j] = rng.choice(real, (N, C))
    return winners


def _conv(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for geometry in geometries.CONV:
        N, (OH, OW) = geometry.x[0], geometry.positions()
        if kernel == "conv2d_relu_max_pool" and min(OH, OW) < 2:
            continue  # no window of 2x2
        if kernel == "conv2d_statistics" and N * OH * OW == 1:
            continue  # no variance
        yield conv_case(kernel, geometry, rng)
    if "b" in KERNELS[kernel].inputs:
        yield conv_case(kernel, geometries.CONV[0], rng, bias=False)


def _pool(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for geometry in geometries.POOL:
        yield pool_case(kernel, geometry, rng)
    if kernel == "max_pool2d":
        padded = next(g for g in geometries.POOL if g.pad != (0, 0, 0, 0))
        case = pool_case(kernel, padded, rng)
        x = case.inputs["x"]
        holes = np.where(rng.random(x.shape) < 0.3, np.nan, x)
        floor = np.where(rng.random(x.shape) < 0.7, -np.inf, x)
        yield replace(case, id="NaN in some windows", inputs={"x": holes})
        yield replace(case, id="whole windows of -inf", inputs={"x": floor})


def _global_pool(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for N, H, W, C in [(1, 1, 1, 1), (2, 3, 5, 7), (3, 8, 8, 16), (1, 17, 9, 33)]:
        given = {
            "x": rng.standard_normal((N, H, W, C)),
            "dy": rng.standard_normal((N, C)),
            "size": (H, W),
        }
        yield make(kernel, f"{N}x{H}x{W}x{C}", given)


# --- dense, bias, activations, losses ------------------------------------------------------------


def _dense(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for N, I, O in [(1, 1, 1), (2, 3, 5), (7, 33, 17), (31, 64, 48), (5, 300, 10)]:
        for bias in (True, False) if "b" in KERNELS[kernel].inputs else (True,):
            given = {
                "x": rng.standard_normal((N, I)),
                "w": rng.standard_normal((I, O)),
                "b": rng.standard_normal(O) if bias else None,
                "dy": rng.standard_normal((N, O)),
            }
            yield make(kernel, f"{N}x{I}x{O}{'' if bias else ', no bias'}", given)


def _bias_grad(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for shape in [(1, 1), (2, 3, 4, 5), (5, 17), (3, 33, 31, 40)]:
        given = {"dy": rng.standard_normal(shape)}
        if kernel == "relu_bias_grad":
            given["y"] = np.maximum(rng.standard_normal(shape), 0)
        yield make(kernel, f"{shape}", given)


def _unpool(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for N, H, W, O in [(1, 2, 2, 1), (2, 6, 8, 5), (3, 7, 5, 17), (2, 27, 33, 40)]:
        pooled = (N, H // 2, W // 2, O)
        given = {
            "dy": rng.standard_normal(pooled),
            "argmax": rng.integers(0, 5, pooled).astype(np.uint8),  # 4: no cell
            "size": (H, W),
        }
        yield make(kernel, f"{N}x{H}x{W}x{O}", given)


def _elementwise(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    # Backward kernels take y where its formula needs it: any y that the activation can give.
    for shape in [(1,), (7,), (2, 3, 5, 1), (9, 31), (70_001,)]:
        x = 3 * rng.standard_normal(shape)
        yield _activation(kernel, f"{shape}", x, rng)
    yield _activation(kernel, "zeros", np.array([0.0, -0.0, 1.0, -1.0]), rng)
    yield _activation(kernel, "large", np.array([1e4, -1e4, 88.0, -88.0, 104.0, -104.0]), rng)
    yield _activation(kernel, "NaN", np.array([np.nan, 1.0, np.nan, -1.0, 0.5]), rng)


def _activation(kernel: str, case_id: str, x: np.ndarray, rng: np.random.Generator) -> Case:
    images = {
        "relu_dx": np.maximum(x, 0),
        "sigmoid_dx": 0.5 * (1 + np.tanh(x / 2)),
        "tanh_dx": np.tanh(x),
    }
    given = {
        "x": x,
        "residual": np.roll(x, 1),
        "y": images.get(kernel),
        "dy": rng.standard_normal(x.shape),
        "slope": 0.1,
        "stream": rng.integers(0, 2**32, 4, np.uint64),
        "rate": 0.4,
    }
    return make(kernel, case_id, given)


def _rows(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for M, K in [(1, 1), (1, 10), (7, 5), (33, 17), (4, 1000)]:
        yield _row_case(kernel, f"{M}x{K}", 3 * rng.standard_normal((M, K)), rng)
    yield _row_case(kernel, "large", 1e4 * rng.standard_normal((3, 4)), rng)
    holes = rng.standard_normal((4, 9))
    holes[1, 3] = holes[2, 0] = np.nan
    yield _row_case(kernel, "NaN in two rows", holes, rng)


def _row_case(kernel: str, case_id: str, x: np.ndarray, rng: np.random.Generator) -> Case:
    shifted = x - x.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    y = logs if kernel == "log_softmax_dx" else np.exp(logs)
    return make(kernel, case_id, {"x": x, "y": y, "dy": rng.standard_normal(x.shape)})


def _cross_entropy(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for M, K in [(1, 2), (7, 10), (33, 17), (4, 1000)]:
        for smoothing in (0.0, 0.2):
            for weighted in (False, True):
                case_id = f"{M}x{K}, smoothing {smoothing}{', weights' if weighted else ''}"
                logits = 3 * rng.standard_normal((M, K))
                weights = rng.random(K) + 0.1 if weighted else None
                yield _loss_case(kernel, case_id, logits, weights, smoothing, rng)
    holes = rng.standard_normal((4, 9))
    holes[1, 3] = np.nan
    yield _loss_case(kernel, "NaN in a row", holes, None, 0.0, rng)
    yield _loss_case(kernel, "large", 1e4 * rng.standard_normal((3, 4)), None, 0.1, rng)


def _loss_case(
    kernel: str,
    case_id: str,
    logits: np.ndarray,
    weights: np.ndarray | None,
    smoothing: float,
    rng: np.random.Generator,
) -> Case:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    given = {
        "logits": logits,
        "probs": powers / powers.sum(axis=1, keepdims=True),
        "labels": rng.integers(0, logits.shape[1], len(logits)),
        "dlosses": rng.standard_normal(len(logits)),
        "weights": weights,
        "smoothing": smoothing,
    }
    return make(kernel, case_id, given)


def _bce(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for shape in [(1,), (7,), (5, 3), (40_001,)]:
        given = {
            "logits": 3 * rng.standard_normal(shape),
            "targets": rng.random(shape),
            "dlosses": rng.standard_normal(shape),
        }
        yield make(kernel, f"{shape}", given)
    given = {
        "logits": np.array([1e4, -1e4, 100.0, -100.0, np.nan, 0.0]),
        "targets": np.array([0.0, 1.0, 1.0, 0.0, 0.5, 1.0]),
        "dlosses": rng.standard_normal(6),
    }
    yield make(kernel, "large and NaN", given)


# --- normalisation -------------------------------------------------------------------------------


def _norm(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    shapes: list[tuple[int, ...]]
    if kernel.startswith("layer"):
        shapes = [(1, 2), (5, 3), (7, 33), (4, 500)]
    elif kernel.startswith("group"):
        shapes = [(1, 1, 2, 1), (2, 3, 4, 6), (3, 5, 7, 33), (2, 9, 8, 48), (2, 33, 31, 18)]
    else:
        shapes = [(2, 1), (7, 5), (2, 3, 4, 6), (3, 5, 7, 33), (4, 33, 31, 17)]
    for shape in shapes:
        C = shape[-1]
        if "max_pool" in kernel and (len(shape) < 4 or min(shape[1:3]) < 2):
            continue
        for groups in [1] if not kernel.startswith("group") or C == 1 else [1, 3]:
            # Far from zero mean and unit variance, and each channel elsewhere.
            x = 5 * rng.standard_normal(C) + rng.standard_normal(shape) * (rng.random(C) + 0.5)
            mean, inv_std = statistics(kernel, x, groups)
            given = {
                "x": x,
                "dy": rng.standard_normal(shape),
                "gamma": rng.standard_normal(C),
                "beta": rng.standard_normal(C),
                "mean": mean,
                "inv_std": inv_std,
                "var": rng.random(C) + 0.1,
                "groups": groups,
                **running_statistics(C, rng),
            }
            if kernel in _FUSED_NORM:
                given |= around_norm(kernel, shape, rng)
            yield make(kernel, f"{shape}" + (f", {groups} groups" if groups > 1 else ""), given)


# --- updates and random numbers ------------------------------------------------------------------


def _update(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    variants: list[dict[str, Any]] = [
        {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "decoupled": False, "step": 1},
        {"momentum": 0.9, "nesterov": False, "weight_decay": 0.1, "decoupled": False, "step": 2},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "decoupled": True, "step": 1000},
    ]
    common = {"lr": 0.05, "beta1": 0.9, "beta2": 0.99, "alpha": 0.95, "eps": 1e-8}
    for size in (1, 7, 1000, 70_001):
        for number, variant in enumerate(variants):
            given = {name: rng.standard_normal(size) for name in ("w", "velocity", "g", "m")}
            given |= {"v": rng.random(size), "square": rng.random(size)}
            given |= {"average": rng.standard_normal(size) if number else None}
            given |= {"scale": 0.5 if number else 1.0, "average_decay": 0.9}
            yield make(kernel, f"{size}, {number}", {**given, **common, **variant})


def _sum_of_squares(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for size in (1, 7, 1000, 70_001):
        yield make(kernel, f"{size}", {"g": rng.standard_normal(size)})


def _random_bits(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for count in (1, 3, 4, 5, 1000, 70_001):
        given = {"count": count, "seed": 2**63 + count, "purpose": 2**32 - 1, "step": count}
        yield make(kernel, f"{count}", given)


def _random_bits_at(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for count in (1, 5, 300):
        given = {"places": rng.integers(0, 2**62, count), "seed": 2**63 + count}
        yield make(kernel, f"{count}", {**given, "purpose": 2**32 - 1, "step": count})


def _resize(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    # smaller, larger, as it is; all of an image, parts of it, and less than a pixel
    for N, H, W, C, height, width in [
        *((1, 1, 1, 1, 3, 2), (2, 5, 7, 3, 5, 7), (3, 9, 4, 1, 2, 7), (1, 40, 30, 3, 16, 16)),
        *((5, 13, 17, 2, 6, 40), (1, 100, 3, 3, 1, 1)),
    ]:
        boxes = np.sort(rng.random((N, 2, 2)), axis=2) * [[H], [W]]
        boxes[0] = [[0, H], [0, W]]
        given = {"images": rng.integers(0, 256, (N, H, W, C), np.uint8)}
        given |= {"boxes": boxes.reshape(N, 4), "height": height, "width": width}
        yield make(kernel, f"{N}x{H}x{W}x{C} to {height}x{width}", given)


_CONV = (
    *("conv2d", "conv2d_dx", "conv2d_dw"),
    *("conv2d_relu", "conv2d_relu_max_pool", "conv2d_statistics"),
)
_POOL = ("max_pool2d", "max_pool2d_dx", "avg_pool2d", "avg_pool2d_dx")
_NORM = ("batch_norm", "batch_norm_infer", "layer_norm", "group_norm")
_FUSED_NORM = (
    *("batch_norm_statistics", "batch_norm_apply", "batch_norm_apply_relu"),
    *("batch_norm_apply_relu_max_pool", "batch_norm_apply_add_relu"),
    *("batch_norm_relu", "batch_norm_infer_relu"),
    *("batch_norm_relu_grad", "batch_norm_relu_max_pool_grad", "batch_norm_add_relu_grad"),
)
_ELEMENTWISE = ("relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh")
_WITH_GRADIENT: dict[str, Callable[[str, np.random.Generator], Iterator[Case]]] = {
    "global_avg_pool2d": _global_pool,
    "upsample2d": upsample_cases,
    "pad_shortcut": shortcut_cases,
    "softmax": _rows,
    "log_softmax": _rows,
    "softmax_cross_entropy": _cross_entropy,
    "bce_with_logits": _bce,
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
}
_MAKERS: dict[str, Callable[[str, np.random.Generator], Iterator[Case]]] = {
    **dict.fromkeys(_CONV, _conv),
    **dict.fromkeys(_POOL, _pool),
    **dict.fromkeys((*_NORM, *_FUSED_NORM), _norm),
    **{f"{name}_grad": _norm for name in _NORM},
    **_WITH_GRADIENT,
    **{f"{name}_dx": maker for name, maker in _WITH_GRADIENT.items()},
    **dict.fromkeys(("dense", "dense_relu", "dense_dx", "dense_dw"), _dense),
    **dict.fromkeys(("sgd_step", "adam_step", "rmsprop_step"), _update),
    **dict.fromkeys(("bias_grad", "relu_bias_grad"), _bias_grad),
    "relu_max_pool_bias_grad": _unpool,
    **dict.fromkeys(("dropout", "add", "add_relu", "narrow", "widen"), _elementwise),
    "sum_of_squares": _sum_of_squares,
    "random_bits": _random_bits,
    "random_bits_at": _random_bits_at,
    "resize_images": _resize,
    **dict.fromkeys(("crop_images", "warp_images", "mix_images"), augment_cases),
    **dict.fromkeys(("blur_images", "noise_images"), augment_cases),
    **dict.fromkeys(("retone_images", "sharpen_images"), augment_cases),
}
