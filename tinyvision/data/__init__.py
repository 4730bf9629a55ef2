"""Data sets: formats, folders, splits, preprocessing and batches.

Start at :func:`load`: it takes the name of a set or a folder of images and returns the three parts
of :class:`Splits`. :class:`Preprocess` turns images into the network's input, and :class:`Batches`
deals them out.
"""

from tinyvision.data.batches import Batches
from tinyvision.data.dataset import Dataset, Skipped, Splits
from tinyvision.data.digits import load_digits
from tinyvision.data.download import cache_dir, fetch
from tinyvision.data.folder import load_folder, read_folder
from tinyvision.data.idx import read_idx
from tinyvision.data.images import ImageInfo, decode, probe
from tinyvision.data.preprocess import Preprocess
from tinyvision.data.sets import load
from tinyvision.data.shapes import make_shapes
from tinyvision.data.sheet import contact_sheet
from tinyvision.data.sources import SOURCES, DataSource
from tinyvision.data.split import hold_out, split, stratified_split
from tinyvision.data.survey import Survey, survey

__all__ = [
    "SOURCES",
    "Batches",
    "DataSource",
    "Dataset",
    "ImageInfo",
    "Preprocess",
    "Skipped",
    "Splits",
    "Survey",
    "cache_dir",
    "contact_sheet",
    "decode",
    "fetch",
    "hold_out",
    "load",
    "load_digits",
    "load_folder",
    "make_shapes",
    "probe",
    "read_folder",
    "read_idx",
    "split",
    "stratified_split",
    "survey",
]
