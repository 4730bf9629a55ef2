"""Layers, containers, initial weights and losses."""

from . import init
from .layer import Layer, Parameter

__all__ = ["Layer", "Parameter", "init"]
