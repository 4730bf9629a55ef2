"""Collecting from a web where everything goes wrong that can."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.collect_server import Server, picture
from tinyvision.data import collect, decode, download_image
from tinyvision.data.collect import Wanted, addresses, fetch
from tinyvision.errors import DataError, DownloadError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetch, "PAUSE", 0.001)


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "collection"


def get(server, folder, *paths, **options):
    options = {"allow_private": True, **options}
    return collect([(server.url(path), "things") for path in paths], folder, **options)


def lines(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def files(folder):
    """Every file of a collection but its manifest and its lock."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    return sorted(found - {"manifest.jsonl", ".collecting/lock"})


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


# --- addresses, on the wire ---


@pytest.fixture
def two_networks(monkeypatch):
    """127.0.0.1 passes for the internet, 127.0.0.2 for the network at home."""
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip == "127.0.0.1")
    try:
        home = Server("127.0.0.2")
    except OSError:
        pytest.skip("this system has one loopback address")
    with Server() as web, home:
        yield web, home


def test_private_addresses_are_refused_before_a_connection(server, folder):
    collected = get(server, folder, "good/1", allow_private=False)
    assert collected.records[0].status == "refused"
    assert "private network (127.0.0.1)" in collected.records[0].reason
    assert server.requests == []
    for url in ["http://localhost:{}/a", "http://2130706433:{}/a", "http://[::1]:{}/a"]:
        (record,) = collect([url.format(server.server_address[1])], folder).records
        assert "private network" in record.reason or "unknown host" in record.reason
    assert server.requests == []
    assert get(server, folder, "good/1").complete  # allowed now, so the refusal does not stand


@pytest.mark.parametrize(
    ("onward", "reason"),
    [
        ("{home}", "private network (127.0.0.2)"),
        ("//127.0.0.2:{port}/good/1", "private network (127.0.0.2)"),
        ("https://127.0.0.2:{port}/good/1", "private network (127.0.0.2)"),
        ("file:///etc/passwd", "file: addresses are not of the web"),
        ("ftp://127.0.0.1/a", "ftp: addresses are not of the web"),
        ("http://[broken", "redirects to what is no address"),
    ],
)
def test_redirects_are_checked_like_addresses(two_networks, folder, onward, reason):
    web, home = two_networks
    web.elsewhere = onward.format(home=home.url("good/1"), port=home.server_address[1])
    (record,) = collect([web.url("to")], folder).records
    assert record.status == "refused"
    assert reason in record.reason
    assert home.requests == []
    assert files(folder) == []


def test_a_name_server_that_changes_its_mind_is_not_asked_twice(two_networks, folder, monkeypatch):
    """DNS rebinding: the first answer is public, the second leads home."""
    web, home = two_networks
    answers = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])
    real = addresses.socket.getaddrinfo

    def lookup(host, *arguments, **options):
        return real(next(answers) if host == "rebinding.test" else host, *arguments, **options)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", lookup)
    port = web.server_address[1]
    (record,) = collect([f"http://rebinding.test:{port}/good/1"], folder).records
    assert record.status == "stored"
    assert web.requests == ["/good/1"]
    assert home.requests == []
    (record,) = collect([f"http://rebinding.test:{port}/good/2"], folder).records
    assert record.status == "refused"
    assert "rebinding.test is 127.0.0.2" in record.reason


def test_a_certificate_is_wanted(server, folder):
    url = server.url("good/1").replace("http:", "https:")
    (record,) = collect([url], folder, allow_private=True).records
    assert (record.status, record.reason) == ("refused", "has no valid certificate")


def test_a_proxy_of_the_environment_is_used_but_not_for_private_addresses(
    server, folder, monkeypatch
):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", server.url(""))
    public, private = "http://no-such-host.invalid/good/1", "http://192.168.0.1/good/2"
    collected = collect([public, private], folder)
    assert [record.status for record in collected.records] == ["stored", "refused"]
    assert server.proxied == [public]


# --- killed, interrupted, out of space ---


def start(folder, listing, *options):
    command = [sys.executable, "-m", "tinyvision", "collect", listing, folder, "--allow-private"]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "kernels")])
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": path, "NO_PROXY": "*"},
    )


