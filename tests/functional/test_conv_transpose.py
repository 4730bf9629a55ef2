"""Transposed convolution: PyTorch's opinion, sizes, and what is refused."""

from typing import Any

import numpy as np
import pytest

from tests.functional.draws import normal
from tinyvision import functional
from tinyvision_kernels.contract import ShapeError


@pytest.mark.parametrize(
    ("stride", "pad", "output_pad", "dilation"),
    [(1, 0, 0, 1), (2, 1, 1, 1), ((2, 3), (1, 0), (0, 2), 1), (3, 2, 0, 2), (2, 0, 1, 3)],
)
def test_transposed_convolution_agrees_with_pytorch(
    stride: Any, pad: Any, output_pad: Any, dilation: int
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, w, b = normal(2, 4, 5, 6), normal(3, 3, 2, 6), normal(4)
    settings = {"stride": stride, "output_pad": output_pad, "dilation": dilation, "groups": 2}
    y = functional.conv_transpose2d(x, w, b, pad=pad, **settings)
    peer = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x).movedim(-1, 1),
        torch.from_numpy(w).permute(3, 2, 0, 1),  # (KH, KW, O/groups, C) -> (C, O/groups, KH, KW)
        torch.from_numpy(b),
        stride,
        pad,
        output_pad,
        2,
        dilation,
    )
    np.testing.assert_allclose(y.numpy(), peer.movedim(1, -1).numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 3)])
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_same_multiplies_the_size_by_the_stride(window: int, stride: Any) -> None:
    x, w = normal(1, 4, 5, 3), normal(window, window, 2, 3)
    y = functional.conv_transpose2d(x, w, stride=stride, pad="same")
    sh, sw = stride if isinstance(stride, tuple) else (stride, stride)
    assert y.shape == (1, 4 * sh, 5 * sw, 2)
    # <conv(z), x> = <z, transpose(x)>: it is the transpose of the convolution of the same settings
    z = normal(*y.shape)
    there = functional.conv2d(z, w, stride=stride, pad="same").numpy()
    assert np.sum(there * x) == pytest.approx(np.sum(z * y.numpy()), rel=1e-12)


def test_transposed_convolutions_without_sense_are_refused() -> None:
    x, w = normal(1, 2, 2, 3), normal(3, 3, 2, 3)
    with pytest.raises(ValueError, match=r"output_pad \(2, 2\) must be smaller than the stride"):
        functional.conv_transpose2d(x, w, stride=2, output_pad=2)
    with pytest.raises(ValueError, match="leave output_pad at 0"):
        functional.conv_transpose2d(x, w, stride=2, pad="same", output_pad=1)
    with pytest.raises(ShapeError, match="cuts the whole output away: it would be 0 x 0"):
        functional.conv_transpose2d(x, w, pad=2)
