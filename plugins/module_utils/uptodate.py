# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The answer of a build task that had nothing to do, kept for the next one.

Planning reads a library, a blueprint, a lock file and the host's package sources, to find again what it found before. So the
answer is kept with a digest of everything that decided it, and given again while that is the same: the task's parameters, this
code, the engine, the record and the lock file at the destination, what is known of the host's packages and their sources, and
each file that planning opened. Files stand for what they hold by their number, size and times of change. The artefacts
themselves are looked at each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import arguments

FORMAT = 1
#: Where engines are installed.
ENGINES = "/usr/lib/debian-forge"
#: What says where packages come from, and which the host has: below the host's root directory.
TREES = ("etc/apt",)
FOLDERS = ("var/lib/apt/lists", "usr/share/keyrings")
FILES = ("etc/os-release", "usr/lib/os-release", "etc/debian_version", "var/lib/dpkg/status")
# Parameters that say how to wait for a build, and not what is built.
_IRRELEVANT = ("display_progress", "wait", "detach", "lease_seconds", "poll_interval", "timeout", "verify", "install")
_CODE = (".py", ".pyc", ".so")
# What Ansible has sent the library in.
_ARCHIVE: str | None = getattr(globals().get("__loader__"), "archive", None)


@dataclass(frozen=True)
class Answer:
    """What the module returns, and the warnings it gives."""

    result: dict[str, Any]
    warnings: tuple[str, ...]


def state(path: str) -> list[Any]:
    """What a file is known again by; of a link also where it leads to. Of what is not there only that."""
    try:
        own = os.lstat(path)
        there = os.stat(path)
    except OSError:
        return [path]
    return [path, *([one.st_mode, one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns] for one in (own, there))]


def _folder(path: str, deep: bool) -> Iterator[list[Any]]:
    yield state(path)
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return
    for name in names:
        one = os.path.join(path, name)
        if deep and os.path.isdir(one) and not os.path.islink(one):
            yield from _folder(one, deep)
        else:
            yield state(one)


def _code() -> list[Any]:
    """What is the same as long as this library is."""
    if _ARCHIVE is not None:
        import zipfile

        with zipfile.ZipFile(_ARCHIVE) as payload:
            # What else is in it is made anew for each task.
            files = [one for one in payload.infolist() if one.filename.startswith("ansible")]
        return [[one.filename, one.CRC, one.file_size] for one in files]
    found: list[Any] = []
    for folder, folders, names in os.walk(os.path.dirname(os.path.abspath(__file__))):
        folders.sort()
        found += [state(os.path.join(folder, name)) for name in sorted(names) if name.endswith(".py")]
    return found


def _engine(params: Mapping[str, Any]) -> list[Any] | None:
    """The installed engine that the task would use, None if that is not known without looking at all of it."""
    if params["engine"] != "embedded" and (params["engine"] == "upstream" or shutil.which("osbuild")):
        return None
    place = params["libdir"] or os.path.join(ENGINES, "current")
    if not params["libdir"]:
        # Several may be installed: the one that the controller brought goes before the one that was installed last.
        wanted = os.path.basename(params["bundle_digest"] or "")
        own = os.path.join(ENGINES, "bundles", wanted)
        if wanted and os.path.isdir(own):
            return [own, wanted, state(os.path.join(own, "osbuild", "__init__.py"))]
        try:
            place = os.path.join(ENGINES, os.path.basename(os.readlink(place)))
        except OSError:
            return None
    try:
        with open(f"{place}.sha256", encoding="ascii") as file:
            digest = file.read()
    except OSError:
        return None
    return [os.path.realpath(place), digest, state(os.path.join(place, "osbuild", "__init__.py"))]


