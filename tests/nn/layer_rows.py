"""One row for each way to set up a layer, with the same computation written for PyTorch.

The twins take the parameters in tinyvision's own layout and convert them on the way, so that
PyTorch's gradients arrive in that layout as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinyvision import nn


@dataclass(frozen=True)
class Row:
    """A layer, the input of a batch, the output it should have, and the twin.

    ``twin(F, p, x)`` gets torch.nn.functional, a dictionary of the layer's tensors by path, and the
    input (N, H, W, C); it returns the output in the same layout.
    """

    name: str
    make: Callable[[], nn.Layer]
    input: tuple[int, ...]
    output: tuple[int, ...]
    twin: Callable[[Any, dict[str, Any], Any], Any] | None


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(F, p, x, path="", **settings):
    """(KH, KW, C/groups, O) -> (O, C/groups, KH, KW)."""
    w, b = p[f"{path}w"].permute(3, 2, 0, 1), p.get(f"{path}b")
    return nhwc(F.conv2d(nchw(x), w, b, **settings))


def conv_transpose(F, p, x, **settings):
    """(KH, KW, O/groups, C) -> (C, O/groups, KH, KW)."""
    w, b = p["w"].permute(3, 2, 0, 1), p.get("b")
    return nhwc(F.conv_transpose2d(nchw(x), w, b, **settings))


def dense(F, p, x, path=""):
    return F.linear(x, p[f"{path}w"].T, p.get(f"{path}b"))


def batch_norm(F, p, x, path="", momentum=0.1, eps=1e-5):
    statistics = p[f"{path}running_mean"], p[f"{path}running_var"]
    y = F.batch_norm(
        x.reshape(-1, x.shape[-1]),
        *statistics,
        p[f"{path}gamma"],
        p[f"{path}beta"],
        training=True,
        momentum=momentum,
        eps=eps,
    )
    return y.reshape(x.shape)


def padded_shortcut(F, p, x):
    return F.pad(x[:, ::2, ::2, :], (1, 2))


def residual(F, p, x):
    y = F.relu(conv(F, p, x, "body.conv1.", padding=1, stride=2))
    return conv(F, p, y, "body.conv2.", padding=1) + conv(F, p, x, "shortcut.", stride=2)


def concat(F, p, x):
    import torch

    return torch.cat([conv(F, p, x, "conv1."), x, conv(F, p, x, "right.conv1.", padding=1)], dim=-1)


def concat_pools(F, p, x):
    import torch

    pools = F.max_pool2d(nchw(x), (2, 1)), F.avg_pool2d(nchw(x), (3, 1))
    return torch.cat([nhwc(y) for y in pools], dim=1)


IMAGE = (2, 7, 6, 3)

ROWS = [
    Row(
        "conv",
        lambda: nn.Conv2d(4),
        IMAGE,
        (2, 5, 4, 4),
        lambda F, p, x: conv(F, p, x),
    ),
    Row(
        "conv same, no bias",
        lambda: nn.Conv2d(4, (3, 5), pad="same", bias=False),
        IMAGE,
        (2, 7, 6, 4),
        lambda F, p, x: conv(F, p, x, padding=(1, 2)),
    ),
    Row(
        "conv stride, pad, dilation",
        lambda: nn.Conv2d(5, (3, 2), stride=(2, 1), pad=(2, 1), dilation=(1, 2), init="glorot"),
        IMAGE,
        (2, 5, 6, 5),
        lambda F, p, x: conv(F, p, x, stride=(2, 1), padding=(2, 1), dilation=(1, 2)),
    ),
    Row(
        "conv same, even window, stride 2",
        lambda: nn.Conv2d(2, 4, stride=2, pad="same"),
        IMAGE,
        (2, 4, 3, 2),
        # H: 4 outputs reach 3 * 2 + 4 = 10 cells, 3 missing: 1 on top; W: 2 * 2 + 4 = 8, 2 missing
        lambda F, p, x: conv(F, p, F.pad(x, (0, 0, 1, 1, 1, 2)), stride=2),
    ),
    Row(
        "conv groups",
        lambda: nn.Conv2d(6, 3, groups=3, pad=1, init="orthogonal"),
        IMAGE,
        (2, 7, 6, 6),
        lambda F, p, x: conv(F, p, x, padding=1, groups=3),
    ),
    Row(
        "depthwise",
        lambda: nn.DepthwiseConv2d(3, stride=2, pad=1, multiplier=2),
        IMAGE,
        (2, 4, 3, 6),
        lambda F, p, x: conv(F, p, x, stride=2, padding=1, groups=3),
    ),
    Row(
        "transposed",
        lambda: nn.ConvTranspose2d(4, 3, stride=2, pad=1, output_pad=1),
        (2, 3, 4, 3),
        (2, 6, 8, 4),
        lambda F, p, x: conv_transpose(F, p, x, stride=2, padding=1, output_padding=1),
    ),
    Row(
        "transposed groups, dilation",
        lambda: nn.ConvTranspose2d(4, (2, 3), dilation=2, groups=2, bias=False),
        (2, 3, 4, 6),
        (2, 5, 8, 4),
        lambda F, p, x: conv_transpose(F, p, x, dilation=2, groups=2),
    ),
    Row(
        "transposed same",
        lambda: nn.ConvTranspose2d(2, 4, stride=2, pad="same"),
        (2, 3, 4, 3),
        (2, 6, 8, 2),
        lambda F, p, x: conv_transpose(F, p, x, stride=2, padding=1),
    ),
    Row("dense", lambda: nn.Dense(4), (3, 5), (3, 4), dense),
    Row("dense no bias", lambda: nn.Dense(1, bias=False), (3, 5), (3, 1), dense),
    Row(
        "max pool",
        lambda: nn.MaxPool2d(),
        IMAGE,
        (2, 3, 3, 3),
        lambda F, p, x: nhwc(F.max_pool2d(nchw(x), 2)),
    ),
    Row(
        "max pool overlapping",
        lambda: nn.MaxPool2d((3, 2), stride=(2, 1), pad=1),
        IMAGE,
        (2, 4, 7, 3),
        lambda F, p, x: nhwc(F.max_pool2d(nchw(x), (3, 2), (2, 1), 1)),
    ),
    Row(
        "avg pool",
        lambda: nn.AvgPool2d(3, stride=2, pad=1),
        IMAGE,
        (2, 4, 3, 3),
        lambda F, p, x: nhwc(F.avg_pool2d(nchw(x), 3, 2, 1, count_include_pad=False)),
    ),
    Row(
        "global avg pool",
        lambda: nn.GlobalAvgPool2d(),
        IMAGE,
        (2, 3),
        lambda F, p, x: F.adaptive_avg_pool2d(nchw(x), 1)[:, :, 0, 0],
    ),
    Row(
        "upsample nearest",
        lambda: nn.Upsample2d((2, 3)),
        (2, 3, 4, 3),
        (2, 6, 12, 3),
        lambda F, p, x: nhwc(F.interpolate(nchw(x), scale_factor=(2, 3), mode="nearest")),
    ),
    Row(
        "upsample bilinear",
        lambda: nn.Upsample2d(3, "bilinear"),
        (2, 3, 4, 3),
        (2, 9, 12, 3),
        lambda F, p, x: nhwc(
            F.interpolate(nchw(x), scale_factor=3, mode="bilinear", align_corners=False)
        ),
    ),
    Row("batch norm", lambda: nn.BatchNorm2d(), IMAGE, IMAGE, batch_norm),
    Row(
        "batch norm of features",
        lambda: nn.BatchNorm2d(momentum=0.3, eps=0.1),
        (5, 3),
        (5, 3),
        lambda F, p, x: batch_norm(F, p, x, momentum=0.3, eps=0.1),
    ),
    Row(
        "layer norm",
        lambda: nn.LayerNorm(),
        (2, 3, 2, 5),
        (2, 3, 2, 5),
        lambda F, p, x: F.layer_norm(x, (5,), p["gamma"], p["beta"]),
    ),
    Row(
        "group norm",
        lambda: nn.GroupNorm(2, eps=1e-3),
        (2, 3, 2, 6),
        (2, 3, 2, 6),
        lambda F, p, x: nhwc(F.group_norm(nchw(x), 2, p["gamma"], p["beta"], 1e-3)),
    ),
    Row("relu", lambda: nn.ReLU(), IMAGE, IMAGE, lambda F, p, x: F.relu(x)),
    Row(
        "leaky relu", lambda: nn.LeakyReLU(0.2), IMAGE, IMAGE, lambda F, p, x: F.leaky_relu(x, 0.2)
    ),
    Row("gelu", lambda: nn.GELU(), IMAGE, IMAGE, lambda F, p, x: F.gelu(x, approximate="tanh")),
    Row("silu", lambda: nn.SiLU(), IMAGE, IMAGE, lambda F, p, x: F.silu(x)),
    Row("sigmoid", lambda: nn.Sigmoid(), IMAGE, IMAGE, lambda F, p, x: F.sigmoid(x)),
    Row("tanh", lambda: nn.Tanh(), IMAGE, IMAGE, lambda F, p, x: F.tanh(x)),
    Row("softmax", lambda: nn.Softmax(), IMAGE, IMAGE, lambda F, p, x: F.softmax(x, dim=-1)),
    Row("dropout", lambda: nn.Dropout(0.4), IMAGE, IMAGE, None),  # held to its own definition
    Row("flatten", lambda: nn.Flatten(), IMAGE, (2, 126), lambda F, p, x: x.flatten(1)),
    Row(
        "reshape",
        lambda: nn.Reshape(3, -1, 2),
        IMAGE,
        (2, 3, 21, 2),
        lambda F, p, x: x.reshape(2, 3, 21, 2),
    ),
    Row("pad shortcut", lambda: nn.PadShortcut(6), IMAGE, (2, 4, 3, 6), padded_shortcut),
    Row(
        "sequential",
        lambda: nn.Sequential(nn.Conv2d(4, 3), nn.SiLU(), nn.Flatten(), nn.Dense(3)),
        IMAGE,
        (2, 3),
        lambda F, p, x: dense(F, p, F.silu(conv(F, p, x, "conv1.")).flatten(1), "dense1."),
    ),
    Row(
        "residual",
        lambda: nn.Residual(
            nn.Sequential(nn.Conv2d(4, 3, 2, pad=1), nn.ReLU(), nn.Conv2d(4, 3, pad=1)),
            nn.Conv2d(4, 1, 2),
        ),
        IMAGE,
        (2, 4, 3, 4),
        residual,
    ),
    Row(
        "residual of x itself",
        lambda: nn.Residual(nn.BatchNorm2d()),
        IMAGE,
        IMAGE,
        lambda F, p, x: batch_norm(F, p, x, "body.") + x,
    ),
    Row(
        "concat",
        lambda: nn.Concat(
            nn.Conv2d(2, 1),
            nn.Sequential(),
            nn.Sequential(nn.Conv2d(3, 3, pad="same"), name="right"),
        ),
        IMAGE,
        (2, 7, 6, 8),
        concat,
    ),
    Row(
        "concat along height",
        lambda: nn.Concat(nn.MaxPool2d((2, 1)), nn.AvgPool2d((3, 1)), axis=1),
        IMAGE,
        (2, 5, 6, 3),
        concat_pools,
    ),
]

BY_NAME = {row.name: row for row in ROWS}
