"""tinyvision: a from-scratch neural-network engine for image recognition."""

__version__ = "0.1.0"