class Known:
    """The kept answer for the task with these parameters."""

    def __init__(self, params: Mapping[str, Any], *, diff: bool = False, root: str = "/") -> None:
        self.params = params
        self.root = root
        # Nothing is kept of what is asked for in spite of what is there, or of the differences.
        self.usable = params["state"] == "present" and not (params["rebuild"] or params["update_lock"] or diff)
        self.opened: set[str] = set()
        self.key: str | None = None
        self.path = ""
        if self.usable:
            destination = os.path.abspath(params["output_directory"])
            name = hashlib.sha256(os.fsencode(destination)).hexdigest()[:32]
            jobs = os.path.abspath(params["jobs_directory"])
            self.path = os.path.join(os.path.dirname(jobs), "up-to-date", f"{name}.json")

    def find(self) -> Answer | None:
        """The answer, if everything is as it was when it was kept, and what was built is there."""
        if not self.usable:
            return None
        self.key = self._digest()
        kept = self._read()
        if kept is None or self.key is None or kept["key"] != self.key:
            return None
        if any(state(one[0]) != one for one in kept["opened"]):
            return None
        from pathlib import Path

        from .driver import artefacts

        found = [artefacts.Artefact.from_dict(one) for one in kept["artefacts"]]
        if artefacts.difference(found, Path(os.path.abspath(self.params["output_directory"])), self.params["verify"]):
            return None
        return Answer(kept["result"], tuple(kept["warnings"]))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note which files are opened meanwhile."""
        if not self.usable:
            yield
            return
        active = True

        def look(event: str, args: tuple[Any, ...]) -> None:
            if active and event in ("open", "os.listdir", "os.scandir") and isinstance(args[0], (str, bytes, os.PathLike)):
                path = os.path.abspath(os.fsdecode(args[0]))
                if not path.endswith(_CODE) and path != _ARCHIVE:
                    self.opened.add(path)

        sys.addaudithook(look)
        try:
            yield
        finally:
            # A hook stays for as long as the process lives.
            active = False

    def keep(self, result: Mapping[str, Any], warnings: Sequence[str], artefacts: Sequence[Mapping[str, Any]]) -> None:
        """Keep the answer, if that is possible and nothing has changed since the task began."""
        if self.key is None or self.key != self._digest():
            return
        document = {
            "format": FORMAT,
            "key": self.key,
            # What is opened and gone was temporary: that something is looked for in vain, the folders tell.
            "opened": [state(path) for path in sorted(self.opened) if os.path.lexists(path) and not path.startswith("/proc/")],
            "result": dict(result),
            "warnings": list(warnings),
            "artefacts": list(artefacts),
        }
        temporary = f"{self.path}.{os.urandom(6).hex()}"
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
            os.rename(temporary, self.path)

    def _read(self) -> dict[str, Any] | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, encoding="utf-8") as file:
                info = os.fstat(descriptor)
                # What others could have written is no answer.
                if info.st_uid != os.geteuid() or info.st_mode & 0o022:
                    return None
                found = json.load(file)
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("format") == FORMAT else None

    def _digest(self) -> str | None:
        """Of everything that decides the answer; None if that cannot be said without planning."""
        engine = _engine(self.params)
        if engine is None:
            return None
        params = {name: value for name, value in self.params.items() if name not in _IRRELEVANT}
        destination = os.path.abspath(self.params["output_directory"])
        paths = [os.path.join(destination, "record.json"), self.params["lock_file"] or os.path.join(destination, "lock.json")]
        for name in ("blueprint", "manifest"):
            value = self.params[name]
            if isinstance(value, str) and not arguments.is_text(value):
                paths.append(os.path.expanduser(value))
        for source in self.params["sources"] or []:
            paths += [word for word in re.split(r"[,\s]+", source.get("signed_by") or "") if word.startswith("/")]
        facts: list[Any] = [params, _code(), engine, os.geteuid(), platform.machine(), sys.version]
        facts += [state(os.path.abspath(path)) for path in paths]
        facts += [state(os.path.join(self.root, name)) for name in FILES]
        for names, deep in ((TREES, True), (FOLDERS, False)):
            for name in names:
                facts += _folder(os.path.join(self.root, name), deep)
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
