"""From addresses, folders and archives to a folder of images with one sub-folder for each class.

The rooms, in the order in which an image passes through them:

1. ``wanted.py`` reads the list; ``local.py`` and ``archives.py`` look into folders and archives;
   ``sources.py`` is their common front;
2. ``addresses.py`` says which addresses may be asked, ``connection.py`` connects to no others,
   ``fetch.py`` asks, waits, asks again, and counts the bytes;
3. ``checks.py`` decodes what has arrived, ``location.py`` takes out where it was taken,
   ``duplicates.py`` tells what is there already;
4. ``store.py`` gives it its place, by the rules of ``naming.py``, and ``manifest.py`` a line.

``desk.py`` leads one image through all of them, ``run.py`` all images, with the threads of
``workers.py``; ``one.py`` takes the short way for a single image. ``outcome.py`` holds the ways in
which it can go wrong.
"""

from .manifest import Record
from .one import download_image
from .run import Collected, collect
from .wanted import Wanted

__all__ = ["Collected", "Record", "Wanted", "collect", "download_image"]
