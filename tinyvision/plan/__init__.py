"""Plans: a model's training step or inference, compiled.

:func:`compile` follows a model once and makes a :class:`Plan` of it, in some steps, a file each:

- ``trace.py``: which ops does the model run, on which values? That is a graph (``graph.py``).
- ``fuse.py``: one op in the place of several, where one kernel does their work.
- ``fold.py``, ``precision.py``: batch norms into weights, for inference; values in bfloat16.
- ``record.py``: which kernels do these ops call, forward and backward? (``host.py``: and what
  Python has to do in between.)
- ``layout.py``: where does each array lie, so that as much memory as possible serves twice?
- ``engine.py``: all of it bound to memory and to a backend's kernels, ready to run.
"""

from .forward import Forward
from .plan import Plan, compile

__all__ = ["Forward", "Plan", "compile"]
