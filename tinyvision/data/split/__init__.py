"""Split a data set into parts to learn from, to choose by and to judge by.

======================  ======================================================================
``stratified_split``    every class in proportion; what :func:`split` and :func:`hold_out` do
``grouped_split``       what belongs together (a patient, a shop) never on both sides
``hashed_split``        fixed by each image alone, so that adding images later moves none
``k_fold``              every image held out once: plain, stratified or grouped
======================  ======================================================================

All of them take and return positions, so they serve arrays in memory and lists of files alike, and
all are pure functions of what they are given and a seed.
"""

from .folds import k_fold
from .grouped import GroupBy, grouped_split, groups_of
from .hashed import KeyBy, file_keys, hashed_split
from .parts import hold_out, split
from .stratified import stratified_split

__all__ = [
    "GroupBy",
    "KeyBy",
    "file_keys",
    "grouped_split",
    "groups_of",
    "hashed_split",
    "hold_out",
    "k_fold",
    "split",
    "stratified_split",
]
