# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OSTree repositories, sysroots and keys for tests, made with the program ostree alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REF = "debian/13/amd64/edge"
STATUS = "usr/lib/sysimage/dpkg/status"


def run(*argv: str | Path, **env: str) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(
        [str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", **env},
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.stderr}"
    return done.stdout.strip()


@dataclass
class Lab:
    """A place with a served repository ``server``, and what tests make beside it."""

    place: Path
    packages: dict[str, str] = field(default_factory=lambda: {"base-files": "13", "nginx": "1.26-1"})

    @property
    def server(self) -> Path:
        return self.place / "server"

    def init(self, name: str, mode: str = "archive") -> Path:
        path = self.place / name
        run("ostree", "init", f"--repo={path}", f"--mode={mode}")
        return path

    def tree(self, files: Mapping[str, str | bytes] | None = None) -> Path:
        """A tree that can be deployed: a kernel that cannot boot, os-release, /usr/etc, dpkg's status."""
        root = self.place / "tree"
        shutil.rmtree(root, ignore_errors=True)
        stanzas = [
            f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
            for name, version in self.packages.items()
        ]
        content: dict[str, str | bytes] = {
            "usr/lib/modules/6.12.1/vmlinuz": "kernel\n",
            "usr/lib/modules/6.12.1/initramfs.img": "initramfs\n",
            "usr/lib/os-release": 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian"\n',
            "usr/etc/hostname": "tiny\n",
            "usr/etc/motd": "hello\n",
            STATUS: "\n".join(stanzas),
            **(files or {}),
        }
        for name, text in content.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return root

    def commit(
        self, version: str = "", repo: Path | None = None, ref: str = REF, files: Mapping[str, str | bytes] | None = None,
        packages: Mapping[str, str] | None = None, date: str = "", words: tuple[str, ...] = (),
    ) -> str:
        """Commit a tree; returns the checksum. The summary is brought up to date."""
        self.packages.update(packages or {})
        repo = repo or self.server
        more = [f"--add-metadata-string=version={version}"] if version else []
        more += [f"--timestamp={date}"] if date else []
        made = run("ostree", "commit", f"--repo={repo}", f"--branch={ref}", f"--tree=dir={self.tree(files)}", "--bootable",
                   "--owner-uid=0", "--owner-gid=0", *more, *words)
        run("ostree", "summary", "-u", f"--repo={repo}")
        return made

    def client(self, name: str = "client", url: str = "", keys: Path | None = None) -> Path:
        """A repository with a remote ``forge``."""
        path = self.init(name, "bare-user")
        add_remote(path, url or f"file://{self.server}", keys)
        return path

    def sysroot(self, name: str = "sysroot", url: str = "", keys: Path | None = None) -> Path:
        """A sysroot without boot loader, with the system ``debian`` and a remote ``forge``, nothing deployed."""
        path = self.place / name
        path.mkdir()
        run("ostree", "admin", "init-fs", "--modern", path)
        run("ostree", "admin", "os-init", f"--sysroot={path}", "debian")
        repo = path / "ostree" / "repo"
        run("ostree", "config", f"--repo={repo}", "set", "sysroot.bootloader", "none")
        add_remote(repo, url or f"file://{self.server}", keys)
        return path

    def deploy(self, sysroot: Path, commit: str, ref: str = REF, *words: str) -> None:
        run("ostree", "pull", f"--repo={sysroot / 'ostree/repo'}", "forge", f"{ref}@{commit}")
        run("ostree", "admin", "deploy", f"--sysroot={sysroot}", "--os=debian", "--karg=root=LABEL=root", *words, f"forge:{ref}")


def add_remote(repo: Path, url: str, keys: Path | None) -> None:
    words = [f"--gpg-import={keys}"] if keys else ["--no-gpg-verify"]
    run("ostree", "remote", "add", f"--repo={repo}", *words, "forge", url)


# GNUPGHOMEs whose agents run until they are told not to.
_HOMES: set[Path] = set()


def make_key(home: Path, name: str) -> Path:
    """Make a secret key in a GNUPGHOME; returns a file with the public one."""
    _HOMES.add(home)
    home.mkdir(mode=0o700, exist_ok=True)
    run("gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.com>",
        "ed25519", "sign", "never")
    public = home / f"{name}.gpg"
    public.write_bytes(subprocess.run(["gpg", "--homedir", str(home), "--export", name], check=True, capture_output=True).stdout)
    return public


def remove_sysroots(place: Path) -> None:
    """Remove what is below, deployments included: those are immutable."""
    for path in place.glob("*/ostree/deploy/*/deploy/*"):
        subprocess.run(["chattr", "-i", str(path)], capture_output=True, check=False)
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def ostree_on_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PATH whose ostree works where a policy is named in /etc/selinux/config but not installed.

    libostree labels what it pins by the host's policy for /, and refuses without; Debian machines have no such file.
    """
    before = os.environ["PATH"]
    if shutil.which("ostree") is None:
        pytest.skip("no program ostree")
    if Path("/etc/selinux/config").exists() and os.geteuid() == 0:
        place = tmp_path_factory.mktemp("bin")
        wrapper = place / "ostree"
        wrapper.write_text(
            f"#!/bin/sh\n[ \"$1 $2\" = 'admin pin' ] || exec {shutil.which('ostree')} \"$@\"\n"
            "exec unshare --mount sh -c 'mount -t tmpfs none /etc/selinux; exec \"$@\"' sh "
            f"{shutil.which('ostree')} \"$@\"\n"
        )
        wrapper.chmod(0o755)
        os.environ["PATH"] = f"{place}:{before}"
    yield os.environ["PATH"]
    os.environ["PATH"] = before
    for home in _HOMES:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)
    _HOMES.clear()


@pytest.fixture
def lab(ostree_on_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    scratch = os.environ.get("FORGE_TEST_SCRATCH")
    if scratch:
        Path(scratch).mkdir(parents=True, exist_ok=True)
    place = tmp_path_factory.mktemp("ostree")
    made = Lab(place)
    made.init("server")
    yield made
    remove_sysroots(place)


@pytest.fixture(scope="session")
def gpg_home(ostree_on_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GNUPGHOME with one secret key ``repo``; ``repo.gpg`` in it is the public one."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    make_key(home, "repo")
    return home
