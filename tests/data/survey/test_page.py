"""The page in a browser: complete, alone, and harmless whatever the folders are called."""

import base64
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from tests.data.folders import fill, paint
from tinyvision.data import survey, write_page
from tinyvision.data.survey import page as page_module

ALLOWED = (
    "html head meta title style body header h1 h2 h3 p b small nav a main section div article "
    "figure figcaption img span ul li details summary meter table tr th td wbr"
)


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def look(root: Path) -> Page:
    target = root.parent / "page.html"
    write_page(survey(root), target)
    return Page(target)


def test_a_page_of_odd_images(data_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(data_root / "odd-images", root / "odd")
    shutil.copy(root / "odd" / "flower.jpg", root / "odd" / "flower again.jpg")
    paint(root / "dots" / "0.png", 0, (12, 12))
    page = look(root)
    assert "19 usable images; 2 classes" in page.text and "10 to reject" in page.text
    for name in ("Broken", "Duplicate", "Near duplicate", "Mode"):
        assert name in page.text
    assert "the file is empty" in page.text and "the same file as odd/flower again.jpg" in page.text
    assert "480" in page.text and "CMYK" in page.text
    sizes = {}
    for image in page.all("img"):
        kind, _, content = str(image["src"]).partition(";base64,")
        with Image.open(BytesIO(base64.b64decode(content, validate=True))) as picture:
            assert kind == f"data:image/{str(picture.format).lower()}"
            sizes[picture.size] = picture.format
    assert sizes[144, 108] == "JPEG"  # 480 x 360, reduced in proportion
    assert sizes[12, 12] == "PNG"  # small pictures keep their pixels
    assert len(page.all("img")) >= 19


def test_links_lead_to_the_files(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for i, name in enumerate(("a b", "50% #1?", "javascript:alert(1)", "ünï")):
        paint(root / name / "0.png", i)
    page = look(root)
    links = [str(a["href"]) for a in page.all("a") if a.get("class") == "picture"]
    assert len(links) == 4
    for link in links:
        assert re.fullmatch(r"\./[\w./%~-]+", link)
        assert (tmp_path / unquote(link)).is_file()
    anchors = {attributes.get("id") for _, attributes in page.tags}
    inner = [str(a["href"]) for a in page.all("a") if str(a["href"]).startswith("#")]
    assert inner and all(link[1:] in anchors for link in inner)


NAMES = [
    "<script>alert(1)<",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
    "\u202egnp.exe\n\x1b[31m",
    "b\udce9d",  # no Unicode
]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    root = tmp_path / NAMES[0]
    for i, name in enumerate(NAMES):
        paint(root / name / "0.png", i)
        shutil.copy(root / name / "0.png", root / name / f"{name}.png")
        (root / name / f"{name}.jpg").write_bytes(b"broken")
    page = look(root)
    assert {tag for tag, _ in page.tags} <= set(ALLOWED.split())
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
    for name in NAMES[:5]:
        assert name in page.text
    shown = "".join(char for char in page.source if char != "\n")
    assert all(char.isprintable() for char in shown)
    assert "default-src 'none'" in page.source and "http://" not in page.source
    assert "https://" not in page.source


def test_findings_beyond_what_is_pictured_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "PICTURED", 2)
    root = fill(tmp_path / "photos", a=5)
    page = look(root)
    assert "3 more, without pictures" in page.text and "a/4.png: it shows nothing" in page.text
    assert len(page.all("article")) == 2


def test_parts_problems_and_an_empty_class(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    paint(root / "train" / "a" / "0.png", 0)
    (root / "train" / "b").mkdir()
    page = look(root)
    assert "What stops a training" in page.text and "class 'b' has no usable images" in page.text
    assert "divided into train" in page.text


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    root = fill(tmp_path / "photos", a=1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"cannot write .*file/page\.html"):
        write_page(survey(root), tmp_path / "file" / "page.html")
    assert (tmp_path / "file").read_text() == "mine"
