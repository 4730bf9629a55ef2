"""Layers, containers, initial weights and losses."""

from . import init
from .activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .containers import Concat, Residual, Sequential
from .conv import Conv2d, ConvTranspose2d, DepthwiseConv2d
from .dense import Dense
from .dropout import Dropout
from .layer import Layer
from .losses import MSE, BCEWithLogits, CrossEntropy, Focal, Huber, Loss
from .norm import BatchNorm2d, GroupNorm, LayerNorm
from .parameter import Parameter
from .pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Upsample2d
from .shape import Flatten, PadShortcut, Reshape
from .summary import Summary, summarize

__all__ = [
    "GELU",
    "MSE",
    "AvgPool2d",
    "BCEWithLogits",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropy",
    "Dense",
    "DepthwiseConv2d",
    "Dropout",
    "Flatten",
    "Focal",
    "GlobalAvgPool2d",
    "GroupNorm",
    "Huber",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Loss",
    "MaxPool2d",
    "PadShortcut",
    "Parameter",
    "ReLU",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Summary",
    "Tanh",
    "Upsample2d",
    "init",
    "summarize",
]
