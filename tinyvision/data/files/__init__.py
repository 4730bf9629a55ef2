"""Labelled image files that stay on disk, for sets that do not fit into memory.

:func:`find_files` takes a folder or a list (CSV, JSON Lines) and returns its :class:`ImageFiles`: a
few bytes for each image, from which :class:`Sample` after sample is read and decoded when needed.
"""

from .find import find_files
from .image_files import ImageFiles
from .sample import Decode, Sample, decode_to
from .table import read_table

__all__ = ["Decode", "ImageFiles", "Sample", "decode_to", "find_files", "read_table"]
