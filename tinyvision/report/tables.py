"""The headline, the table of classes, and the list of the worst confusions."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..metrics import Report
from .words import fit, percent

MOST_CLASSES_LISTED = 40  # with more, only the weakest are listed
WEAKEST_LISTED = 20


def show_headline(report: Report, console: Console) -> None:
    """Draw the scores over all images on one line."""
    parts = [f"accuracy {percent(report.accuracy, 2)}"]
    if report.top5 is not None:
        parts.append(f"top-5 {percent(report.top5, 2)}")
    images = "1 image" if report.count == 1 else f"{report.count:,} images"
    parts += [f"macro F1 {report.f1:.3f}", f"log loss {report.log_loss:.4f}", images]
    line = Text("  ".join(parts))
    line.stylize("bold", 0, len(parts[0]))
    console.print(line)


def show_classes(report: Report, console: Console) -> None:
    """Draw precision, recall, F1 and number of images of each class, and their averages.

    With more than 40 classes only the 20 with the lowest F1 are listed, weakest first.
    """
    rows = report.per_class
    if len(rows) > MOST_CLASSES_LISTED:
        rows = tuple(sorted(rows, key=lambda row: row.f1)[:WEAKEST_LISTED])
        title = f"The {WEAKEST_LISTED} classes with the lowest F1, of {len(report.classes)}"
        console.print(Text(title, "bold"))

    table = _table("class", numbers=("precision", "recall", "F1", "images"))
    width = max(8, console.width - 44)  # 44: the four number columns and their gaps
    for row in rows:
        scores = (row.precision, row.recall, row.f1)
        name = Text(fit(row.name, width, console))  # a plain str would be read as markup
        table.add_row(name, *(f"{score:.3f}" for score in scores), f"{row.support:,}")
    table.add_section()
    for how, average in report.averages.items():
        scores = (average.precision, average.recall, average.f1)
        table.add_row(f"{how} average", *(f"{score:.3f}" for score in scores), f"{report.count:,}")
    console.print(table)
    _explain_zeros(report, console)


def show_worst_confusions(report: Report, console: Console, n: int = 10) -> None:
    """List the n most frequent mistakes: what it was, what it was taken for, how often."""
    worst = report.worst_confusions(n)
    if not worst:
        console.print("No confusions: every image was predicted right.")
        return
    console.print(Text("Most frequent confusions", "bold"))
    table = _table("true class", "taken for", numbers=("images", "of the class"))
    width = max(8, (console.width - 30) // 2)  # 30: the two number columns and the gaps
    for mistake in worst:
        names = (Text(fit(name, width, console)) for name in (mistake.true, mistake.predicted))
        table.add_row(*names, f"{mistake.count:,}", percent(mistake.share, 1))
    console.print(table)


def _table(*names: str, numbers: tuple[str, ...]) -> Table:
    """An empty table in the style of the report: names on the left, numbers on the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _explain_zeros(report: Report, console: Console) -> None:
    """Say which zeros are no finding: there was nothing to divide by."""
    for counts, reason in (
        (report.scores.support, "Without an image, recall counts as 0"),
        (report.scores.predicted, "Never predicted, precision counts as 0"),
    ):
        empty = [name for name, n in zip(report.classes, counts, strict=True) if n == 0]
        if empty:
            names = ", ".join(fit(name, 24, console) for name in empty[:5])
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            console.print(Text(f"{reason}: {names}{more}.", "dim"))
