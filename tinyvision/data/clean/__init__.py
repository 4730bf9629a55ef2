"""Move the rejects of a survey aside, each with its reason, and bring them back.

Nothing is ever deleted or overwritten. ``place.py`` says where the rejects go, ``journal.py``
writes down each move before it is made, ``moving.py`` makes it, and ``clean.py`` leads through all
of them; ``restore.py`` reads the journal backwards.
"""

from .clean import Cleaned, clean
from .journal import Move
from .place import rejected_folder
from .restore import restore

__all__ = ["Cleaned", "Move", "clean", "rejected_folder", "restore"]
