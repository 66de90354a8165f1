# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Downloads over kept connections: http, https and file URLs, proxies, redirects, client certificates.

A `Session` belongs to one thread and keeps one connection per server. Importing this module is not cheap (http.client
loads ssl), so callers do it when there is something to download.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import socket
import ssl
import stat
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from .proxies import NO_PROXY, Proxies, Proxy

CONNECT_TIMEOUT = 30.0  # seconds
STALL_TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 18
MAX_REDIRECTS = 20

INTERRUPTED = 42  # curl's exit code for it

_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_MISSING = (404, 410)
_RANGES = (206, 416)
# An error page of this size or less is read to its end, so that the connection can be used again.
_SMALL_BODY = 1 << 16

Write = Callable[[memoryview], None]


class Sink:
    """Where the content of a file goes, in attempts: `size` bytes are there, `write` takes more, `reset` throws them away."""

    def __init__(self, write: Write, reset: Callable[[], None] | None = None) -> None:
        self.size = 0
        self._write = write
        self._reset = reset

    def write(self, data: memoryview) -> None:
        self._write(data)
        self.size += len(data)

    def reset(self) -> None:
        if self.size and self._reset is not None:
            self._reset()
        self.size = 0


class FetchError(Exception):
    """Why one attempt failed, as the end of a sentence; never contains credentials.

    `code` is curl's exit code for it (curl(1), EXIT CODES), `retry` tells whether another attempt may end otherwise, `delay`
    how many seconds the server asked to wait before it, `missing` that the server has no such file.
    """

    def __init__(
        self, reason: str, code: int, *, retry: bool = False, delay: float = 0.0, missing: bool = False
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.retry = retry
        self.delay = delay
        self.missing = missing


@dataclass(frozen=True)
class Tls:
    """How to talk to https servers: paths of PEM files, and whether to accept any certificate."""

    insecure: bool = False
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


@dataclass(frozen=True)
class Url:
    """A URL taken apart; `credentials` is the decoded ``user:password`` or empty, `path` is as it was written."""

    scheme: str
    host: str
    port: int
    path: str
    query: str
    credentials: str = ""

    @property
    def server(self) -> tuple[str, str, int]:
        """What connections are kept for."""
        return self.scheme, self.host, self.port


def redact(url: str) -> str:
    """Return `url` without user name and password."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@", r"\1", url)


def parse_url(url: str) -> Url:
    """Take `url` apart. Raises FetchError naming what is wrong with it."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError as error:
        raise FetchError(f"the URL is not valid: {error}", 3) from None
    if parts.scheme == "file":
        if host not in ("", "localhost"):
            raise FetchError(f"file URLs name a file of this host, but found the host '{host}'", 3)
        # A file name may hold what elsewhere begins a query or fragment.
        return Url("file", "", 0, url[url.index("/", len("file://")) :] if "/" in url[len("file://") :] else "", "")
    if parts.scheme not in ("http", "https"):
        raise FetchError(f"the scheme '{parts.scheme}' is not supported, only http, https and file are", 1)
    if not host:
        raise FetchError("the URL names no host", 3)
    user = parts.netloc.rpartition("@")[0]
    port = port if port is not None else 443 if parts.scheme == "https" else 80
    return Url(parts.scheme, host, port, parts.path or "/", parts.query, urllib.parse.unquote(user))


def _quote(path: str) -> str:
    # "+" is quoted although it need not be: object stores behind mirrors take it for a blank.
    return urllib.parse.quote(path, safe="/~:@!$&'()*,;=")


def _request_targets(url: Url) -> list[str]:
    """Return the ways to ask for `url`, in the order to try them.

    osbuild manifests hold plain URLs, so a percent sign is one. But apt and others write characters that need no quoting
    (``+ ~ :`` ...) as escapes; where the server has nothing under the literal name, these are taken for what they mean.
    """
    query = "?" + re.sub("%(?![0-9A-Fa-f]{2})", "%25", urllib.parse.quote(url.query, safe="/~:@!$&'()*+,;=?%"))
    query = query if url.query else ""

    def spell(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char.isascii() and (char.isalnum() or char in "-._~:@!$&'()*+,;=") else match[0]

    plain = re.sub("%([0-9A-Fa-f]{2})", spell, url.path)
    paths = [url.path] if plain == url.path else [url.path, plain]
    return [_quote(path) + query for path in paths]


def _basic(credentials: str) -> str:
    text = credentials if ":" in credentials else credentials + ":"
    return "Basic " + base64.b64encode(text.encode()).decode()


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved: {error.strerror}"
    if isinstance(error, TimeoutError):
        return f"no answer within {STALL_TIMEOUT:.0f} seconds"
    if isinstance(error, http.client.IncompleteRead):
        return "the server closed the connection before the end of the file"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _code(error: Exception, otherwise: int) -> int:
    if isinstance(error, socket.gaierror):
        return 6
    if isinstance(error, TimeoutError):
        return 28
    if isinstance(error, http.client.IncompleteRead):
        return 18
    if isinstance(error, ssl.SSLError):
        return 60 if isinstance(error, ssl.SSLCertVerificationError) else 35
    return 52 if isinstance(error, http.client.RemoteDisconnected) else otherwise


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    tunnel = re.match(r"Tunnel connection failed: (\d+)", str(error))
    return int(tunnel[1]) in _PASSING if tunnel else True


class Contexts:
    """TLS contexts, made once for all sessions: loading the authorities' certificates takes a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[Tls, ssl.SSLContext] = {}

    def get(self, tls: Tls) -> ssl.SSLContext:
        """Return the context for `tls`. Raises FetchError if one of its files cannot be used."""
        with self._lock:
            if tls not in self._contexts:
                try:
                    self._contexts[tls] = self._make(tls)
                except (OSError, ssl.SSLError) as error:
                    files = [name for name in (tls.ca_cert, tls.client_cert, tls.client_key) if name]
                    raise FetchError(
                        f"the TLS files {', '.join(files)} cannot be used: {_reason(error)}", 58
                    ) from error
            return self._contexts[tls]

    @staticmethod
    def _make(tls: Tls) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=tls.ca_cert)
        if tls.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_cert:
            context.load_cert_chain(tls.client_cert, tls.client_key)
        return context


class Session:
    """The connections of one thread. `aborted` tells that another one had them closed: failures say nothing then."""

    def __init__(self, proxies: Proxies = NO_PROXY, contexts: Contexts | None = None, agent: str = "osbuild") -> None:
        self._proxies = proxies
        self._contexts = contexts or Contexts()
        self._agent = agent
        self._connections: dict[tuple[object, ...], http.client.HTTPConnection] = {}
        self.aborted = False

    def fetch(self, url: str, sink: Sink, tls: Tls = Tls(), *, fresh: bool = False) -> None:
        """Hand the content of `url` to `sink`, piece by piece; nothing is handed over before the server agreed to send it.

        What the sink has of an earlier attempt is not asked for again (RFC 9110, 14.2), unless the server sends all anyway.
        Whether the parts belong together, only the checksum of the whole can tell. `fresh` asks caches on the way not to
        answer by themselves. Raises FetchError; what the sink raises passes.
        """
        target = parse_url(url)
        if target.scheme == "file":
            sink.reset()
            self._read_file(target.path, sink.write)
            return
        *first, last = _request_targets(target)
        for resource in first:
            try:
                self._get(target, resource, sink, tls, fresh)
                return
            except FetchError as error:
                if not error.missing:
                    raise
        self._get(target, last, sink, tls, fresh)

    def close(self) -> None:
        """Close all connections."""
        while self._connections:
            self._connections.popitem()[1].close()

    def abort(self) -> None:
        """Make a fetch that runs in another thread fail at once."""
        self.aborted = True
        for connection in list(self._connections.values()):
            sock = connection.sock
            if sock is not None:
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # an SSLSocket would unwrap under the reader
                except OSError:
                    pass  # closed meanwhile

    def _read_file(self, path: str, write: Write) -> None:
        failure = ""
        for name in dict.fromkeys((path, urllib.parse.unquote(path))):
            try:
                fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                break
            except (OSError, ValueError) as error:
                failure = _reason(error)
        else:
            raise FetchError(failure, 37)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FetchError("it is not a regular file", 37)
        with open(fd, "rb", buffering=0) as file:
            buffer = memoryview(bytearray(CHUNK))
            while True:
                try:
                    count = file.readinto(buffer)
                except OSError as error:
                    raise FetchError(_reason(error), 37) from error
                if not count:
                    return
                write(buffer[:count])

    def _get(self, url: Url, resource: str, sink: Sink, tls: Tls, fresh: bool) -> None:
        headers = {"User-Agent": self._agent, "Accept": "*/*"}
        if fresh:
            headers |= {"Cache-Control": "no-cache", "Pragma": "no-cache"}
        if sink.size:
            headers["Range"] = f"bytes={sink.size}-"
        origin = url
        for _ignored in range(MAX_REDIRECTS):
            # Credentials are the first server's business; a redirect elsewhere must not carry them along.
            credentials = url.credentials or (origin.credentials if url.server == origin.server else "")
            auth = {"Authorization": _basic(credentials)} if credentials else {}
            response, key = self._request(url, resource, headers | auth, tls)
            if response.status not in _REDIRECTS:
                self._read(response, key, sink)
                return
            location = response.getheader("Location") or ""
            self._finish(response, key)
            if not location:
                raise FetchError(f"the server answered {response.status} without saying where to go", 22)
            base = f"{url.scheme}://{'[' + url.host + ']' if ':' in url.host else url.host}:{url.port}{resource}"
            url = parse_url(urllib.parse.urljoin(base, location))
            if url.scheme == "file":
                raise FetchError("the server redirected to a file of this host, which is not followed", 1)
            # What a server sends is quoted already.
            resource = urllib.parse.quote(url.path, safe="/~:@!$&'()*,;=+%") + (f"?{url.query}" if url.query else "")
        raise FetchError(f"more than {MAX_REDIRECTS} redirects", 47)

    def _request(
        self, url: Url, resource: str, headers: dict[str, str], tls: Tls
    ) -> tuple[http.client.HTTPResponse, tuple[object, ...]]:
        proxy = self._proxies.choose(url.scheme, url.host, url.port)
        if proxy and url.scheme == "http":
            host = f"[{url.host}]" if ":" in url.host else url.host
            resource = f"http://{host}:{url.port}{resource}" if url.port != 80 else f"http://{host}{resource}"
            if proxy.credentials:
                headers = headers | {"Proxy-Authorization": _basic(proxy.credentials)}
        # A proxy for plain http serves all hosts over one connection.
        key = (proxy, url.scheme, "" if proxy and url.scheme == "http" else url.server, tls)
        while True:
            connection = self._connections.get(key)
            kept = connection is not None
            if connection is None:
                connection = self._connections[key] = self._connect(url, proxy, tls)
            if self.aborted:
                raise FetchError("interrupted", INTERRUPTED)
            try:
                connection.request("GET", resource, headers=headers)
                if connection.sock is not None:
                    connection.sock.settimeout(STALL_TIMEOUT)
                return connection.getresponse(), key
            except (OSError, http.client.HTTPException) as error:
                self._drop(key)
                if kept and isinstance(error, (ConnectionError, http.client.BadStatusLine)):
                    continue  # the server closed the kept connection in between: says nothing about the file
                raise FetchError(self._explain(error, proxy), _code(error, 7), retry=_may_pass(error)) from error

    def _connect(self, url: Url, proxy: Proxy | None, tls: Tls) -> http.client.HTTPConnection:
        if proxy is None:
            if url.scheme == "https":
                context = self._contexts.get(tls)
                return http.client.HTTPSConnection(url.host, url.port, timeout=CONNECT_TIMEOUT, context=context)
            return http.client.HTTPConnection(url.host, url.port, timeout=CONNECT_TIMEOUT)
        if url.scheme == "http":
            if proxy.scheme == "https":
                context = self._contexts.get(Tls())
                return http.client.HTTPSConnection(proxy.host, proxy.port, timeout=CONNECT_TIMEOUT, context=context)
            return http.client.HTTPConnection(proxy.host, proxy.port, timeout=CONNECT_TIMEOUT)
        if proxy.scheme == "https":
            raise FetchError(f"the proxy {proxy} is spoken to over TLS, which is supported for http URLs only", 4)
        context = self._contexts.get(tls)
        connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=CONNECT_TIMEOUT, context=context)
        auth = {"Proxy-Authorization": _basic(proxy.credentials)} if proxy.credentials else {}
        connection.set_tunnel(url.host, url.port, headers=auth)
        return connection

    def _read(self, response: http.client.HTTPResponse, key: tuple[object, ...], sink: Sink) -> None:
        if response.status in _RANGES and sink.size:
            # The part that was asked for, or the next attempt takes it from the beginning.
            part = re.match(r"bytes (\d+)-", response.getheader("Content-Range") or "")
            if response.status != 206 or part is None or int(part[1]) != sink.size:
                sink.reset()
                self._drop(key)
                raise FetchError("the server cannot go on where it was interrupted", 33, retry=True)
        elif response.status != 200:
            self._finish(response, key)
            reason = f"the server answered {response.status} {response.reason}".rstrip()
            after = response.getheader("Retry-After") or ""
            missing = response.status in _MISSING
            retry = missing or response.status in _PASSING
            raise FetchError(reason, 22, retry=retry, delay=float(after) if after.isdigit() else 0.0, missing=missing)
        else:
            sink.reset()
        buffer = memoryview(bytearray(CHUNK))
        complete = False
        try:
            while not self.aborted:
                try:
                    count = response.readinto(buffer)
                except (OSError, http.client.HTTPException) as error:
                    raise FetchError(_reason(error), _code(error, 56), retry=_may_pass(error)) from error
                if not count:
                    break
                sink.write(buffer[:count])
            if self.aborted:
                raise FetchError("interrupted", INTERRUPTED)
            # http.client takes an early end for the end.
            if response.length:
                raise FetchError("the server closed the connection before the end of the file", 18, retry=True)
            complete = True
        finally:
            if not complete or response.will_close:
                self._drop(key)

    def _finish(self, response: http.client.HTTPResponse, key: tuple[object, ...]) -> None:
        """Get rid of a body that nobody wants."""
        try:
            response.read(_SMALL_BODY)
            if not response.isclosed() or response.will_close:
                self._drop(key)
        except (OSError, http.client.HTTPException):
            self._drop(key)

    def _drop(self, key: tuple[object, ...]) -> None:
        connection = self._connections.pop(key, None)
        if connection is not None:
            connection.close()

    @staticmethod
    def _explain(error: Exception, proxy: Proxy | None) -> str:
        return f"{_reason(error)} (proxy {proxy})" if proxy else _reason(error)
