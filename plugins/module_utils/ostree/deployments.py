# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Deployments of a machine: what it boots now, next, and when that fails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OstreeError
from . import kernelargs
from .program import run
from .repository import Repository

# As `ostree admin status` prints it, since 2022 without change: "* debian 0123….0 (staged)", then indented fields.
_HEAD = re.compile(
    r"^(?P<booted>[* ]) (?P<osname>\S+) (?P<commit>[0-9a-f]{64})\.(?P<serial>\d+)(?: \((?P<state>[^)]*)\))?"
)
_FIELD = re.compile(r"^    (?P<name>[A-Za-z][A-Za-z -]*): (?P<value>.*)$")


@dataclass(frozen=True)
class Deployment:
    """One deployment; ``index`` is its place in the boot order, 0 is what boots next."""

    index: int
    osname: str
    commit: str
    serial: int
    booted: bool = False
    staged: bool = False
    pinned: bool = False
    version: str = ""
    origin: str = ""
    root: Path = Path("/")
    kernel_arguments: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "osname": self.osname,
            "commit": self.commit,
            "serial": self.serial,
            "booted": self.booted,
            "staged": self.staged,
            "pinned": self.pinned,
            "version": self.version,
            "origin": self.origin,
            "path": str(self.root),
            "kernel_arguments": list(self.kernel_arguments),
        }

    def title(self) -> str:
        return f"{self.commit[:12]}{f' ({self.version})' if self.version else ''}"


def parse_status(text: str, sysroot: Path = Path("/")) -> list[Deployment]:
    """Deployments in what ``ostree admin status`` prints."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        if head := _HEAD.match(line):
            state = head["state"] or ""
            found.append(
                {
                    "index": len(found),
                    "osname": head["osname"],
                    "commit": head["commit"],
                    "serial": int(head["serial"]),
                    "booted": head["booted"] == "*",
                    "staged": "staged" in state,
                    "root": sysroot
                    / "ostree/deploy"
                    / head["osname"]
                    / "deploy"
                    / f"{head['commit']}.{head['serial']}",
                }
            )
        elif found and (field := _FIELD.match(line)):
            name, value = field["name"].lower(), field["value"].strip()
            if name == "version":
                found[-1]["version"] = value
            elif name == "pinned":
                found[-1]["pinned"] = value == "yes"
            elif name == "origin refspec":
                found[-1]["origin"] = value
    return [Deployment(**one) for one in found]


@dataclass(frozen=True)
class Sysroot:
    """A file system that holds deployments: / on a machine, or one that is being prepared."""

    path: Path = Path("/")

    @property
    def repository(self) -> Repository:
        return Repository(self.path / "ostree" / "repo")

    def require(self) -> Sysroot:
        """This sysroot.  Raises OstreeError where there is none."""
        if not self.repository.exists():
            raise OstreeError(f"{self.path} holds no OSTree deployments (there is no {self.repository.path})")
        return self

    def admin(self, *words: str) -> str:
        return run("admin", *words, sysroot=self.path)

    def deployments(self) -> list[Deployment]:
        """All of them in boot order, staged first."""
        found = parse_status(self.admin("status"), self.path)
        arguments = kernelargs.of_entries(self.path)
        # A staged deployment has no boot entry yet.
        written = [one for one in found if not one.staged]
        if len(arguments) != len(written):
            return found
        by_index = {one.index: words for one, words in zip(written, arguments, strict=True)}
        return [Deployment(**{**one.__dict__, "kernel_arguments": by_index.get(one.index, ())}) for one in found]


def booted(found: list[Deployment]) -> Deployment | None:
    return next((one for one in found if one.booted), None)


def running(found: list[Deployment]) -> Deployment | None:
    """What is booted; on a sysroot that nothing was booted from, what would be."""
    return booted(found) or next((one for one in found if not one.staged), None)


def rollback(found: list[Deployment]) -> Deployment | None:
    """What the machine goes back to: the first after the running one, of the same system."""
    now = running(found)
    if now is None:
        return None
    return next((one for one in found if one.index > now.index and one.osname == now.osname), None)


def the_osname(sysroot: Sysroot, found: list[Deployment], wanted: str | None) -> str:
    """The stateroot to work on.  Raises OstreeError when that is not clear."""
    root = sysroot.path / "ostree" / "deploy"
    there = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if wanted is not None:
        if wanted not in there:
            raise OstreeError(f"osname {wanted} is not in {root} (there is {', '.join(there) or 'none'})")
        return wanted
    now = running(found)
    if now is not None:
        return now.osname
    if len(there) == 1:
        return there[0]
    raise OstreeError(
        f"which system to deploy is not clear ({', '.join(there) or 'none'} in {root}); say it with osname"
    )
