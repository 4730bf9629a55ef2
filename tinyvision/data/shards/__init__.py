"""Shards: a few large files in place of millions of small ones, read from front to back.

A shard is a plain ``.tar`` in the convention of WebDataset (https://github.com/webdataset): the
files of a sample stand one after the other and have one name up to the first dot, its *key*:
``000000017.jpg`` is the image, ``000000017.cls`` the number of its class, ``000000017.json`` what
else is known. Every program that reads tar reads them. Beside them lies ``index.json``
(:class:`Index`): how many samples and bytes, checksums, the names of the classes.

======================  ==================================================
``tar.py``              the convention: samples into a tar and out of it
``members.py``          the headers of a tar, read quickly
``index.py``            what is known of all shards; checking them
``pack.py``             :func:`pack` writes shards
``writer.py``           shard after shard
``shrink.py``           :class:`Shrink` reduces large photos on the way
``shards.py``           :class:`Shards` streams them in an order by seed
======================  ==================================================
"""

from .index import Index, ShardInfo, verify_shards
from .pack import pack
from .shards import Shards, find_shards

__all__ = ["Index", "ShardInfo", "Shards", "find_shards", "pack", "verify_shards"]
