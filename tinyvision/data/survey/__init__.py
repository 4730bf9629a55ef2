"""Look through a folder of images before training on it: what is there, and what is wrong.

``survey.py`` walks through the folder; ``seen.py`` decodes each file once and keeps a few numbers
of it. From those numbers each check makes its findings (``finding.py``):

- ``blank.py``: images that show nothing;
- ``copies.py`` and ``lookalikes.py``: the same file, or the same picture, twice;
- ``small.py``, ``proportions.py``, ``modes.py``: images unlike the others in their making;
- ``doubts.py``: labels that a trained model doubts.

``outline.py`` splits what was found as a training would, and ``page.py`` shows it in a browser.
"""

from .doubts import Judge
from .finding import CHECKS, Finding, Place
from .page import write_page
from .seen import Seen
from .survey import Survey, survey

__all__ = ["CHECKS", "Finding", "Judge", "Place", "Seen", "Survey", "survey", "write_page"]
