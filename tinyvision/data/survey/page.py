"""The page: a survey in a browser, in one file that needs nothing else.

No script, no network: thumbnails stand in the page itself, and a content security policy forbids
whatever else a hostile file name might try. Names come into it through :func:`_text` alone.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ...files import write_atomically
from ..sheet import spread
from ..threads import Progress
from .finding import CHECKS, Finding, Place
from .survey import Survey
from .thumbnails import thumbnails

PICTURED = 500  # findings of one check with thumbnails: about 5 MB; the others are listed
_ROWS = 12  # of a table of sizes


def write_page(survey: Survey, path: Path | str, progress: Progress | None = None) -> None:
    """Write a survey as an HTML page: every class, every finding, with thumbnails.

    Parameters
    ----------
    survey : Survey
    path : path
        The file to write; whatever is there is replaced.
    progress : callable, optional
        Called after each thumbnail with those done and those in all.

    Raises
    ------
    OSError
        It cannot be written; what was there is intact.
    """
    path = Path(path)
    examples = _examples(survey)
    shown = dict.fromkeys(place.path for places in examples.values() for place in places)
    for check in CHECKS:
        for finding in survey.of(check)[:PICTURED]:
            shown[finding.place.path] = None
            if finding.other:
                shown[finding.other.path] = None
    sizes = {image.place.path: image.size for image in survey.images if image.place.path in shown}
    addresses = thumbnails(list(shown), survey.open, progress)
    are_files = survey.kind in ("folder", "list")
    pictures = _Pictures(addresses, sizes, path.resolve().parent if are_files else None)
    page = "".join(_page(survey, examples, pictures))
    write_atomically(path, page.encode())


class _Pictures:
    """Draws images, as links to their files where they have any."""

    def __init__(
        self,
        addresses: Mapping[Path, str],
        sizes: Mapping[Path, tuple[int, int]],
        folder: Path | None,
    ) -> None:
        self._addresses = addresses
        self._sizes = sizes
        self._folder = folder  # of the page; None where images are no files of their own

    def draw(self, place: Place) -> str:
        """Draw one, or say that there is no picture of it."""
        address = self._addresses.get(place.path)
        inside = f'<img src="{address}" alt="">' if address else "<span>no picture</span>"
        title = _text(str(place.path))
        if self._folder is None:
            return f'<span class="picture" title="{title}">{inside}</span>'
        link = _link(place.path, self._folder)
        return f'<a class="picture" href="{link}" title="{title}">{inside}</a>'

    def size(self, place: Place) -> str:
        """Return the size as a line of its own: of two copies one wants to keep the larger."""
        size = self._sizes.get(place.path)
        return f"<small>{size[0]} × {size[1]}</small>" if size else ""


def _link(path: Path, folder: Path) -> str:
    # "./" and the quoted colon: no folder name can be taken for javascript: or a host
    relative = os.path.relpath(path.absolute(), folder)
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))


def _page(
    survey: Survey, examples: Mapping[tuple[str, str], Sequence[Place]], pictures: _Pictures
) -> Iterator[str]:
    name = _text(Path(survey.root).resolve().name)
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{name}</h1>\n<p>{_summary(survey)}</p>\n"
    )
    yield from _contents(survey)
    yield "</header>\n<main>\n"
    if survey.problems:
        items = "".join(f"<li>{_text(problem)}</li>" for problem in survey.problems)
        yield f'<section id="problems"><h2>What stops a training</h2><ul>{items}</ul></section>\n'
    for check in CHECKS:
        yield from _findings(check, survey.of(check), survey, pictures)
    yield from _classes(survey, examples, pictures)
    yield from _tables(survey)
    yield "</main>\n</body>\n</html>\n"


def _summary(survey: Survey) -> str:
    classes = {name for by_class in survey.counts.values() for name in by_class}
    parts = [f"{survey.total:,} usable images", f"{len(classes):,} classes"]
    if "all" not in survey.counts:
        parts.append("divided into " + ", ".join(survey.counts))
    if survey.heights and survey.widths:
        parts.append(f"usually {survey.heights[1]} × {survey.widths[1]} pixels (height × width)")
    rejects, warned = len(survey.rejects), sum(f.severity == "warn" for f in survey.findings)
    parts.append(f"<b>{rejects:,} to reject</b>, {warned:,} warnings")
    return "; ".join(parts) + "."


def _contents(survey: Survey) -> Iterator[str]:
    yield "<nav>"
    for check in CHECKS:
        found = survey.of(check)
        if found:
            kind = "reject" if any(f.severity == "reject" for f in found) else "warn"
            yield f'<a class="{kind}" href="#{_anchor(check)}">{check} <b>{len(found):,}</b></a>'
    yield '<a href="#classes">classes</a><a href="#sizes">sizes and formats</a></nav>\n'


def _findings(
    check: str, found: Sequence[Finding], survey: Survey, pictures: _Pictures
) -> Iterator[str]:
    if not found:
        return
    yield (
        f'<section id="{_anchor(check)}"><h2>{check[0].upper()}{check[1:]} '
        f"<small>{len(found):,}: {CHECKS[check]}</small></h2>\n"
        '<div class="cards">\n'
    )
    for finding in found[:PICTURED]:
        yield _card(finding, survey, pictures)
    yield "</div>\n"
    rest = found[PICTURED:]
    if rest:
        yield f"<details><summary>{len(rest):,} more, without pictures</summary><ul>\n"
        for finding in rest:
            yield f"<li>{_path(finding.place, survey)}: {_text(finding.reason)}</li>\n"
        yield "</ul></details>\n"
    yield "</section>\n"


def _card(finding: Finding, survey: Survey, pictures: _Pictures) -> str:
    marks: list[str] = [finding.severity]
    marks += [mark for mark in ("leak", "conflict") if getattr(finding, mark)]
    badges = "".join(f'<span class="badge {mark}">{mark}</span>' for mark in marks)
    figures = "".join(
        f"<figure>{pictures.draw(place)}<figcaption>{_path(place, survey)}"
        f"{pictures.size(place)}</figcaption></figure>"
        for place in (finding.place, finding.other)
        if place is not None
    )
    return (
        f'<article class="{finding.severity}{" pair" if finding.other else ""}">'
        f'<div class="pictures">{figures}</div>'
        f"<p>{badges} {_text(_without_root(finding.reason, survey))}</p></article>\n"
    )


def _classes(
    survey: Survey, examples: Mapping[tuple[str, str], Sequence[Place]], pictures: _Pictures
) -> Iterator[str]:
    yield '<section id="classes"><h2>Classes</h2>\n'
    for part, by_class in survey.counts.items():
        if part != "all":
            yield f"<h3>{part} <small>{sum(by_class.values()):,} images</small></h3>\n"
        most = max(by_class.values(), default=0) or 1
        for label, count in by_class.items():
            drawn = "".join(pictures.draw(place) for place in examples[part, label])
            share = 100 * count / most
            yield (
                f'<div class="class"><div class="name"><b>{_text(label)}</b>'
                f"<span>{count:,} image{'' if count == 1 else 's'}</span>"
                f'<meter min="0" max="100" value="{share:.1f}"></meter></div>'
                f'<div class="row">{drawn}</div></div>\n'
            )
    yield "</section>\n"


def _tables(survey: Survey) -> Iterator[str]:
    sizes = {f"{H} × {W}": count for (H, W), count in survey.sizes.items()}
    yield '<section id="sizes"><h2>Sizes and formats</h2><div class="tables">\n'
    yield _table("height × width", sizes)
    yield _table("mode", survey.modes)
    yield _table("format", survey.formats)
    yield "</div></section>\n"


def _table(title: str, counts: Mapping[str, int]) -> str:
    rows = list(counts.items())
    if len(rows) > _ROWS:
        others = rows[_ROWS - 1 :]
        rest = sum(count for _, count in others)
        rows = [*rows[: _ROWS - 1], (f"{len(others):,} others", rest)]
    body = "".join(f"<tr><td>{_text(name)}</td><td>{n:,}</td></tr>" for name, n in rows)
    return f"<table><tr><th>{title}</th><th>images</th></tr>{body}</table>\n"


def _examples(survey: Survey) -> dict[tuple[str, str], list[Place]]:
    """Pick a few images of every class of every part, at even distances."""
    places: dict[tuple[str, str], list[Place]] = {
        (part, label): [] for part, by_class in survey.counts.items() for label in by_class
    }
    for image in survey.images:
        places[image.place.part, image.place.label].append(image.place)
    K = len(places)
    most = 8 if K <= 60 else 4 if K <= 300 else 1
    return {key: [of[i] for i in spread(np.arange(len(of)), most)] for key, of in places.items()}


def _path(place: Place, survey: Survey) -> str:
    """Write a path below the root, breakable where folders end."""
    path = Path(_without_root(str(place.path), survey))
    return "/<wbr>".join(_text(piece) for piece in path.parts)


def _without_root(sentence: str, survey: Survey) -> str:
    """Leave out the folder that all paths of a page begin with."""
    root = str(Path(survey.root).parent if survey.kind == "list" else Path(survey.root))
    return sentence.replace(root + os.sep, "") if root != "." else sentence


def _anchor(check: str) -> str:
    return check.replace(" ", "-")


def _text(text: str) -> str:
    """Make any text harmless in HTML; what cannot be shown becomes a question mark."""
    return escape("".join(char if char.isprintable() else "?" for char in text))
