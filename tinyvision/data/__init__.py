"""Data sets: formats, folders, splits, preprocessing and batches.

Start at :func:`load`: it takes the name of a set or a folder of images and returns the three parts
of :class:`Splits`. :class:`Preprocess` turns images into the network's input, :class:`Augment`
changes those to learn from at random, and :class:`Batches` deals them out.

The rooms, in the order in which an image comes through them:

============================================  ====================================================
``collect``                                   from the web, folders and archives into a folder
``download``, ``answers``, ``jsonlines``      files with a checksum; what servers say; a list kept
``layout``, ``files``, ``shards``, ``npz``    where images and labels lie: folders, lists, tar
``named``                                     MNIST, CIFAR-10 and the others that have a name
``images``, ``resize``, ``views``, ``large``  one file to bytes, of one size, or a part of it
``survey``, ``clean``, ``sheet``              what is there and what is wrong; moving that aside
``decoding``, ``threads``                     all images of a set, in order
``decoded``, ``mapped``, ``lock``             kept on disk and mapped into memory
``reading``, ``dataset``, ``split``           images and labels, and the three parts of a set
``folder``, ``local``, ``sets``               all of that by one name: :func:`load`
``preprocess``, ``augment``, ``loader``       bytes to the network's input, batch by batch
============================================  ====================================================
"""

from . import augment
from .augment import Augment
from .clean import Cleaned, clean, rejected_folder, restore
from .collect import Collected, collect, download_image
from .dataset import Dataset, Skipped, Splits
from .decoded import Kept, clear_decoded, kept_decoded
from .download import cache_dir, fetch
from .files import Decode, ImageFiles, Sample, decode_to, find_files, read_table
from .folder import load_folder, read_folder
from .images import ImageInfo, decode, probe
from .loader.batches import Batches
from .mapped import MappedImages
from .named.digits import load_digits
from .named.idx import read_idx
from .named.shapes import make_shapes
from .named.sources import SOURCES, DataSource
from .npz import read_npz
from .preprocess import Preprocess
from .sets import load
from .shards import Shards, pack, verify_shards
from .shards.shrink import Shrink
from .sheet import contact_sheet, save_image
from .split import (
    file_keys,
    grouped_split,
    groups_of,
    hashed_split,
    hold_out,
    k_fold,
    split,
    stratified_split,
)
from .survey import Finding, Judge, Survey, survey, write_page

__all__ = [
    "SOURCES",
    "Augment",
    "Batches",
    "Cleaned",
    "Collected",
    "DataSource",
    "Dataset",
    "Decode",
    "Finding",
    "ImageFiles",
    "ImageInfo",
    "Judge",
    "Kept",
    "MappedImages",
    "Preprocess",
    "Sample",
    "Shards",
    "Shrink",
    "Skipped",
    "Splits",
    "Survey",
    "augment",
    "cache_dir",
    "clean",
    "clear_decoded",
    "collect",
    "contact_sheet",
    "decode",
    "decode_to",
    "download_image",
    "fetch",
    "file_keys",
    "find_files",
    "grouped_split",
    "groups_of",
    "hashed_split",
    "hold_out",
    "k_fold",
    "kept_decoded",
    "load",
    "load_digits",
    "load_folder",
    "make_shapes",
    "pack",
    "probe",
    "read_folder",
    "read_idx",
    "read_npz",
    "read_table",
    "rejected_folder",
    "restore",
    "save_image",
    "split",
    "stratified_split",
    "survey",
    "verify_shards",
    "write_page",
]
