"""Training: the loop, checkpoints, and whole runs from a recipe."""

from .checkpoint import Checkpoints, Position, restore
from .display import Display, TerminalDisplay
from .history import EpochRecord, History
from .recipe import Recipe, Result, recipe_of, run
from .trainer import Evaluation, Trainer, evaluate

__all__ = [
    "Checkpoints",
    "Display",
    "EpochRecord",
    "Evaluation",
    "History",
    "Position",
    "Recipe",
    "Result",
    "TerminalDisplay",
    "Trainer",
    "evaluate",
    "recipe_of",
    "restore",
    "run",
]
