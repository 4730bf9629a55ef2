"""A cache of decoded images: a set decoded to one form once, and mapped into memory ever after.

Two files for each source and form lie in ``decoded/`` of :func:`tinyvision.data.cache_dir`::

    photos-64x64x3-crop-5f0c9a1e.npy     the images, uint8 (N, H, W, C), in the order of the source
    photos-64x64x3-crop-5f0c9a1e.json    its header: what they were made of, and what was left out

The name follows from the source's path and the form, so a folder has one file for each size. The
header has a fingerprint of the files; where it is not that of the files as they are now, or the
images are not those that were written, the images are decoded again in the same place.

======================  ======================================================
``header.py``           the header, and how it is told whether it can be believed
``keep.py``             map what is there, or decode it
``shelf.py``            what lies there, and clearing it
======================  ======================================================
"""

from .keep import decoded_once
from .shelf import Kept, clear_decoded, kept_decoded

__all__ = ["Kept", "clear_decoded", "decoded_once", "kept_decoded"]
