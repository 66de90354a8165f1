# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Running the tree's own dpkg, and turning its complaints into one sentence. Source: dpkg(1)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from . import command, mounts
from .deb import Package
from .dpkgdb import ADMIN
from .errors import StageError
from .root import PACKAGES

_FAILED = re.compile(r"dpkg: error processing (package|archive) (\S+) \(--?([\w-]+)\):")
_DEPENDENCY = re.compile(r"dpkg: (?:dependency problems prevent|regarding) (.*)")
_BEGIN = re.compile(r"(Setting up|Preparing to unpack|Unpacking|Selecting|Processing triggers for|Removing|"
                    r"Purging configuration files for) ")
_NOISE = re.compile(r"dpkg: warning: (.*dependency problems|.*but (configuring|processing)|parsing file .*status)|\(Reading database")


class _Reader:
    """Follows dpkg's output: where the current package's lines begin, which package fails and why."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.since: list[str] = []
        self.failed: tuple[str, str] | None = None
        self.reason: list[str] = []
        self.script: list[str] = []
        self.dependencies: list[str] = []
        self._in: str = ""

    def line(self, text: str) -> None:
        if self._in == "reason" and text.startswith(" "):
            self.reason.append(text.strip())
            return
        if self._in == "dependency" and text.startswith(" "):
            self.dependencies.append(text.strip())
            return
        self._in = ""
        if match := _FAILED.match(text):
            if self.failed is None:
                target = match[2].rpartition("/")[2] if match[1] == "archive" else match[2]
                self.failed = (self.names.get(target, target), match[3])
                self.script = list(self.since)
                self._in = "reason"
        elif _DEPENDENCY.match(text):
            if self.failed is None:
                self._in = "dependency"
        elif _BEGIN.match(text):
            self.since = []
        elif not text.startswith("dpkg: ") and not _NOISE.match(text):
            self.since = [*self.since, text][-command.TAIL:]


def _dependency_sentence(lines: Sequence[str]) -> str:
    """"a depends on b (>= 1); however: / Package b is not installed." -> one clause per dependency."""
    clauses: list[str] = []
    for line in lines:
        if line.endswith("however:"):
            clauses.append(line.removesuffix("; however:"))
        elif clauses:
            clauses[-1] += f", but {line.rstrip('.')}".replace(", but Package", ", but package")
        else:
            clauses.append(line.rstrip("."))
    return "; ".join(dict.fromkeys(clauses))


@contextmanager
def _journal_in_memory(wanted: bool) -> Iterator[None]:
    """Keep dpkg's journal of status changes in memory over the body.

    dpkg synchronises each entry to disk, four times per package, whatever its options say, and folds them into the
    status file when it ends; a tree whose making is interrupted is thrown away.
    """
    journal = f"{ADMIN}/updates"
    if not wanted or os.path.islink(journal) or not os.path.isdir(journal) or os.listdir(journal):
        yield
        return
    mounts.mount("tmpfs", journal, "tmpfs", mounts.NOSUID | mounts.NODEV | mounts.NOEXEC, "mode=0755")
    try:
        yield
    finally:
        mounts.umount(journal)


def run(arguments: Sequence[str], env: Mapping[str, str], packages: Sequence[Package] = ()) -> None:
    """Run dpkg in the entered tree. StageError naming the package, with its script's output, when it fails."""
    reader = _Reader({package.file: package.name for package in packages})
    try:
        with _journal_in_memory("--force-unsafe-io" in arguments):
            finished = command.run(["dpkg", *arguments], env, line=reader.line)
    except FileNotFoundError:
        raise StageError("the tree has no dpkg: package dpkg is not among its packages") from None
    if finished.status == 0:
        return
    if reader.failed is not None:
        name, action = reader.failed
        reason = " ".join(reader.reason) or f"dpkg --{action} failed"
        if reader.dependencies and "dependency problems" in reason:
            raise StageError(f"dependencies are not satisfied: {_dependency_sentence(reader.dependencies)}")
        output = command.Finished(finished.status, reader.script).quoted() if "subprocess" in reason else ""
        raise StageError(f"package {name} cannot be processed (dpkg --{action}): {reason}{output}")
    if reader.dependencies:
        raise StageError(f"dependencies are not satisfied: {_dependency_sentence(reader.dependencies)}")
    raise StageError(f"dpkg {' '.join(arguments[:4])} failed with exit status {finished.status}{finished.quoted()}")


def archives(packages: Sequence[Package]) -> list[str]:
    """Paths of the packages' files as dpkg in the entered tree sees them."""
    return [f"{PACKAGES}/{package.file}" for package in packages]


def options(*, unsafe_io: bool, conffiles: str = "new") -> list[str]:
    """Options of every call: no terminal, stop at the first failure, conffile policy "new", "old" or "default"."""
    result = ["--abort-after=1", "--no-debsig"]
    if unsafe_io:
        result.append("--force-unsafe-io")
    result.append({"new": "--force-confnew", "old": "--force-confold", "default": "--force-confdef"}[conffiles])
    if conffiles == "default":
        # "default" asks only where there is none; then the administrator's file stays, as apt does unattended.
        result.append("--force-confold")
    return result


def hold(names: Sequence[str], env: Mapping[str, str], *, held: bool = True) -> None:
    """Hold packages at their version, or let them go again (held=False)."""
    if names:
        word = "hold" if held else "install"
        finished = command.run(["dpkg", "--set-selections"], env, text="".join(f"{name} {word}\n" for name in names))
        if finished.status:
            raise StageError(f"packages {', '.join(names)} cannot be set to {word}{finished.quoted()}")
