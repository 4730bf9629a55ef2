"""Look through images before training on them: what is there, and what is wrong.

``inventory.py`` lists what a folder, a list, shards or arrays hold; ``seen.py`` decodes each image
once and keeps a few numbers of it, and ``survey.py`` leads through all of them. From those numbers
each check makes its findings (``finding.py``):

- ``blank.py``: images that show nothing;
- ``copies.py`` and ``lookalikes.py``: the same file, or the same picture, twice;
- ``small.py``, ``proportions.py``, ``modes.py``: images unlike the others in their making;
- ``doubts.py``: labels that a trained model (``judge.py``) doubts.

``outline.py`` splits what was found as a training would, and ``page.py`` shows it in a browser.
"""

from .finding import CHECKS, Finding, Place
from .judge import Judge
from .page import write_page
from .seen import Seen
from .survey import Survey, survey

__all__ = ["CHECKS", "Finding", "Judge", "Place", "Seen", "Survey", "survey", "write_page"]
