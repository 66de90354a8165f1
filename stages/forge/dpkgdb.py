# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Writing dpkg's database for packages that were unpacked without dpkg. Source: dpkg(1), deb-triggers(5), dpkg's files.

Everything is written below the current root (see `root`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from .deb import Package
from .errors import StageError
from .extract import Listing
from .stanza import Stanza, parse_stanzas

ADMIN = "/var/lib/dpkg"
#: Control files that dpkg keeps elsewhere than in info/.
_NOT_KEPT = ("control",)
#: dpkg's own files beside the triggers begin with a capital letter.
_TRIGGER = re.compile(r"[a-z0-9][A-Za-z0-9+.:_\-]*")


def write(path: str, content: bytes, mode: int = 0o644) -> None:
    """Write a file of the database with exactly this mode."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view):]
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def create(architecture: str) -> None:
    """An empty database."""
    for name in ("info", "updates", "triggers", "alternatives", "parts"):
        os.makedirs(f"{ADMIN}/{name}", mode=0o755, exist_ok=True)
    write(f"{ADMIN}/status", b"")
    write(f"{ADMIN}/info/format", b"1\n")
    write(f"{ADMIN}/arch", f"{architecture}\n".encode())


def write_info(package: Package, listing: Listing) -> None:
    """The package's files below info/."""
    stem = f"{ADMIN}/info/{package.qualified}"
    for name, (content, mode) in package.members.items():
        if name not in _NOT_KEPT:
            write(f"{stem}.{name}", content, mode & 0o7777)
    write(f"{stem}.list", listing.as_dpkg_list())


def status_stanza(package: Package) -> str:
    """The package's stanza as unpacked, with conffiles that `dpkg --configure` is to put in place."""
    lines = []
    for number, (name, value) in enumerate(package.control.fields):
        if name.lower() in ("status", "conffiles"):
            continue
        lines.append(f"{name}: {value}" if value[:1] != "\n" else f"{name}:{value}")
        if number == 0:
            lines.append("Status: install ok unpacked")
    conffiles = package.conffiles
    if conffiles:
        lines.append("Conffiles:")
        lines += [f" {path} newconffile{' remove-on-upgrade' if removed else ''}" for path, removed in conffiles]
    return "\n".join(lines) + "\n"


def write_status(packages: Sequence[Package]) -> None:
    """The status file, sorted by name so that the order of configuration depends on the set alone."""
    ordered = sorted(packages, key=lambda package: (package.name, package.architecture))
    stanzas = [status_stanza(package) for package in ordered]
    write(f"{ADMIN}/status", "\n".join(stanzas).encode("utf-8", "surrogateescape"))


def write_triggers(packages: Sequence[Package]) -> None:
    """triggers/File and triggers/<name> from the packages' interests; those of an earlier call are gone."""
    files: list[str] = []
    named: dict[str, list[str]] = {}
    for package in sorted(packages, key=lambda package: (package.name, package.architecture)):
        text = package.members.get("triggers", (b"", 0))[0].decode("utf-8", "surrogateescape")
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if len(words) != 2 or not words[0].startswith("interest"):
                continue
            interested = package.qualified + ("/noawait" if words[0] == "interest-noawait" else "")
            if words[1].startswith("/"):
                files.append(f"{words[1]} {interested}\n")
            elif not _TRIGGER.fullmatch(words[1]):
                raise StageError(f"package {package.name} has an interest in {words[1]!r}, which is no trigger's name")
            else:
                named.setdefault(words[1], []).append(f"{interested}\n")
    for name in set(os.listdir(f"{ADMIN}/triggers")) - {"Lock", "Unincorp"}:
        os.unlink(f"{ADMIN}/triggers/{name}")
    if files:
        write(f"{ADMIN}/triggers/File", "".join(files).encode("utf-8", "surrogateescape"))
    for name, lines in named.items():
        write(f"{ADMIN}/triggers/{name}", "".join(lines).encode("utf-8", "surrogateescape"))


def installed() -> dict[str, Stanza]:
    """Stanzas of the status file by "name:architecture", of packages dpkg knows; empty without a database."""
    try:
        with open(f"{ADMIN}/status", encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    return {f"{s['Package']}:{s.get('Architecture')}": s for s in parse_stanzas(text, "dpkg's status file")
            if s.get("Package")}


def is_known(package: Package) -> bool:
    """Whether dpkg still knows the unpacked package: one whose files another replaced all has disappeared."""
    return os.path.exists(f"{ADMIN}/info/{package.qualified}.list")


def forget_info(package: Package) -> None:
    """Remove the package's files below info/ again."""
    for name in ("list", *package.members):
        try:
            os.unlink(f"{ADMIN}/info/{package.qualified}.{name}")
        except FileNotFoundError:
            continue


def _diversions() -> list[tuple[bytes, bytes]]:
    """(diverted path, where its file goes instead), both relative."""
    try:
        with open(f"{ADMIN}/diversions", "rb") as file:
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    return [(lines[at].lstrip(b"/"), lines[at + 1].lstrip(b"/")) for at in range(0, len(lines) - 2, 3)]


def diverted_paths() -> dict[bytes, bytes]:
    """Where the files of diverted paths go instead."""
    return dict(_diversions())


def contested_paths() -> frozenset[bytes]:
    """Relative paths that diversions or ownership overrides speak of."""
    found = {path for path, _ignored in _diversions()}
    try:
        with open(f"{ADMIN}/statoverride", "rb") as file:
            for line in file:
                words = line.rstrip(b"\n").split(b" ", 3)
                if len(words) == 4:
                    found.add(words[3].lstrip(b"/"))
    except FileNotFoundError:
        pass
    return frozenset(found)
