"""Kernels: arrays in, arrays out, and no knowledge of tensors, layers or models.

``contract/`` lists them, ``reference/`` says in plain array code what each computes, and the other
folders compute the same faster.
"""
