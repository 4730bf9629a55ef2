"""A batch of no images is a legal input: outputs have no rows, sums over the batch are zero."""

from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS

NO_PAD, STEP = (0, 0, 0, 0), (1, 1)


def empty(*shape: int) -> np.ndarray:
    return np.ones((0, *shape), np.float32)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


X, WINNERS, LABELS = empty(6, 4, 6), np.zeros((0, 3, 2, 6), np.uint8), np.zeros(0, np.int64)
BYTES, FILL, HOLES = np.zeros((0, 6, 4, 3), "u1"), np.zeros(3, "u1"), np.zeros((0, 1, 4), "i8")
CALLS: dict[str, tuple[Any, ...]] = {
    "conv2d": (X, ones(3, 3, 3, 4), ones(4), STEP, NO_PAD, STEP, 2),
    "conv2d_dx": (empty(4, 2, 4), ones(3, 3, 3, 4), (6, 4), STEP, NO_PAD, STEP, 2),
    "conv2d_dw": (X, empty(4, 2, 4), (3, 3), STEP, NO_PAD, STEP, 2),
    "bias_grad": (X,),
    "max_pool2d": (X, (2, 2), (2, 2), NO_PAD),
    "max_pool2d_dx": (empty(3, 2, 6), WINNERS, (6, 4), (2, 2), (2, 2), NO_PAD),
    "avg_pool2d": (X, (2, 2), (2, 2), NO_PAD),
    "avg_pool2d_dx": (empty(3, 2, 6), (6, 4), (2, 2), (2, 2), NO_PAD),
    "global_avg_pool2d": (X,),
    "global_avg_pool2d_dx": (empty(6), (6, 4)),
    "upsample2d": (X, (2, 3)),
    "upsample2d_dx": (empty(12, 12, 6), (2, 3)),
    "pad_shortcut": (X, (2, 2), (1, 1)),
    "pad_shortcut_dx": (empty(3, 2, 8), (6, 4), (2, 2), (1, 1)),
    "batch_norm_infer": (X, ones(6), ones(6), ones(6), ones(6), 1e-5),
    "batch_norm_infer_grad": (X, X, ones(6), ones(6), ones(6), 1e-5),
    "group_norm": (X, ones(6), ones(6), 3, 1e-5),
    "group_norm_grad": (X, X, ones(6), empty(3), empty(3), 3),
    "layer_norm": (empty(6), ones(6), ones(6), 1e-5),
    "layer_norm_grad": (empty(6), empty(6), ones(6), LABELS.astype("f4"), LABELS.astype("f4")),
    "dense": (empty(6), ones(6, 4), ones(4)),
    "dense_dx": (empty(4), ones(6, 4)),
    "dense_dw": (empty(6), empty(4)),
    "relu": (X,),
    "softmax": (empty(6),),
    "log_softmax_dx": (empty(6), empty(6)),
    "softmax_cross_entropy": (empty(6), LABELS, None, 0.1),
    "softmax_cross_entropy_dx": (LABELS.astype("f4"), empty(6), LABELS, None, 0.1),
    "dropout": (X, np.arange(4, dtype=np.uint64), 0.5),
    "conv2d_relu": (X, ones(3, 3, 3, 4), ones(4), STEP, NO_PAD, STEP, 2),
    "conv2d_relu_max_pool": (X, ones(3, 3, 3, 4), ones(4), STEP, NO_PAD, STEP, 2),
    "dense_relu": (empty(6), ones(6, 4), ones(4)),
    "relu_bias_grad": (X, X),
    "relu_max_pool_bias_grad": (empty(3, 2, 6), WINNERS, (6, 4)),
    "batch_norm_apply": (X, ones(6), ones(6), ones(6), ones(6)),
    "batch_norm_apply_relu": (X, ones(6), ones(6), ones(6), ones(6)),
    "batch_norm_apply_relu_max_pool": (X, ones(6), ones(6), ones(6), ones(6)),
    "batch_norm_apply_add_relu": (X, X, ones(6), ones(6), ones(6), ones(6)),
    "batch_norm_infer_relu": (X, ones(6), ones(6), ones(6), ones(6), 1e-5),
    "narrow": (X,),
    "widen": (X.astype(ml_dtypes.bfloat16),),
    "add": (X, X),
    "add_relu": (X, X),
    "random_bits_at": (LABELS, 1, 2, 3),
    "crop_images": (BYTES, empty(6).astype("i8"), empty(4).astype("i8"), FILL, HOLES, ones(3, 256)),
    "warp_images": (
        *(BYTES, empty(6).astype("i8"), np.arange(18), np.arange(12), FILL, HOLES),
        *(empty(3, 4), ones(3), ones(3)),
    ),
    "blur_images": (BYTES, empty(3).astype("i8")),
    "noise_images": (BYTES, LABELS, LABELS, 1, 2, 3),
    "retone_images": (BYTES, np.zeros((0, 2), "i8"), np.zeros((0, 2, 256), "u1")),
    "sharpen_images": (BYTES, LABELS),
    "resize_images": (BYTES, empty(4), 2, 3),
    "mix_images": (X, LABELS, LABELS.astype("f4"), HOLES[:, 0]),
}


def outputs_of(name: str, implementation: Callable[..., None]) -> list[np.ndarray]:
    """Call a kernel with outputs that are one before, so that a cell left out shows."""
    contract, arguments = KERNELS[name], CALLS[name]
    count = len(contract.inputs)
    shapes = contract.shapes(
        *[a if a is None else a.shape for a in arguments[:count]], *arguments[count:]
    )
    named = zip(contract.outputs, shapes, strict=True)
    outputs = [np.ones(shape, contract.dtypes.get(output, "f4")) for output, shape in named]
    implementation(*outputs, *arguments)
    return outputs


@pytest.mark.parametrize("name", CALLS)
def test_reference(name: str) -> None:
    for output in outputs_of(name, partial(reference.TABLE[name], np)):
        np.testing.assert_array_equal(output, 0)


@pytest.mark.parametrize("name", CALLS)
def test_cpu(name: str) -> None:
    pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")
    from tinyvision_kernels import cpu

    for output in outputs_of(name, cpu.TABLE[name]):
        np.testing.assert_array_equal(output, 0)
