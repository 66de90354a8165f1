# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny packages built on the spot, and Debian stages run as osbuild runs them: in a process of their own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.stage_process import RUN

Content = str | bytes | None


def control_text(name: str, version: str, architecture: str, fields: Mapping[str, str]) -> str:
    given = {
        "Package": name, "Version": version, "Architecture": architecture,
        "Maintainer": "Nobody <nobody@example.com>", "Description": "test package", **fields,
    }
    return "".join(f"{key}: {value}\n" for key, value in given.items())


@dataclass
class Workshop:
    """Builds packages into one folder. files: path -> content, None for a directory, "-> target" for a link."""

    folder: Path
    built: dict[str, Path] = field(default_factory=dict)

    def deb(
        self, name: str, files: Mapping[str, Content] | None = None, *, version: str = "1", architecture: str = "all",
        scripts: Mapping[str, str] | None = None, control: Mapping[str, str] | None = None,
        modes: Mapping[str, int] | None = None, compress: str = "none", **fields: str,
    ) -> Path:
        """Build with dpkg-deb. `fields` become control fields, "_" for "-"; `scripts` are executable control files."""
        source = self.folder / "src" / f"{name}_{version}_{architecture}"
        shutil.rmtree(source, ignore_errors=True)
        (source / "DEBIAN").mkdir(parents=True)
        os.chmod(source, 0o755)
        for path, content in (files or {}).items():
            target = source / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                target.mkdir(exist_ok=True)
            elif isinstance(content, str) and content.startswith("-> "):
                target.symlink_to(content[3:])
            else:
                target.write_bytes(content.encode() if isinstance(content, str) else content)
        for path, mode in (modes or {}).items():
            os.chmod(source / path, mode)
        names = {key.replace("_", "-"): value for key, value in fields.items()}
        (source / "DEBIAN/control").write_text(control_text(name, version, architecture, names))
        # As debhelper does; dpkg --audit asks for it.
        sums = [
            f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(source)}\n"
            for path in sorted(source.rglob("*"))
            if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.parts
        ]
        for member, text in {"md5sums": "".join(sums), **(control or {})}.items():
            (source / "DEBIAN" / member).write_text(text)
        for member, text in (scripts or {}).items():
            (source / "DEBIAN" / member).write_text("#!/bin/sh\nset -e\n" + text)
            os.chmod(source / "DEBIAN" / member, 0o755)
        result = self.folder / f"{name}_{version}_{architecture}.deb"
        subprocess.run(
            ["dpkg-deb", f"-Z{compress}", "--root-owner-group", "-b", str(source), str(result)],
            check=True, stdout=subprocess.DEVNULL,
        )
        self.built[result.name] = result
        return result

    def raw(
        self, name: str, members: Sequence[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]],
        control: Mapping[str, str] | None = None,
    ) -> Path:
        """Put a package together by hand, with members that dpkg-deb would never write."""
        archives = {}
        for part, content in (
            ("control.tar", [_member(f"./{key}", value.encode()) for key, value in
                             {"control": control_text(name, "1", "all", {}), **(control or {})}.items()]),
            ("data.tar", list(members)),
        ):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
                for one in content:
                    info, data = one if isinstance(one, tuple) else (one, b"")
                    archive.addfile(info, io.BytesIO(data))
            archives[part] = buffer.getvalue()
        result = self.folder / f"{name}_1_all.deb"
        parts = {"debian-binary": b"2.0\n", **archives}
        with open(result, "wb") as file:
            file.write(b"!<arch>\n")
            for part, data in parts.items():
                file.write(f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
                file.write(data + b"\n" * (len(data) % 2))
        self.built[result.name] = result
        return result


def _member(path: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    return info, data


def member(path: str, kind: bytes = tarfile.REGTYPE, target: str = "", data: bytes = b"") -> Any:
    """A member of a data archive for `Workshop.raw`."""
    info, _ignored = _member(path, data)
    info.type, info.linkname = kind, target
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return (info, data)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    folder = tmp_path / "packages"
    folder.mkdir()
    return Workshop(folder)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    path.mkdir()
    return path


def host_architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()


_PROGRAMS = (
    "dpkg", "dpkg-deb", "dpkg-query", "dpkg-split", "dpkg-trigger", "dpkg-divert", "dpkg-statoverride", "sh", "tar",
    "rm", "cat", "diff", "ldconfig", "start-stop-daemon", "touch", "ls", "mkdir", "mv", "env", "sleep", "id",
)


def _runtime() -> dict[str, bytes]:
    """The host's dpkg, a shell and their libraries, as files of a package."""
    files: dict[str, bytes] = {}
    for name in _PROGRAMS:
        found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if found is None:
            pytest.skip(f"the host has no {name} to make a small system from")
        folder = "usr/sbin" if "/sbin/" in found else "usr/bin"
        files[f"{folder}/{name}"] = Path(found).read_bytes()
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            target = library if library.startswith("/usr/") else f"/usr{library}"
            files[target.lstrip("/")] = Path(library).read_bytes()
    return files


@pytest.fixture(scope="session")
def small_system(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Packages of a system just big enough for its dpkg to run scripts: base-files, base-passwd, dpkg."""
    folder = tmp_path_factory.mktemp("system")
    workshop = Workshop(folder)
    files = _runtime()
    workshop.deb(
        "dpkg", {**files, "etc/dpkg/dpkg.cfg": "# none\n"}, version="1.21.22", architecture=host_architecture(),
        modes=dict.fromkeys(files, 493), control={"conffiles": "/etc/dpkg/dpkg.cfg\n"}, Essential="yes",
    )
    workshop.deb(
        "base-files",
        {"etc": None, "root": None, "tmp": None, "var/tmp": None, "var/log": None, "dev": None, "proc": None,
         "run": None, "sys": None, "var/lib": None},
        modes={"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}, Essential="yes",
    )
    workshop.deb(
        "base-passwd", scripts={
            "preinst": "echo root:x:0:0:root:/root:/bin/sh >/etc/passwd; echo root:x:0: >/etc/group\n",
        }, Essential="yes",
    )
    return workshop


@dataclass
class Runner:
    """Runs a stage over packages; None for a stage that takes no inputs."""

    repo: Path

    def __call__(
        self, stage: str, tree: Path, packages: Sequence[Path] | None, options: Mapping[str, Any],
        metadata: Mapping[str, Mapping[str, Any]] | None = None, environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        arguments: dict[str, Any] = {"tree": str(tree), "options": dict(options)}
        if packages is not None:
            arguments["inputs"] = {}
        if packages:
            # As osbuild does it: one folder, files named by their identity and not by the package.
            folder = tree.parent / "inputs"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            files = {}
            for number, path in enumerate(packages):
                os.link(path, folder / f"sha256:{number:04}")
                files[f"sha256:{number:04}"] = (metadata or {}).get(path.name.split("_")[0], {})
            arguments["inputs"] = {"packages": {"path": str(folder), "data": {"files": files}}}
        return subprocess.run(
            [sys.executable, "-B", "-c", RUN, str(self.repo / "stages" / f"org.osbuild.{stage}")],
            input=json.dumps(arguments), capture_output=True, text=True, check=False,
            env={"PATH": "/usr/sbin:/usr/bin", "PYTHONPATH": str(self.repo / "engine"),
                 "SOURCE_DATE_EPOCH": "1750000000", **(environment or {})},
        )


@pytest.fixture
def run_stage(repo: Path) -> Runner:
    return Runner(repo)


@pytest.fixture
def bootstrap(run_stage: Runner, small_system: Workshop, tree: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Make a small system in `tree` with more packages; options beside suite and architecture by name."""

    def make(*packages: Path, base: Sequence[Path] | None = None, metadata: Any = None,
             environment: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        everything = [*(small_system.built.values() if base is None else base), *packages]
        given = {"suite": "small", "architecture": host_architecture(), "variant": "essential",
                 **{key.replace("_", "-"): value for key, value in options.items()}}
        return run_stage("debootstrap", tree, everything, given, metadata, environment)

    return make


def in_tree(tree: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the tree."""
    return subprocess.run(["chroot", str(tree), *argv], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/sbin:/usr/bin"})


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """The sentence a failed stage ends with."""
    assert result.returncode == 1, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stderr.strip().splitlines()[-1]


def succeeded(result: subprocess.CompletedProcess[str]) -> str:
    """The stage's output, once it has not failed."""
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout
