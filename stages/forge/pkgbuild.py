# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Building a source package in a system made for it. Source: dpkg-buildpackage(1), deb-src-rules(5), setpriv(1)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import command, intree, mounts
from .errors import StageError
from .stanza import parse_stanza, parse_stanzas

#: Where sources lie inside: always the same, since paths end up in what is built.
PLACE = "/build"
USER = 999
_KINDS = {"binary": "binary", "any": "any", "all": "all", "source": "source", "full": "full"}
_RESULTS = re.compile(r".*\.(deb|udeb|ddeb|changes|buildinfo|dsc|tar\.[a-z0-9]+|diff\.gz|asc)")


@dataclass
class Build:
    """name, version: of the source package; directory: its name below PLACE."""

    name: str
    version: str
    directory: str
    root: bool


def find_source(folder: str) -> Build:
    """The one unpacked source package below `folder`. StageError for none, or several."""
    found = [
        name for name in sorted(os.listdir(folder))
        if os.path.isfile(intree.resolve(folder, f"{name}/debian/control")) and not os.path.islink(os.path.join(folder, name))
    ]
    if len(found) != 1:
        raise StageError(f"the input source must have one unpacked source package, found {len(found)}"
                         + (f" ({', '.join(found)})" if found else ""))
    place = found[0]
    with open(intree.resolve(folder, f"{place}/debian/control"), encoding="utf-8", errors="surrogateescape") as file:
        stanza = next(iter(parse_stanzas(file.read(), f"debian/control of {place}")), None)
    with open(intree.resolve(folder, f"{place}/debian/changelog"), encoding="utf-8", errors="surrogateescape") as file:
        head = re.match(r"\s*(\S+) \(([^)\s]+)\)", file.read(4096))
    if stanza is None or "Source" not in stanza or head is None:
        raise StageError(f"{place} is no source package: its debian/control names no Source, or its changelog has no entry")
    return Build(head[1], head[2], place, stanza.get("Rules-Requires-Root", "no").strip() not in ("no", ""))


def writable(lower: str, scratch: str) -> str:
    """A directory that shows `lower` and takes changes, which land in `scratch`."""
    upper, work, merged = (os.path.join(scratch, name) for name in ("upper", "work", "root"))
    for path in (upper, work, merged):
        os.mkdir(path, 0o755)
    try:
        mounts.mount("overlay", merged, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")
    except OSError:
        # No overlay on this file system: the system is copied instead.
        finished = subprocess.run(["cp", "--archive", "--reflink=auto", f"{lower}/.", merged], check=False)
        if finished.returncode:
            raise StageError("the input chroot can be neither overlaid nor copied") from None
    return merged


def add_user(tree: str) -> None:
    """A user for the build, whom test suites can look up."""
    for database, line in (("passwd", f"builder:x:{USER}:{USER}:builder:/nonexistent:/bin/sh\n"), ("group", f"builder:x:{USER}:\n")):
        path = intree.resolve(tree, f"/etc/{database}")
        with open(path, "a", encoding="utf-8") as file:
            file.write(line)


def give(path: str) -> None:
    """Everything below `path` to the build's user."""
    for folder, folders, names in os.walk(path):
        for name in ("", *folders, *names):
            os.chown(os.path.join(folder, name), USER, USER, follow_symlinks=False)


def buildpackage(build: Build, kind: str, options: Sequence[str], env: Mapping[str, str]) -> None:
    """Run dpkg-buildpackage as the build's user in the entered tree. StageError with the end of its output."""
    argv = [
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--inh-caps=-all",
        "dpkg-buildpackage", "--no-sign", f"--build={_KINDS[kind]}", *options,
    ]
    unmet: list[str] = []

    def line(text: str) -> None:
        if "Unmet build dependencies:" in text or "Unmet build conflicts:" in text:
            unmet.append(text.partition("Unmet ")[2])

    try:
        finished = command.run(argv, env, line=line, directory=f"{PLACE}/{build.directory}")
    except FileNotFoundError:
        raise StageError("the input chroot has no setpriv (package util-linux)") from None
    if finished.status:
        if unmet:
            raise StageError(f"{build.name} {build.version} cannot be built: unmet {'; unmet '.join(unmet)}")
        raise StageError(f"{build.name} {build.version} cannot be built: dpkg-buildpackage failed with exit status "
                         f"{finished.status}{finished.quoted()}")


def results(folder: str, build: Build) -> list[str]:
    """Names of what was built: what the .changes lists, and the .changes itself."""
    changes = [name for name in os.listdir(folder) if name.endswith(".changes") and _RESULTS.fullmatch(name)]
    found = set(changes)
    for name in changes:
        with open(os.path.join(folder, name), encoding="utf-8", errors="surrogateescape") as file:
            stanza = parse_stanza(file.read(), name)
        for line in stanza.get("Files").splitlines():
            if line.split():
                found.add(line.split()[-1])
    if not found:
        raise StageError(f"the build of {build.name} left no .changes")
    for name in sorted(found):
        path = os.path.join(folder, name)
        if "/" in name or os.path.islink(path) or not os.path.isfile(path):
            raise StageError(f"the build lists {name!r}, which is no file")
    return sorted(found)


def collect(folder: str, names: Sequence[str], target: str, epoch: int | None) -> None:
    """Copy the results, owned by root, with the build's time if there is one."""
    os.makedirs(target, exist_ok=True)
    for name in names:
        place = os.path.join(target, name)
        # A link there is not written through, nor is one read that the build puts in place of a result.
        if os.path.islink(place):
            os.unlink(place)
        shutil.copyfile(os.path.join(folder, name), place, follow_symlinks=False)
        if os.path.islink(place):
            raise StageError(f"the build lists {name!r}, which is no file")
        os.chmod(place, 0o644)
        if epoch is not None:
            os.utime(place, (epoch, epoch))
        print(f"{name}: {os.path.getsize(place)} bytes")
