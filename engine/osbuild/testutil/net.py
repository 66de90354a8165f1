# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Small web servers on localhost."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from .atomic import AtomicCounter


class DirHTTPServer(http.server.ThreadingHTTPServer):
    """Serves a directory; counts requests in `reqs`, and answers the first ones with 404 if told so."""

    daemon_threads = True

    def __init__(self, *args: Any, simulate_failures: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reqs = AtomicCounter()
        self._failures_left = simulate_failures
        self._lock = threading.Lock()

    def fail_this_request(self) -> bool:
        with self._lock:
            if self._failures_left <= 0:
                return False
            self._failures_left -= 1
            return True


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: DirHTTPServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.reqs.inc()
        if self.server.fail_this_request():
            self.send_error(404, "simulated failure")
            return
        super().do_GET()


@contextlib.contextmanager
def _serve(
    rootdir: str | os.PathLike[str], simulate_failures: int, context: ssl.SSLContext | None = None
) -> Iterator[DirHTTPServer]:
    handler = functools.partial(_Handler, directory=os.fspath(rootdir))
    with DirHTTPServer(("localhost", 0), handler, simulate_failures=simulate_failures) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def http_serve_directory(rootdir: str | os.PathLike[str], simulate_failures: int = 0) -> Iterator[DirHTTPServer]:
    """Serve a directory by HTTP on a free port (`server_port`)."""
    with _serve(rootdir, simulate_failures) as server:
        yield server


@contextlib.contextmanager
def https_serve_directory(
    rootdir: str | os.PathLike[str],
    certfile: str | os.PathLike[str],
    keyfile: str | os.PathLike[str],
    simulate_failures: int = 0,
) -> Iterator[DirHTTPServer]:
    """The same by HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    with _serve(rootdir, simulate_failures, context) as server:
        yield server


@contextlib.contextmanager
def https_serve_directory_mtls(
    rootdir: str | os.PathLike[str],
    ca_cert: str | os.PathLike[str],
    server_cert: str | os.PathLike[str],
    server_key: str | os.PathLike[str],
    simulate_failures: int = 0,
) -> Iterator[DirHTTPServer]:
    """The same, for clients only whose certificate `ca_cert` has signed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=os.fspath(ca_cert))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(server_cert, server_key)
    with _serve(rootdir, simulate_failures, context) as server:
        yield server
