"""Training: the loop, checkpoints, and whole runs from a recipe."""

from .checkpoint import Checkpoints, Position, restore
from .display import Display, TerminalDisplay
from .evaluation import Evaluation, TagEvaluation, evaluate, evaluate_tags
from .history import EpochRecord, History
from .recipe import Recipe, Result, recipe_of, run
from .trainer import Trainer

__all__ = [
    "Checkpoints",
    "Display",
    "EpochRecord",
    "Evaluation",
    "History",
    "Position",
    "Recipe",
    "Result",
    "TagEvaluation",
    "TerminalDisplay",
    "Trainer",
    "evaluate",
    "evaluate_tags",
    "recipe_of",
    "restore",
    "run",
]
