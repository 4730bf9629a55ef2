"""Shapes, strides and paddings that the tests of convolution and pooling go through."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tinyvision_kernels.contract import Pads, Pair, windows


@dataclass(frozen=True)
class Conv:
    """One convolution: images x (N, H, W, C) and what slides over them."""

    id: str
    x: tuple[int, int, int, int]
    window: Pair
    O: int
    stride: Pair = (1, 1)
    pad: Pads = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def positions(self) -> Pair:
        return windows(self.x[1:3], self.window, self.stride, self.pad, self.dilation)


@dataclass(frozen=True)
class Pool:
    """One pooling: images x (N, H, W, C) and what slides over them."""

    id: str
    x: tuple[int, int, int, int]
    window: Pair
    stride: Pair
    pad: Pads = (0, 0, 0, 0)

    def positions(self) -> Pair:
        return windows(self.x[1:3], self.window, self.stride, self.pad)


SAME = (1, 1, 1, 1)

CONV = (
    Conv("3x3", (2, 5, 6, 3), (3, 3), 4, pad=SAME),
    Conv("no padding", (2, 6, 5, 4), (3, 3), 5),
    Conv("one cell of everything", (1, 1, 1, 1), (1, 1), 1),
    Conv("one channel", (3, 8, 7, 1), (5, 5), 6, pad=(2, 2, 2, 2)),
    Conv("stride 2", (2, 8, 9, 4), (3, 3), 7, stride=(2, 2), pad=SAME),
    Conv("uneven stride", (1, 9, 11, 3), (3, 2), 5, stride=(2, 3)),
    Conv("stride over the window", (2, 8, 8, 3), (2, 2), 4, stride=(3, 3)),
    Conv("asymmetric padding", (2, 6, 5, 3), (3, 4), 5, stride=(2, 1), pad=(0, 2, 3, 1)),
    Conv("windows all in the padding", (1, 2, 3, 2), (1, 1), 3, pad=(2, 1, 0, 2)),
    Conv("window as large as the image", (2, 4, 3, 5), (4, 3), 6),
    Conv("wide window", (1, 4, 17, 2), (1, 7), 9, pad=(0, 0, 3, 3)),
    Conv("dilated", (2, 9, 8, 3), (3, 3), 4, pad=(2, 2, 1, 1), dilation=(2, 1)),
    Conv("dilated and strided", (1, 11, 12, 2), (2, 3), 3, (2, 2), (1, 0, 2, 2), (3, 2)),
    Conv("groups", (2, 5, 6, 6), (3, 3), 9, pad=SAME, groups=3),
    Conv("groups and stride", (1, 7, 7, 8), (3, 3), 12, stride=(2, 2), pad=SAME, groups=4),
    Conv("depthwise", (2, 6, 7, 19), (3, 3), 19, pad=SAME, groups=19),
    Conv("depthwise, stride 2", (2, 7, 6, 5), (3, 3), 5, (2, 2), SAME, groups=5),
    Conv("depthwise, two filters a channel", (1, 5, 5, 4), (3, 3), 8, pad=SAME, groups=4),
    Conv("pointwise", (2, 5, 7, 17), (1, 1), 19),
    Conv("pointwise, stride 2", (2, 6, 5, 16), (1, 1), 32, stride=(2, 2)),
    Conv("stem", (1, 15, 17, 3), (7, 7), 33, stride=(2, 2), pad=(3, 3, 3, 3)),
    Conv("whole vectors", (1, 4, 30, 16), (3, 3), 32, pad=SAME),
    Conv("channels that fill no vector", (2, 9, 10, 21), (3, 3), 37, pad=SAME),
)

POOL = (
    Pool("2x2", (2, 6, 8, 5), (2, 2), (2, 2)),
    Pool("one cell", (1, 1, 1, 1), (1, 1), (1, 1)),
    Pool("a row and a column left over", (3, 7, 5, 17), (2, 2), (2, 2)),
    Pool("overlap", (2, 7, 9, 4), (3, 3), (2, 2)),
    Pool("padded overlap", (2, 8, 7, 6), (3, 3), (2, 2), (1, 1, 1, 1)),
    Pool("asymmetric padding", (1, 5, 6, 3), (3, 2), (1, 2), (2, 0, 0, 1)),
    Pool("gaps", (2, 8, 9, 1), (2, 1), (3, 4)),
    Pool("whole image", (2, 4, 5, 33), (4, 5), (1, 1)),
    Pool("256 cells", (1, 17, 18, 2), (16, 16), (1, 2)),
)


@st.composite
def conv_geometries(draw: Any) -> Conv:
    """Any convolution of up to 3 images and 40 channels whose window fits."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 5]))
    depthwise = draw(st.sampled_from([False, False, True]))
    C = groups * draw(st.integers(1, 40 // groups))
    if depthwise:
        groups = C
    O = groups * draw(st.sampled_from([1, 1, 2]) if depthwise else st.integers(1, 40 // groups))
    (KH, KW), stride, dilation = (
        draw(st.tuples(st.integers(1, largest), st.integers(1, largest))) for largest in (5, 3, 2)
    )
    pad = draw(st.tuples(*[st.integers(0, 3)] * 4))
    H = max(1, dilation[0] * (KH - 1) + 1 - pad[0] - pad[1]) + draw(st.integers(0, 9))
    W = max(1, dilation[1] * (KW - 1) + 1 - pad[2] - pad[3]) + draw(st.integers(0, 17))
    x = (draw(st.integers(1, 3)), H, W, C)
    return Conv("random", x, (KH, KW), O, stride, pad, dilation, groups)


@st.composite
def pool_geometries(draw: Any) -> Pool:
    """Any pooling of up to 3 images and 40 channels whose window fits and is never all padding."""
    window, stride = (draw(st.tuples(st.integers(1, 5), st.integers(1, 5))) for _ in range(2))
    vertical, horizontal = (st.integers(0, cells - 1) for cells in window)
    pad = draw(st.tuples(vertical, vertical, horizontal, horizontal))
    H = max(1, window[0] - pad[0] - pad[1]) + draw(st.integers(0, 9))
    W = max(1, window[1] - pad[2] - pad[3]) + draw(st.integers(0, 9))
    x = (draw(st.integers(1, 3)), H, W, draw(st.integers(1, 40)))
    return Pool("random", x, window, stride, pad)
