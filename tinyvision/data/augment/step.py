"""A step of augmentation, and the list of all, by their words."""

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import ClassVar

from ...errors import DataError
from .changes import Changes
from .draw import Draw

STEPS: dict[str, type["Step"]] = {}  # every step by its word


@dataclass(frozen=True)
class Step:
    """Base of all steps: frozen, its fields are its settings.

    A subclass has a word, by which commands and model files know it, and draws::

        @dataclass(frozen=True)
        class Darken(Step):
            word = "darken"
            by: float = 0.2

            def draw(self, changes, draw):
                factors = 1 - self.by * draw.numbers()[0]
                changes.recolour(factors[:, None, None] * np.eye(changes.C))
    """

    word: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if cls.word:
            STEPS[cls.word] = cls

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Add what happens to each image to ``changes``."""
        raise NotImplementedError(f"{type(self).__name__} defines no draw")

    def __str__(self) -> str:
        """Return the step in words, with all its settings: ``crop=4``, ``mixup=0.2:1``."""
        values = [getattr(self, f.name) for f in fields(self)]
        words = [f"{v:g}" if float(f"{v:g}") == v else repr(v) for v in values]
        return f"{self.word}={':'.join(words)}" if words else self.word

    def need(self, name: str, low: float, high: float, unit: str = "") -> None:
        """Refuse a setting that is no number from ``low`` to ``high``."""
        value = getattr(self, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and isfinite(value) and low <= value <= high):
            raise DataError(
                f"{type(self).__name__}: {name} must be a number from {low:g} to {high:g}"
                f"{unit and f' {unit}'}, got {value!r}."
            )

    def need_whole(self, name: str, low: int, high: float = inf) -> None:
        """Refuse a setting that is no whole number from ``low`` to ``high``."""
        value = getattr(self, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole and low <= value <= high):
            bounds = f"of at least {low}" if high == inf else f"from {low} to {high}"
            raise DataError(
                f"{type(self).__name__}: {name} must be a whole number {bounds}, got {value!r}."
            )
