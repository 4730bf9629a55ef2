"""Addresses on the wire: no road leads from the web into a private network."""

import pytest

from tests.data.collect.collection import files, get
from tests.data.collect.server import Server
from tinyvision.data import collect
from tinyvision.data.collect import addresses


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
