"""The confusion matrix as a grid of shaded cells, for 2 to 20 classes in 80 columns.

A cell is a gap, a number, and a space behind it where there is room. With colour the whole cell is
shaded; without, a character in the gap shows the shade.
"""

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from ..metrics import Report
from .words import fit, printable, whole_percent

MOST_CLASSES = 20  # 20 cells of three columns leave 20 of 80 for the names
LABEL_WIDTH = 16  # a name cut to this width is still recognised
NAME_AS_HEADING = 12  # names up to this width may head the columns, instead of numbers

# The matrix brings its own dark ground, so it looks the same on light and dark terminals.
# Blue for right and orange for wrong stay apart for colour-blind eyes.
GROUND = (28, 30, 38)
FAINT = (96, 100, 112)
RIGHT = (86, 180, 255)
WRONG = (255, 150, 50)


def matrix_fits(report: Report, console: Console) -> bool:
    """Whether the matrix of this report is readable on this console."""
    return _layout(report, console) is not None


def show_matrix(report: Report, console: Console) -> None:
    """Draw the confusion matrix: true classes in rows, predicted classes in columns.

    Cells hold counts where they fit, else per cent of the row. The caption says which.

    Raises
    ------
    ValueError
        If the matrix does not fit; ask `matrix_fits` first.
    """
    layout = _layout(report, console)
    if layout is None:
        raise ValueError(
            f"A matrix of {len(report.classes)} classes is not readable in {console.width} "
            "columns; use show_worst_confusions."
        )
    unit = "per cent of the true class" if layout.percent else "images"
    console.print(Text("Confusion matrix", "bold") + Text(f" ({unit})", "not bold dim"))
    width = max(map(cell_len, ["true", *layout.labels]))
    console.print(Text(" " * width + "  predicted as", "dim"))
    headings = layout.pad.join(
        " " * (layout.number + 1 - cell_len(heading)) + heading for heading in layout.headings
    )
    console.print(Text(set_cell_size("true", width) + " " + headings, "dim"))
    for t, (label, row) in enumerate(zip(layout.labels, report.confusion, strict=True)):
        line = Text(set_cell_size(label, width) + " ")
        support = max(1, sum(row))  # a class without an image is a row of zeros
        for p, count in enumerate(row):
            line.append_text(_cell(count, count / support, t == p, layout, console))
        if not _has_colour(console):
            line.rstrip()
        console.print(line)


@dataclass(frozen=True)
class _Layout:
    """What stands at the rows, above the columns and in the cells, and how wide it is."""

    labels: list[str]
    headings: list[str]
    number: int  # columns for the number in a cell; the gap before it comes on top
    pad: str  # behind the number: one space, or nothing where it is tight
    percent: bool  # cells hold per cent of the row instead of counts


def _layout(report: Report, console: Console) -> _Layout | None:
    """The roomiest layout that fits the console, or None."""
    K = len(report.classes)
    if K > MOST_CLASSES:
        return None
    names = [printable(name) for name in report.classes]
    numbers = [str(k) for k in range(K)]
    numbered = [f"{k:>{len(numbers[-1])}} {name}" for k, name in enumerate(names)]
    if names == numbers:  # digits: "7 7" would say nothing more than "7"
        numbered = names
    count = max(len(str(count)) for row in report.confusion for count in row)
    heading, longest = len(numbers[-1]), max(map(cell_len, names))
    if longest <= NAME_AS_HEADING:
        choices = [(names, names, max(count, longest), " ", False)]
    else:
        choices = []
    choices += [
        (numbered, numbers, max(count, heading), " ", False),
        (numbered, numbers, max(count, heading), "", False),
        (numbered, numbers, 2, " ", True),
        (numbered, numbers, 2, "", True),
    ]
    for labels, headings, number, pad, percent in choices:
        wanted = max(map(cell_len, ["true", *labels]))
        room = console.width - 1 - K * (1 + number + len(pad))
        if room >= min(wanted, LABEL_WIDTH):
            cut = [fit(label, min(wanted, room), console) for label in labels]
            return _Layout(cut, headings, number, pad, percent)
    return None


def _cell(count: int, share: float, right: bool, layout: _Layout, console: Console) -> Text:
    """One entry, shaded by its share of the row."""
    ascii_only = console.options.ascii_only
    if count == 0:
        content = "-" if ascii_only else "·"
    else:
        content = whole_percent(share) if layout.percent else str(count)
    if _has_colour(console):
        return Text(content.rjust(layout.number + 1) + layout.pad, _colours(share, right))
    # The shade stands in the gap before the number, which only "100" per cent needs for itself.
    if len(content) <= layout.number:
        content = (" .:+#" if ascii_only else " ░▒▓█")[_step(share)] + content
    return Text(content.rjust(layout.number + 1) + layout.pad)


def _has_colour(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def _step(share: float) -> int:
    """Shade from 0 (none) to 4 (full); mistakes are rare, so the scale opens at the low end."""
    return sum(share >= bound for bound in (0.02, 0.1, 0.3, 0.7))


def _colours(share: float, right: bool) -> Style:
    """Text and ground of a cell: the ground fades into blue (right) or orange (wrong)."""
    if share == 0:
        return Style(color=_hex(FAINT), bgcolor=_hex(GROUND))
    # The square root lifts small shares: 1 % of a class mistaken must already show.
    fade = 0.12 + 0.88 * share**0.5
    end = RIGHT if right else WRONG
    red, green, blue = (round(a + fade * (b - a)) for a, b in zip(GROUND, end, strict=True))
    # Black and white contrast alike with a ground of relative luminance 0.179 (WCAG 2.2), 4.6 : 1.
    luminance = sum(
        weight * (value / 255) ** 2.2
        for weight, value in ((0.2126, red), (0.7152, green), (0.0722, blue))
    )
    text = "#000000" if luminance > 0.179 else "#ffffff"
    return Style(color=text, bgcolor=_hex((red, green, blue)))


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
