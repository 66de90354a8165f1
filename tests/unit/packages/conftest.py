# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real apt repositories: real .debs, own indices, Release files signed by keys made for the test."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils import packages


@dataclass(frozen=True)
class Deb:
    name: str
    version: str = "1.0"
    architecture: str = "amd64"
    fields: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def filename(self) -> str:
        return f"pool/{self.name}_{self.version.rsplit(':', maxsplit=1)[-1]}_{self.architecture}.deb"

    def control(self) -> str:
        base = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Nobody <nobody@example.com>",
            "Priority": "optional",
            "Section": "misc",
            "Installed-Size": "4",
            "Description": "for a test",
        }
        return "".join(f"{key}: {value}\n" for key, value in {**base, **self.fields}.items())


class Keys:
    """A GnuPG home with one signing key."""

    def __init__(self, home: Path, when: str = "") -> None:
        home.mkdir(mode=0o700)
        self.home = home
        words = ["--faked-system-time", when] if when else []
        self.gpg(*words, "--passphrase", "", "--quick-generate-key", f"{home.name} <{home.name}@example.com>", "ed25519",
                 "sign", "1d" if when else "never")
        self.keyring = home / "archive.gpg"
        self.keyring.write_bytes(self.gpg("--export"))
        self.armoured = self.gpg("--armor", "--export").decode()

    def gpg(self, *words: str, data: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", "--no-tty", *words]
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, capture_output=True)


class Repo:
    """A repository below ``root`` with suites of one component, ``main``."""

    def __init__(self, root: Path, keys: Keys) -> None:
        self.root = root
        self.keys = keys

    @property
    def uri(self) -> str:
        return f"file://{self.root}"

    def stanza(self, deb: Deb) -> str:
        path = self.root / deb.filename
        if not path.exists():
            tree = self.root / "trees" / deb.filename.removeprefix("pool/")
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "DEBIAN/control").write_text(deb.control())
            path.parent.mkdir(exist_ok=True)
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(path)],
                           check=True, capture_output=True)
        data = path.read_bytes()
        return (f"{deb.control()}Filename: {deb.filename}\nSize: {len(data)}\n"
                f"SHA256: {hashlib.sha256(data).hexdigest()}\n")

    def publish(self, debs: list[Deb], suite: str = "stable", architectures: tuple[str, ...] = ("amd64",),
                sign: bool = True, **fields: str) -> None:
        lines = []
        for arch in architectures:
            index = self.root / f"dists/{suite}/main/binary-{arch}/Packages"
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_text("\n".join(self.stanza(deb) for deb in debs if deb.architecture in (arch, "all")))
            data = index.read_bytes()
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-{arch}/Packages")
        head = {"Origin": "Test", "Label": "Test", "Suite": suite, "Codename": suite, "Date": formatdate(usegmt=True),
                "Architectures": " ".join(architectures), "Components": "main", **fields}
        text = "".join(f"{key}: {value}\n" for key, value in head.items() if value) + "SHA256:\n" + "\n".join(lines) + "\n"
        self.release(text, suite, sign)

    def release(self, text: str, suite: str = "stable", sign: bool = True) -> None:
        place = self.root / "dists" / suite
        for name in ("Release", "InRelease", "Release.gpg"):
            (place / name).unlink(missing_ok=True)
        if sign:
            (place / "InRelease").write_bytes(self.keys.gpg("--clearsign", data=text.encode()))
        else:
            (place / "Release").write_text(text)

    def source(self, *suites: str, **fields: Any) -> packages.Source:
        return packages.Source(**{"uris": (self.uri,), "suites": suites or ("stable",), "name": "test",
                                  "signed_by": str(self.keys.keyring), **fields})


