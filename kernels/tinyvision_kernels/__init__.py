"""Kernels: arrays in, arrays out. Knows nothing of tensors, layers or models (see ``contract.py``)."""
