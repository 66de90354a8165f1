# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty clients pull over HTTP while commits are published: none ever sees a ref whose objects are not there."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree import history, prune, publish
from ansible_collections.debian_forge.osbuild.plugins.module_utils.ostree.repository import Repository

from tests.support.ostreelab import REF, Lab, lab, ostree_on_path, run

__all__ = ["lab", "ostree_on_path"]

REPO = Path(__file__).resolve().parents[2]
READERS = 50
COMMITS = 10

Serve = Callable[[Lab, Path], contextlib.AbstractContextManager[str]]


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def site(place: Path, repository: Path, port: int) -> str:
    """The role's site, as Ansible would render it."""
    role = REPO / "roles" / "ostree_server"
    values = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    values |= {"ostree_server_listen": f"127.0.0.1:{port}", "ostree_server_repository": str(repository),
               "ostree_server_directory": str(place), "ansible_managed": "test"}
    engine = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    engine.filters["regex_escape"] = re.escape
    return engine.from_string((role / "templates" / "site.conf.j2").read_text()).render(values)


@contextlib.contextmanager
def python_server(lab: Lab, repository: Path) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(repository)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@contextlib.contextmanager
def nginx(lab: Lab, repository: Path) -> Iterator[str]:
    if shutil.which("nginx") is None:
        pytest.skip("no program nginx")
    port, place = free_port(), lab.place / "nginx"
    place.mkdir()
    temporary = " ".join(f"{name}_temp_path {place}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (place / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {place}/pid; error_log {place}/error.log; worker_processes 2;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; {temporary}\n{site(lab.place, repository, port)}\n}}\n"
    )
    process = subprocess.Popen(["nginx", "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")],
                               stdin=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < end and process.poll() is None, (place / "error.log").read_text()
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/repo"
    process.terminate()
    process.wait()


@pytest.mark.parametrize("serve", [python_server, nginx])
def test_no_reader_ever_fails_while_commits_are_published(lab: Lab, serve: Serve) -> None:
    build = lab.init("build")
    server, source = Repository(lab.server), Repository(build)
    commits = [
        lab.commit(str(number), repo=build, packages={"nginx": f"1.26-{number}"}, files={f"usr/share/n/{number}": str(number) * 5000})
        for number in range(COMMITS + 1)
    ]

    def put(commit: str) -> None:
        with server.publishing():
            publish.execute(server, publish.plan(server, publish.Wish(REF, commit, source=source, deltas=2)))
            # Nothing is old enough for the grace period, so this must not take anything away from under the readers.
            prune.execute(server, prune.plan(server, prune.Rule(keep_last=1)))

    put(commits[0])
    with serve(lab, lab.server) as url:
        clients = [lab.client("client-0", url)]
        for number in range(1, READERS):
            clients.append(lab.place / f"client-{number}")
            shutil.copytree(clients[0], clients[number])
        over = threading.Event()
        failures: list[str] = []
        pulls = [0] * READERS

        def read(number: int) -> None:
            while not over.is_set() or pulls[number] == 0:
                done = subprocess.run(["ostree", "pull", f"--repo={clients[number]}", "forge", REF], stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, check=False)
                if done.returncode:
                    failures.append(done.stderr.strip())
                    return
                pulls[number] += 1
                over.wait(1)  # or the publisher gets no turn on a small machine

        threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            for commit in commits[1:]:
                put(commit)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert sum(pulls) >= READERS
        for client in clients:
            assert (client / "refs" / "remotes" / "forge" / REF).read_text().strip() in commits
        for client in clients[:3]:
            run("ostree", "pull", f"--repo={client}", "forge", REF)
            assert run("ostree", "rev-parse", f"--repo={client}", f"forge:{REF}") == commits[-1]
            run("ostree", "fsck", f"--repo={client}", "-q")
        assert [one.checksum for one in history.history(server, REF)] == commits[::-1]


def answer(url: str) -> tuple[int, str]:
    """Status and what the answer says about caching."""
    try:
        with urllib.request.urlopen(url, timeout=20) as found:
            return found.status, found.headers.get("Cache-Control") or ""
    except urllib.error.HTTPError as exc:
        return exc.code, ""


def test_the_site_serves_the_repository_and_nothing_beside_it(lab: Lab) -> None:
    commit = lab.commit("1", words=("--add-detached-metadata-string=a=b",))
    (lab.place / "key.asc").write_text("public key\n")
    (lab.place / "secret").write_text("secret\n")
    with Repository(lab.server).publishing(), nginx(lab, lab.server) as url:
        name = f"{url}/objects/{commit[:2]}/{commit[2:]}"
        assert answer(f"{name}.commit") == (200, "max-age=315360000")
        assert answer(f"{name}.commitmeta") == (200, "no-cache")
        assert [answer(f"{url}/{path}") for path in ("summary", "config", f"refs/heads/{REF}")] == [(200, "no-cache")] * 3
        assert answer(f"{url}/key.asc")[0] == 200
        assert (lab.server / "forge.lock").exists()
        hidden = ("forge.lock", "", "objects/", "refs/heads/", "tmp/", "objects/../forge.lock", "objects/%2e%2e/%2e%2e/secret", "../secret")
        for path in hidden:
            assert answer(f"{url}/{path}")[0] in (400, 403, 404), path
