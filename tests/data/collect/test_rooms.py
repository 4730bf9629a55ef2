"""The rooms of collect one by one: addresses, lists, names, manifest, duplicates, workers."""

import gzip
import json
import threading
from contextlib import closing

import numpy as np
import pytest

from tests.data.collect.server import picture
from tinyvision.data.answers import RefusedError
from tinyvision.data.collect.addresses import check_url, is_public
from tinyvision.data.collect.archives import is_archive
from tinyvision.data.collect.duplicates import NEAR, Known, look
from tinyvision.data.collect.fetch import unpacked
from tinyvision.data.collect.manifest import Manifest, Record
from tinyvision.data.collect.naming import file_name, label_problem
from tinyvision.data.collect.wanted import Wanted, read_list
from tinyvision.data.collect.workers import in_workers
from tinyvision.data.images import decode
from tinyvision.data.layout import find_images
from tinyvision.errors import DataError

# --- addresses ---

# From IANA's registries of special-purpose addresses (RFC 6890 and its updates).
PRIVATE = """
0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 224.0.1.1
239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::7f00:1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1
2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1
ff02::1 ff0e::1
localhost 127.1 nonsense
"""
PUBLIC = """
1.1.1.1 8.8.8.8 93.184.216.34 172.15.0.1 172.32.0.1 192.167.0.1 100.63.0.1 100.128.0.1
2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "file: addresses are not of the web"),
        ("ftp://example.org/a.jpg", "ftp: addresses"),
        ("data:image/png;base64,AAAA", "data: addresses"),
        ("javascript:alert(1)", "javascript: addresses"),
        ("gopher://example.org/", "gopher: addresses"),
        ("example.org/a.jpg", "has no http://"),
        ("/a.jpg", "has no http://"),
        ("", "has no http://"),
        ("http://", "names no host"),
        ("http:///a.jpg", "names no host"),
        ("http://example.org:99999/", "no valid address"),
        ("http://example.org:port/", "no valid address"),
        ("http://[::1/", "no valid address"),
        ("http://example.org/a b", "blanks or control"),
        ("http://example.org/\r\nHost: other", "blanks or control"),
        ("http://example.org/\0", "blanks or control"),
        ("http://example.org/" + "a" * 9000, "of 9,019 characters"),
    ],
)
def test_what_is_no_address_of_the_web(url, reason):
    with pytest.raises(RefusedError, match=reason):
        check_url(url)


def test_what_is_an_address():
    check_url("http://example.org/a%20b.jpg?x=1#part")
    check_url("HTTPS://example.org:8443/ü.jpg")


# --- lists ---


def listed(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return [(w.url, w.label, w.licence) for w in read_list(path)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "http://a/1 big cats\r\n# no\r\n\r\n  http://a/2\r\nhttp://a/3\tdogs\tCC BY 4.0"),
        ("a.csv", "http://a/1,big cats\n\nhttp://a/2\nhttp://a/3,dogs,CC BY 4.0\n"),
        ("b.csv", 'licence,url,by,Class\n,http://a/1,x,big cats\n,http://a/2\n"CC BY 4.0",'
                  '"http://a/3",,dogs\n'),
        ("a.jsonl", '{"url": "http://a/1", "label": "big cats", "x": 1}\n{"url": "http://a/2"}\n\n'
                    '{"url": "http://a/3", "class": "dogs", "license": "CC BY 4.0"}\n'),
        ("bom.txt", "\ufeffhttp://a/1 big cats\nhttp://a/2\nhttp://a/3\tdogs\tCC BY 4.0"),
    ],
)  # fmt: skip
def test_lists_of_every_kind_say_the_same(tmp_path, name, text):
    assert listed(tmp_path, name, text) == [
        ("http://a/1", "big cats", None),
        ("http://a/2", None, None),
        ("http://a/3", "dogs", "CC BY 4.0"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "http://a/1 ../up", r"a\.txt, line 1: the class '\.\./up' cannot be a folder"),
        ("a.txt", "http://a/1 a\nhttp://a/2 b\nhttp://a/1 b", "line 3: .*'b' here and .* 'a' befo"),
        ("a.txt", "# nothing\n", "holds no addresses"),
        ("a.jsonl", '{"url": 1}', r"line 1 is no object with a \"url\""),
        ("a.jsonl", "[1]", "line 1 is no object"),
        ("a.jsonl", '{"url": "x"}\n{', "line 2 is no JSON"),
    ],
)
def test_lists_that_make_no_sense(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message):
        listed(tmp_path, name, text)


def test_repetitions_count_once_and_bytes_are_no_list(tmp_path):
    assert len(listed(tmp_path, "a.txt", "http://a/1 a\nhttp://a/1 a\n")) == 1
    (tmp_path / "photo.jpg").write_bytes(picture(1))
    with pytest.raises(DataError, match="is no list of addresses"):
        read_list(tmp_path / "photo.jpg")
    assert not is_archive(tmp_path / "photo.jpg")
    (tmp_path / "empty").write_bytes(b"")
    assert not is_archive(tmp_path / "empty")


# --- names ---


def test_names_of_files():
    digest = "9f86d081884c" + "0" * 52
    assert file_name("http://a/My%20Cat.png?size=l", digest, "JPEG") == "My-Cat-9f86d081884c.jpg"
    assert file_name("http://a/", digest, "PNG") == "image-9f86d081884c.png"
    assert file_name("http://a/..%2f..%2fetc%2fpasswd", digest, "MPO") == "passwd-9f86d081884c.jpg"
    assert file_name("http://a/%00%0a\u202e", digest, "TIFF") == "image-9f86d081884c.tif"
    assert file_name("file:///a.zip#cats/b.gif", digest, "GIF") == "b-9f86d081884c.gif"
    assert len(file_name("http://a/" + "x" * 1000, digest, "WEBP")) == 40 + 1 + 12 + 5


@pytest.mark.parametrize(
    "label",
    ["", ".", "..", "a/b", "a\\b", "../a", ".hidden", "a.", " a", "a ", "a\n", "a\0b", "\x1b[2J",
     "con", "NUL.txt", "LPT1", "a:b", "a*", "\udc80", "x" * 201, "é" * 101, "__MACOSX"],
)  # fmt: skip
def test_classes_that_cannot_be_folders(label):
    assert label_problem(label)


def test_every_class_that_can_be_a_folder_is_found_again(tmp_path):
    labels = [
        "cats",
        "notes.txt",
        "golden retriever",
        "Käfer",
        "猫",
        "v1.2",
        "a'b",
        "100%",
        "console",
    ]
    for label in labels:
        assert label_problem(label) is None
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.jpg").write_bytes(picture(1))
    assert set(find_images(tmp_path).classes) == set(labels)


# --- manifest ---


def records(path):
    with closing(Manifest(path)) as manifest:
        return manifest.records


def test_the_manifest_remembers_across_runs_and_survives_a_torn_line(tmp_path):
    path = tmp_path / "manifest.jsonl"
    manifest = Manifest(path)
    manifest.append(Record("http://a/1", "failed", reason="broke off"))
    manifest.append(Record("http://a/1", "stored", path="cats/ü.jpg", under={"max_bytes": 1}))
    manifest.append(Record("http://a/\udc80", "refused", http=404))
    manifest.close()
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line)["status"] for line in lines[:-1]] == ["failed", "stored", "refused"]
    assert "ü".encode() in lines[1]  # to be read by people
    assert b"null" not in path.read_bytes()

    for cut in range(len(lines[2])):  # a kill at any byte of the last line
        path.write_bytes(b"\n".join(lines[:2]) + b"\n" + lines[2][:cut])
        manifest = Manifest(path)
        assert list(manifest.records) == ["http://a/1"]
        assert manifest.records["http://a/1"].status == "stored"
        assert manifest.records["http://a/1"].under == {"max_bytes": 1}
        manifest.append(Record("http://a/2", "stored"))
        manifest.close()
        assert len(records(path)) == 2
    path.write_bytes(b"\n".join(lines[:3]))  # an editor that leaves out the last line break
    manifest = Manifest(path)
    manifest.append(Record("http://a/3", "stored"))
    manifest.close()
    assert list(records(path)) == ["http://a/1", "http://a/\udc80", "http://a/3"]


def test_a_manifest_damaged_by_hand_names_the_line(tmp_path):
    path = tmp_path / "manifest.jsonl"
    good = Record("http://a/1", "stored").line()
    for bad in (b"{", b"[]", b'{"url": 1, "status": "stored"}', b'{"url": "a", "status": "ok"}'):
        path.write_bytes(good + bad + b"\n" + good)
        with pytest.raises(DataError, match=r"manifest\.jsonl, line 2 cannot be read"):
            Manifest(path)
    path.write_bytes(b'{"url": "a", "status": "stored", "of_later_versions": 1}\n\n')
    assert records(path)["a"].status == "stored"


# --- duplicates ---


def gray(content):
    return decode(content, 1)


def apart(a, b):
    return (a ^ b).bit_count()


def test_a_look_survives_scaling_and_compression_but_tells_pictures_apart():
    looks = [look(gray(picture(seed, "PNG", (240, 200), 20))) for seed in range(40)]
    for seed, original in enumerate(looks[:10]):
        for other in (
            picture(seed, "PNG", (480, 400), 20),
            picture(seed, "JPEG", (240, 200), 20, quality=30),
            picture(seed, "WEBP", (200, 240), 20),
        ):
            assert apart(look(gray(other)), original) <= NEAR
    different = [apart(a, b) for i, a in enumerate(looks) for b in looks[:i]]
    assert min(different) > NEAR
    assert 28 < np.mean(different) < 36  # of 64 independent bits half agree


def test_plain_pictures_have_no_look():
    assert look(np.full((20, 30, 1), 200, np.uint8)) is None
    assert Known([]).similar(None) is None
    assert Known([]).similar(5) is None


def test_the_nearest_of_many_is_found():
    rng = np.random.default_rng(0)
    looks = [int(value) for value in rng.integers(0, 2**64, 3000, dtype=np.uint64)]
    known = Known(
        Record(str(i), "stored", sha256=f"s{i}", look=f"{value:016x}")
        for i, value in enumerate(looks)
    )
    assert known.similar(looks[2500] ^ 0b1011).url == "2500"  # three bits differ
    assert known.similar(looks[2500] ^ 0x8000000000000000).url == "2500"
    assert known.similar(looks[2500] ^ 0b11111) is None
    assert known.same("nothing", "s7").url == "7"
    assert known.same("nothing") is None


# --- threads, transfers ---


def test_results_come_as_they_are_ready_and_errors_where_they_are_raised():
    gate = threading.Event()

    def work(number):
        if number == 0:
            gate.wait(10)
        if number == 3:
            gate.set()
        return number

    results = list(in_workers(work, range(6), 2, stop=gate.set))
    assert sorted(results) == list(range(6))
    assert results[0] != 0

    def fail(number):
        raise OSError(number)

    stopped = []
    with pytest.raises(OSError, match="0"):
        list(in_workers(fail, range(100), 1, lambda: stopped.append(True)))
    assert stopped == [True]


def test_the_jobs_are_read_a_little_ahead_only():
    taken = []

    def jobs():
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_workers(lambda number: number, jobs(), 3, lambda: None)
    next(results)
    assert len(taken) <= 7
    results.close()


def test_a_bomb_is_unpacked_in_bounded_pieces():
    bomb = gzip.compress(bytes(50_000_000))
    sizes = []
    for piece in unpacked([bomb[:1000], bomb[1000:]], "gzip"):
        sizes.append(len(piece))
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == 50_000_000
    assert b"".join(unpacked([b"as it is"], " identity ")) == b"as it is"
    with pytest.raises(RefusedError, match="gzip, gzip"):  # packed twice to hide
        list(unpacked([b""], "gzip, gzip"))


def test_wanted_goes_to_its_class_or_its_folder():
    assert Wanted("u").place == ""
    assert Wanted("u", "cats").place == "cats"
    assert Wanted("u", "cats", folder="train/cats").place == "train/cats"
