"""A `tinyvision.metrics.Report` in the terminal: headline, table per class, confusion matrix.

Every function draws on the rich Console it is given and fits its width. Without colour (a pipe, a
log file, ``NO_COLOR``) shades become the characters ``░▒▓█``, or ``.:+#`` where the encoding is
ASCII: nothing is said by colour alone.
"""

from rich.console import Console

from ..metrics import Report
from .matrix import matrix_fits, show_matrix
from .tables import show_classes, show_headline, show_worst_confusions

__all__ = [
    "show_classes",
    "show_confusions",
    "show_headline",
    "show_report",
    "show_worst_confusions",
]


def show_report(report: Report, console: Console) -> None:
    """Draw the headline, the classes and the confusions of a report, one below the other.

    Parameters
    ----------
    report : Report
        The evaluation to draw.
    console : rich.console.Console
        Where to draw; its width, colours and encoding are respected.
    """
    show_headline(report, console)
    console.print()
    show_classes(report, console)
    console.print()
    show_confusions(report, console)


def show_confusions(report: Report, console: Console) -> None:
    """Draw the confusion matrix, or list the worst confusions where it would not be readable.

    The matrix is drawn for 2 to 20 classes if the console is wide enough; 80 columns always are.
    """
    if matrix_fits(report, console):
        show_matrix(report, console)
    else:
        show_worst_confusions(report, console)