def recorded(folder):
    try:
        content = (folder / "manifest.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line)["url"] for line in content.split(b"\n")[:-1]]


def wait_for(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come to that within ten seconds")


def test_killed_again_and_again_it_loses_nothing(server, folder, tmp_path):
    urls = [server.url(f"paced/{i}") for i in range(60)]
    listing = tmp_path / "urls.txt"
    listing.write_text("".join(f"{url} c{i % 3}\n" for i, url in enumerate(urls)))
    dice = random.Random(0)
    for _ in range(2):
        done = recorded(folder)
        asked = len(server.requests)
        child = start(folder, listing, "--workers", "2")
        more = len(done) + dice.randrange(5, 15)
        wait_for(lambda more=more: len(recorded(folder)) >= more)
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        assert not {server.url(path[1:]) for path in server.requests[asked:]} & set(done)
        # whatever has a line is whole and in its place
        for line in (folder / "manifest.jsonl").read_bytes().split(b"\n")[:-1]:
            record = json.loads(line)
            content = (folder / record["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == record["sha256"]
    with (folder / "manifest.jsonl").open("ab") as manifest:
        manifest.write(b'{"url": "http://torn')  # as if killed in the middle of a line
    (folder / ".collecting" / "left").write_bytes(b"half an image")

    done, asked = set(recorded(folder)), len(server.requests)
    child = start(folder, listing)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, out + err
    assert "60 images stored" in out
    assert {server.url(path[1:]) for path in server.requests[asked:]} == set(urls) - done
    assert sorted(recorded(folder)) == sorted(urls)  # a line each, and none torn
    assert len(files(folder)) == 60
    assert {(folder / name).read_bytes() for name in files(folder)} == {
        picture(i) for i in range(60)
    }


def test_ctrl_c_leaves_a_clean_folder_and_does_not_wait(server, folder, tmp_path):
    listing = tmp_path / "urls.txt"
    paths = ["good/1", "good/2", *(f"silent/{i}" for i in range(6))]
    listing.write_text("".join(server.url(path) + "\n" for path in paths))
    child = start(folder, listing)
    wait_for(lambda: len(recorded(folder)) == 2 and len(server.requests) == 8)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=15)  # half of what the servers are given to answer
    assert child.returncode == 130
    assert "goes on from here" in out
    assert "Traceback" not in err
    assert len(recorded(folder)) == len(files(folder)) == 2


def test_an_interrupt_in_the_progress_ends_the_workers(server, folder):
    def interrupted(record, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, folder, "good/1", *(f"gated/{i}" for i in range(20, 30)), progress=interrupted)
    asked = len(server.requests)
    server.gate.set()
    assert len(files(folder)) == len(recorded(folder)) == 1
    assert get(server, folder, "good/1", *(f"gated/{i}" for i in range(20, 30))).complete
    assert "/good/1" not in server.requests[asked:]


@pytest.mark.parametrize("limit", [300, 1500])  # bytes: no image fits, or no third line
def test_a_full_disk_stops_the_run_and_the_next_goes_on(server, folder, limit):
    resource = pytest.importorskip("resource")
    paths = [f"{'png' if limit == 300 else 'tiny'}/{i}" for i in range(6)]
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    small = [(server.url(path), "t") for path in paths]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))  # Python ignores SIGXFSZ
        with pytest.raises(DownloadError, match=r"cannot be written to \(File too large\).* on"):
            collect(small, folder, allow_private=True, workers=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    done = recorded(folder)  # every line is whole
    assert (len(done) == 0) if limit == 300 else (0 < len(done) < 6)
    assert all((folder / line["path"]).is_file() for line in lines(folder))
    asked = len(server.requests)
    assert collect(small, folder, allow_private=True).complete
    assert len(files(folder)) == 6
    assert sorted(recorded(folder)) == sorted(url for url, _ in small)
    assert not {server.url(path[1:]) for path in server.requests[asked:]} & set(done)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "things").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot be written to"):
        get(server, tmp_path, "good/1")


# --- one image ---


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
