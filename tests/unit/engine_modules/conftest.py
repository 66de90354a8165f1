# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import collections
import hashlib
import http.server
import importlib.util
import select
import socket
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

ENGINE = Path(__file__).parents[3] / "engine"


@pytest.fixture(scope="session")
def load_program() -> Callable[[str], Any]:
    """Load a program of the engine (``sources/org.osbuild.curl``) as a module."""

    def load(name: str) -> Any:
        # All org.osbuild.* files would share one cached byte code file.
        sys.dont_write_bytecode = True
        module_name = name.replace("/", "_").replace(".", "_")
        loader = SourceFileLoader(module_name, str(ENGINE / name))
        spec = importlib.util.spec_from_loader(module_name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # dataclasses look their module up
        loader.exec_module(module)
        return module

    return load


@pytest.fixture
def service_fd() -> Iterator[str]:
    """A socket a service can be made with, without anybody at its other end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        yield str(sock.detach())


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` by raw request path; `answers` are sent before it, one for each request of that path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.answers: dict[str, list[Callable[[Handler], None]]] = collections.defaultdict(list)
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.active = 0
        self.most_active = 0
        self.delay = 0.0
        self.lock = threading.Lock()

    def url(self, path: str, credentials: str = "") -> str:
        return f"http://{credentials}127.0.0.1:{self.server_port}{path}"

    def add(self, path: str, content: bytes) -> str:
        """Serve `content`; returns its checksum as sources write it."""
        self.content[path] = content
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that go away are part of the tests


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_GET(self) -> None:
        server = self.server
        path = self.path
        if path.startswith("http://"):  # asked as a proxy
            path = urllib.parse.urlsplit(path).path
        with server.lock:
            server.requests.append(self.path)
            server.headers.append(dict(self.headers.items()))
            server.active += 1
            server.most_active = max(server.most_active, server.active)
            answer = server.answers[path].pop(0) if server.answers[path] else None
        try:
            time.sleep(server.delay)
            if answer is not None:
                answer(self)
            elif path in server.content:
                self.reply(200, server.content[path])
            else:
                self.reply(404, b"not here")
        finally:
            with server.lock:
                server.active -= 1

    def do_CONNECT(self) -> None:
        """Be a proxy: hand bytes to and fro, to this host whatever name was asked for."""
        with self.server.lock:
            self.server.requests.append(f"CONNECT {self.path}")
            self.server.headers.append(dict(self.headers.items()))
            if self.server.answers["CONNECT"]:
                self.server.answers["CONNECT"].pop(0)(self)
                return
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as target:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: target, target: self.connection}
            while True:
                for source in select.select(list(ends), [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[source].sendall(data)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def start(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from start(Server())


@pytest.fixture
def second_server() -> Iterator[Server]:
    yield from start(Server())
