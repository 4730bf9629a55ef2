"""Which addresses may be asked: the web, and not the machines behind the user's own door.

A list of addresses is written by others, and so is every redirect. One that names
``http://192.168.0.1/reboot`` or ``http://169.254.169.254/`` (where a cloud machine finds its
passwords) would be asked from inside the user's network. So a name is resolved once, its addresses
are judged, and the connection goes to a judged address: a name server that gives another answer the
second time (DNS rebinding) is never asked a second time.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from ..answers import AskAgainError, RefusedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IPv6 addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_LONGEST = 8000  # characters of an address; longer ones are refused by servers, too (RFC 9110, 4.1)


class PrivateAddressError(RefusedError):
    """The address lies in a private network, or in this machine."""


def check_url(url: str) -> None:
    """Refuse what is no address of the web.

    Raises
    ------
    RefusedError
        A scheme other than http and https, no host, no valid port, blanks or control characters.
    """
    if len(url) > _LONGEST:
        raise RefusedError(f"is an address of {len(url):,} characters")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise RefusedError("has blanks or control characters in its address")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError as error:
        raise RefusedError(f"is no valid address ({error})") from None
    if parts.scheme.lower() not in ("http", "https"):
        scheme = f"{parts.scheme}: addresses are" if parts.scheme else "what has no http:// is"
        raise RefusedError(f"is not asked: {scheme} not of the web")
    if not host:
        raise RefusedError("names no host")


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet.

    Not public are private, loopback, link-local, shared, reserved, documentation and multicast
    addresses (IANA's special-purpose registries), and IPv6 addresses that lead to such an IPv4
    address.
    """
    try:
        ip: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Look a name up and return the IP addresses that a connection may go to.

    Raises
    ------
    PrivateAddressError
        None of its addresses is public. One that also has public ones is asked at those.
    AskAgainError
        The name is not known, or no name server answers.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # "host" may be too long for a name, or two dots in a row
        raise AskAgainError(f"has an unknown host ({host})") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if allow_private:
        return addresses
    public = [address for address in addresses if is_public(address)]
    if not public:
        where = host if host == addresses[0] else f"{host} is {addresses[0]}"
        raise PrivateAddressError(
            f"leads into a private network ({where}); if you trust the list, allow such "
            "addresses by --allow-private"
        )
    return public
