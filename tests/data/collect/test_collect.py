"""Collecting from a web where everything goes wrong that can."""

import hashlib

import pytest

from tests.data.collect.collection import files, get, lines
from tests.data.collect.server import Server, picture
from tinyvision.data import collect, decode, download_image
from tinyvision.data.collect import Wanted
from tinyvision.errors import DataError, DownloadError


def test_images_come_in_by_class_with_a_line_each(server, folder, tmp_path):
    (tmp_path / "urls.txt").write_text(
        f"# animals\n{server.url('good/1.jpg')} cats\n\n"
        f"{server.url('png/My%20Dog.png')}\tdogs\tCC0\n{server.url('good/2.jpg')}\n"
    )
    calls = []
    collected = collect(
        tmp_path / "urls.txt", folder, allow_private=True, progress=lambda *call: calls.append(call)
    )
    assert collected.counts == {"stored": 3, "duplicate": 0, "refused": 0, "failed": 0}
    assert collected.complete and collected.new == 3
    assert [call[1:] for call in calls] == [(1, 3), (2, 3), (3, 3)]
    cat, dog, other = collected.records
    assert cat.path.startswith("cats/1-") and cat.path.endswith(".jpg")
    assert dog.path.startswith("dogs/My-Dog-") and dog.licence == "CC0"
    assert "/" not in other.path and other.label is None
    assert files(folder) == sorted(record.path for record in collected.records)
    for record in collected.records:
        content = (folder / record.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record.sha256
        assert (record.size, record.height, record.width) == (len(content), 40, 48)
        assert record.http == 200
        assert record.time.endswith("Z")
    assert sorted(line["url"] for line in lines(folder)) == sorted(r.url for r in collected.records)


# What becomes of each, and with how many requests.
ROADS = {
    "good/1": ("stored", None, 1),
    "moved/2": ("stored", None, 1),
    "moved-endless/7": ("stored", None, 1),
    "cut-once/3": ("stored", None, 2),
    "broken-twice/4": ("stored", None, 3),
    "packed/5": ("stored", None, 1),
    "nonsense-length/6": ("stored", None, 1),
    "cut": ("failed", "broke off", 4),
    "reset": ("failed", "cannot be reached", 4),
    "longer": ("failed", "broke off", 4),
    "broken": ("failed", "answered 503 Service Unavailable", 4),
    "busy-long": ("failed", "429 Too Many Requests and asks to wait 3,600 seconds", 1),
    "shorter": ("refused", "cut short", 1),
    "page.jpg": ("refused", "holds text, not an image", 1),
    "empty": ("refused", "the file is empty", 1),
    "missing": ("refused", "answered 404 Not Found", 1),
    "gone": ("refused", "answered 410 Gone", 1),
    "circle": ("refused", "redirects more than 10 times", 11),
    "nowhere": ("refused", "answered 302 Found", 1),
    "bomb": ("refused", "sends more than 1,000,000 bytes", 1),
    "brotli": ("refused", "was not asked for (br)", 1),
    "damaged-packing": ("refused", "damaged compression", 1),
    "endless": ("refused", "sends more than 1,000,000 bytes", 1),
    "huge": ("refused", "decompression bomb", 1),
}


def test_every_road_ends_in_a_line(server, folder):
    collected = get(server, folder, *ROADS, max_bytes=1_000_000)
    found = {r.url.removeprefix(server.url("")): r for r in collected.records}
    for path, (status, reason, requests) in ROADS.items():
        assert found[path].status == status, found[path]
        assert reason is None or reason in found[path].reason
        assert server.counts[f"/{path}"] == requests, path
    assert found["moved/2"].delivered_by == server.url("good/2")
    assert (found["missing"].http, found["broken"].http, found["cut"].http) == (404, 503, None)
    assert not collected.complete
    # nothing but the images: no half file, and none under another name
    assert files(folder) == sorted(r.path for r in collected.of("stored"))
    for path, seed in [("good/1", 1), ("cut-once/3", 3), ("packed/5", 5)]:
        assert (folder / found[path].path).read_bytes() == picture(seed)

    # the second run asks again for what failed, and for nothing else
    before = len(server.requests)
    again = get(server, folder, *ROADS, max_bytes=1_000_000)
    failed = {f"/{path}" for path, road in ROADS.items() if road[0] == "failed"}
    assert set(server.requests[before:]) == failed
    assert again.new == len(failed)
    assert again.counts == collected.counts


def test_what_failed_comes_in_when_the_server_is_repaired(server, folder):
    assert get(server, folder, "repaired/1", "good/2").counts["failed"] == 1
    server.gate.set()
    before = len(server.requests)
    assert get(server, folder, "repaired/1", "good/2").complete
    assert server.requests[before:] == ["/repaired/1"]
    before = len(server.requests)
    assert get(server, folder, "repaired/1", "good/2").new == 0
    assert server.requests[before:] == []


def test_refused_is_asked_again_only_on_request_or_under_other_settings(server, folder):
    def asked(**options):
        before = len(server.requests)
        get(server, folder, "missing", "large/1", **options)
        return sorted(server.requests[before:])

    assert asked(max_bytes=1000) == ["/large/1", "/missing"]
    assert asked(max_bytes=1000) == []
    assert asked(max_bytes=1000, retry_refused=True) == ["/large/1", "/missing"]
    assert asked() == ["/large/1"]  # it is not too large any more
    assert asked() == []


def test_a_server_s_wish_to_wait_is_respected_by_all(server, folder):
    collected = get(server, folder, "busy-once/1", workers=1)
    assert collected.complete
    assert server.times[1] - server.times[0] > 0.9


def test_slow_servers_are_left(server, folder):
    collected = get(server, folder, "drip", "drip-head", "silent", "good/1", timeout=0.1)
    reasons = {r.url.rpartition("/")[2]: r.reason for r in collected.records}
    assert reasons["drip"] == reasons["drip-head"] == "takes longer than 0.4 seconds"
    assert reasons["silent"] == "does not answer"
    assert collected.counts["stored"] == 1
    assert len(files(folder)) == 1


def test_an_unknown_host_and_a_closed_port(folder):
    with Server() as gone:
        url = gone.url("good/1")
    collected = collect([url, "http://no-such-host.invalid/a"], folder, allow_private=True)
    assert [r.status for r in collected.records] == ["failed", "failed"]
    assert "cannot be reached" in collected.records[0].reason
    assert "unknown host" in collected.records[1].reason


def test_cookies_are_not_carried_from_one_address_to_the_next(server, folder):
    get(server, folder, "cookie/1", "cookie/2", workers=1)
    assert server.cookies == [None, None]


def test_duplicates_are_found_by_content_and_by_look(server, folder):
    small = picture(1, "PNG", (96, 80))  # the same clouds, twice the size, another format
    source = folder.parent / "mine"
    (source / "cats").mkdir(parents=True)
    (source / "dogs").mkdir()
    (source / "cats" / "a.jpg").write_bytes(picture(1))
    assert collect(source, folder).counts["stored"] == 1
    (source / "cats" / "b.jpg").write_bytes(picture(1))
    (source / "dogs" / "c.jpg").write_bytes(picture(1))
    (source / "cats" / "d.png").write_bytes(small)
    (source / "cats" / "e.jpg").write_bytes(picture(2))
    a, b, d, e, c = collect(source, folder).records
    assert (b.status, b.same_as) == ("duplicate", a.path)
    assert (c.status, c.same_as) == ("duplicate", a.path)
    assert "of the class 'cats', not 'dogs'" in c.reason
    assert (d.status, d.similar_to) == ("stored", a.path)
    assert (e.status, e.similar_to) == ("stored", None)
    assert len(files(folder)) == 3

    strict = collect(source, folder.parent / "strict", drop_similar=True)
    assert strict.counts["stored"] == 2
    assert strict.counts["duplicate"] == 3
    assert strict.complete


def test_the_place_is_taken_out_unless_asked(folder, tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    source = tmp_path / "mine"
    source.mkdir()
    (source / "a.jpg").write_bytes(picture(1, exif=exif))
    (record,) = collect(source, folder, label="cats").records
    assert record.label == "cats" and record.path.startswith("cats/")
    assert record.received_sha256 == hashlib.sha256((source / "a.jpg").read_bytes()).hexdigest()
    stored = folder / record.path
    with Image.open(stored) as image:
        assert not image.getexif().get_ifd(0x8825)
    assert (decode(stored, 3) == decode(picture(1), 3)).all()
    (kept,) = collect(source, tmp_path / "kept", keep_location=True).records
    assert (tmp_path / "kept" / kept.path).read_bytes() == (source / "a.jpg").read_bytes()


def test_a_folder_collects_from_no_folder_around_it(folder, tmp_path):
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture(1))
    for source, target in [(folder, folder), (tmp_path, folder), (folder, folder / "new")]:
        with pytest.raises(DataError, match="one lies in the other"):
            collect(source, target)


def test_values_that_make_no_sense(folder):
    with pytest.raises(DataError, match="got 0, 1 and 30"):
        collect(["http://a/b"], folder, workers=0, max_bytes=1)
    with pytest.raises(DataError, match=r"class '\.\./up' cannot be a folder"):
        collect(["http://a/b"], folder, label="../up")
    with pytest.raises(DataError, match=r"class 'a/b' cannot be a folder"):
        collect([Wanted("http://a/b", "a/b")], folder)
    assert not folder.exists()
    folder.write_text("in the way")
    with pytest.raises(DataError, match="is a file"):
        collect(["http://a/b"], folder)


def test_one_image(server, tmp_path):
    path = download_image(server.url("png/1"), tmp_path / "new" / "a.jpg", allow_private=True)
    assert path == tmp_path / "new" / "a.png"
    assert path.read_bytes() == picture(1, "PNG")
    assert download_image(server.url("good/1"), tmp_path / "b", allow_private=True).name == "b.jpg"
    assert download_image(server.url("good/1"), tmp_path / "c.JPEG", allow_private=True).exists()
    inside = download_image(server.url("good/1"), tmp_path, allow_private=True)
    assert inside.name.startswith("1-") and inside.suffix == ".jpg"
    for url, reason in [
        (server.url("missing"), r"missing answered 404 Not Found\.$"),
        (server.url("page.jpg"), "holds text"),
        ("file:///etc/passwd", "not of the web"),
    ]:
        with pytest.raises(DownloadError, match=reason):
            download_image(url, tmp_path / "d.jpg", allow_private=True)
    with pytest.raises(DownloadError, match="private network"):
        download_image(server.url("good/1"), tmp_path / "d.jpg")
    assert not (tmp_path / "d.jpg").exists()
