"""The session: connections that go to judged addresses only, and that can be cut from outside."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from ..answers import AGENT, AskAgainError, RefusedError
from .addresses import resolve
from .outcome import TooSlowError


class Watch:
    """Knows which thread talks over which socket, to cut those that take too long.

    A server may send a byte every few seconds for ever: each wait is short, the whole is not. So a
    timer cuts the connection when the time is up, and an interrupt cuts all of them at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket | None] = {}
        self._late: set[int] = set()

    def note(self, sock: socket.socket) -> None:
        """Tell that this thread uses a socket now."""
        thread = threading.get_ident()
        with self._lock:
            if thread in self._late:  # the time was up before there was a socket to cut
                _shut(sock)
            elif thread in self._sockets:
                self._sockets[thread] = sock

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Surround a conversation that is cut after so many seconds, with TooSlowError."""
        thread = threading.get_ident()
        timer = threading.Timer(seconds, self._cut, (thread,))
        timer.daemon = True
        with self._lock:
            self._sockets[thread] = None
        timer.start()
        problem: Exception | None = None
        try:
            yield
        except (AskAgainError, RefusedError) as error:
            problem = error
        finally:
            timer.cancel()
            with self._lock:
                self._sockets.pop(thread, None)
                late = thread in self._late
                self._late.discard(thread)
        if late:  # whatever the error says is about the cut; a body without length just ended
            raise TooSlowError(f"takes longer than {seconds:g} seconds")
        if problem is not None:
            raise problem

    def cut_all(self) -> None:
        """Cut every conversation."""
        with self._lock:
            threads = list(self._sockets)
        for thread in threads:
            self._cut(thread)

    def _cut(self, thread: int) -> None:
        with self._lock:
            if thread not in self._sockets:
                return
            self._late.add(thread)
            sock = self._sockets[thread]
            if sock is not None:
                _shut(sock)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # the other side has closed it
        # the plain shutdown: that of a TLS socket changes what its reader is using
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class GuardedAdapter(HTTPAdapter):
    """Connects to judged addresses, and tells the watch of every socket."""

    def __init__(self, watch: Watch, workers: int, *, allow_private: bool) -> None:
        self._pools = _guarded_pools(watch, allow_private)
        super().__init__(pool_connections=2 * workers, pool_maxsize=workers, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools, of the classes that guard."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


class Session(requests.Session):
    """A session that remembers nothing of one address when it asks the next.

    No cookies, no passwords from ``~/.netrc``; of the environment it takes the proxies and the
    certificates. Behind a proxy it is the proxy that connects: a name that resolves here is judged
    all the same, but what the proxy makes of it is up to the proxy.
    """

    def __init__(self, watch: Watch, workers: int, *, allow_private: bool) -> None:
        super().__init__()
        self._allow_private = allow_private
        self.trust_env = False
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self.verify = bundle or True
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # identity: an image is compressed already, and what unpacks may be a bomb
        self.headers.update({"User-Agent": AGENT, "Accept-Encoding": "identity"})
        adapter = GuardedAdapter(watch, workers, allow_private=allow_private)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def ask(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        """Send one request, follow nothing, and return the head of the answer."""
        proxies = get_environ_proxies(url)
        if select_proxy(url, proxies):
            host = urlsplit(url).hostname or ""
            with suppress(AskAgainError):  # a name that only the proxy can look up
                resolve(host, 0, allow_private=self._allow_private)
        return self.get(url, stream=True, timeout=timeout, allow_redirects=False, proxies=proxies)

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[requests.Response]:
        """Prepare no redirect: requests would read its body to the end, which may never come."""
        return iter(())


def _guarded_pools(watch: Watch, allow_private: bool) -> dict[str, type[HTTPConnectionPool]]:
    """Make the classes of urllib3 that connect through :func:`~.addresses.resolve`."""

    class Guarded(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            reason: Exception = OSError("no address")
            for address in resolve(self.host, self.port or 0, allow_private=allow_private):
                try:
                    return create_connection(
                        (address, self.port or 0),
                        self.timeout,
                        source_address=self.source_address,
                        socket_options=self.socket_options,
                    )
                except TimeoutError as error:
                    reason = ConnectTimeoutError(self, f"{self.host} does not answer")
                    reason.__cause__ = error
                except OSError as error:
                    reason = NewConnectionError(self, f"{self.host} cannot be reached")
                    reason.__cause__ = error
            raise reason

        def connect(self) -> None:
            super().connect()
            watch.note(self.sock)

        def request(self, *arguments: Any, **options: Any) -> None:
            if self.sock is not None:  # kept open since the last request
                watch.note(self.sock)
            super().request(*arguments, **options)

    class GuardedTLS(Guarded, HTTPSConnection):  # connect: TLS, then the note
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Guarded

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = GuardedTLS

    return {"http": Pool, "https": TLSPool}