# A distribution in small: essential, required, dependencies, Recommends, versions, providers, conflicts.
DEBS = [
    Deb("base", fields={"Essential": "yes", "Priority": "required", "Depends": "libc"}),
    Deb("libc", "2.41-1", fields={"Multi-Arch": "same", "Source": "glibc (2.41)"}),
    Deb("tools", fields={"Priority": "required", "Recommends": "extras"}),
    Deb("apt", "3.0.4", fields={"Priority": "important", "Depends": "libapt (= 3.0.4)"}),
    Deb("apt", "3.0.3", fields={"Priority": "important", "Depends": "libapt (= 3.0.3)"}),
    Deb("libapt", "3.0.4"),
    Deb("libapt", "3.0.3"),
    Deb("logs", architecture="all", fields={"Priority": "important"}),
    Deb("build-essential"),
    Deb("extras"),
    Deb("shell", "1:5.1-2"),
    Deb("shell", "1:5.10-1+b1"),
    Deb("shell", "1:5.9-3"),
    Deb("shell", "1:6.0~rc1-1"),
    Deb("editor", fields={"Depends": "libedit | libold", "Recommends": "extras"}),
    Deb("libedit"),
    Deb("needy", fields={"Depends": "middle"}),
    Deb("middle", fields={"Depends": "nowhere (>= 2)"}),
    Deb("wants-new", fields={"Depends": "libc (>= 9)"}),
    Deb("fire", fields={"Conflicts": "water"}),
    Deb("water"),
    Deb("init-a", fields={"Depends": "init-a-data", "Conflicts": "init-b"}),
    Deb("init-a-data", fields={"Breaks": "init-b"}),
    Deb("init-b", fields={"Depends": "init-b-data", "Conflicts": "init-a"}),
    Deb("init-b-data", fields={"Conflicts": "init-a-data"}),
    Deb("mail-big", fields={"Provides": "mail-agent"}),
    Deb("mail-small", fields={"Provides": "mail-agent, default-mail"}),
    Deb("with+plus", "1.0+b~1"),
]
FOREIGN = [
    Deb("libc", "2.41-1", "i386", {"Multi-Arch": "same"}),
    Deb("game", "1.0", "i386", {"Depends": "libc"}),
    Deb("single", "1.0", "i386"),
    Deb("single", "1.0", "amd64"),
]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    made = Keys(tmp_path_factory.mktemp("gpg") / "archive")
    yield made
    made.close()


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    made = Keys(tmp_path_factory.mktemp("gpg") / "stranger")
    yield made
    made.close()


@pytest.fixture(scope="session")
def repo(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Repo:
    """The healthy repository; tests must not change it."""
    made = Repo(tmp_path_factory.mktemp("repo"), keys)
    made.publish(DEBS + FOREIGN, architectures=("amd64", "i386"))
    return made


@pytest.fixture
def broken(tmp_path: Path, keys: Keys) -> Repo:
    """An own repository to spoil."""
    made = Repo(tmp_path / "broken repo".replace(" ", "-"), keys)
    made.root.mkdir()
    made.publish([Deb("base", fields={"Essential": "yes", "Priority": "required"}), Deb("apt")])
    return made


@pytest.fixture
def resolve(tmp_path: Path) -> Callable[..., packages.Resolution]:
    """Resolve sets of a source; checks each time that the scratch directory is left empty."""
    scratch = tmp_path / "scratch"

    def run(source: packages.Source | tuple[packages.Source, ...], *include: str, sets: Any = None, pins: Any = (),
            foreign: tuple[str, ...] = (), retry_pauses: tuple[float, ...] = (), **wanted: Any) -> packages.Resolution:
        chosen = sets or {"os": packages.PackageSet(include, **wanted)}
        sources = source if isinstance(source, tuple) else (source,)
        request = packages.Request("debian-13", "stable", "amd64", sources, chosen, tuple(pins), foreign)
        before = os.environ.copy()
        try:
            return packages.resolve(request, scratch=scratch, root=tmp_path, retry_pauses=retry_pauses)
        finally:
            assert os.environ == before
            assert not scratch.exists() or list(scratch.iterdir()) == []

    return run


class Server:
    """An http server on a directory; ``answers`` replaces the content of paths, one entry for each request."""

    def __init__(self, root: Path) -> None:
        self.answers: dict[str, list[bytes | int]] = {}
        self.requests: list[str] = []
        outer = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                # As a proxy it is asked for whole URLs.
                self.path = re.sub(r"^http://[^/]+", "", whole := self.path)
                outer.requests.append(whole)
                queue = outer.answers.get(self.path)
                if not queue:
                    return super().do_GET()
                answer = queue.pop(0)
                if isinstance(answer, int):
                    return self.send_error(answer)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                return None

            def log_message(self, *_ignored: Any) -> None: ...

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        self.uri = f"http://127.0.0.1:{self.httpd.server_port}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Server]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[Server] = []

    def start(root: Path) -> Server:
        servers.append(Server(root))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ago(seconds: float) -> str:
    return formatdate(time.time() - seconds, usegmt=True)
