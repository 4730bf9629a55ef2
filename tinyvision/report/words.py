"""Class names and shares as text of a known width."""

from rich.cells import cell_len, set_cell_size
from rich.console import Console


def printable(name: str) -> str:
    """A class name without line breaks and control characters, which folder names may hold."""
    return "".join(char if char.isprintable() else "?" for char in name)


def fit(name: str, width: int, console: Console) -> str:
    """The name cut to a width in columns (wide characters take two).

    The middle goes, marked by an ellipsis: long names often differ only at their ends.
    """
    name = printable(name)
    if cell_len(name) <= width:
        return name
    mark = "..." if console.options.ascii_only else "…"
    kept = width - len(mark)
    head = set_cell_size(name, kept - kept // 2)
    tail = set_cell_size(name[::-1], kept // 2)[::-1]
    return head + mark + tail


def percent(share: float, digits: int) -> str:
    """``0.9872`` as ``98.72 %``."""
    return f"{100 * share:.{digits}f} %"


def whole_percent(share: float) -> str:
    """Per cent in two characters; 100 stands for all and 0 for none, never for almost."""
    if share == 1:
        return "100"
    return "<1" if 0 < share < 0.01 else str(min(99, round(100 * share)))
