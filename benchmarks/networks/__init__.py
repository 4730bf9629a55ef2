"""Whole networks against the field: see ``__main__.py``.

``nets.py`` says which networks and writes them to model files; ``network.py`` reads such a file
without tinyvision; the files ``with_*.py`` are the contestants' programs; ``worker.py`` is the
process that each of them lives in, ``contest.py`` lets them take turns, ``report.py`` makes tables.
"""
