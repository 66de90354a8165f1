# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Prepared roots kept from one run of the engine to the next, as files that are gone after a reboot.

What a runner makes depends on the build tree, on its own program and on the day (passwords have a date). An object of a
store never changes, so it stands for its tree. Of the host a look at what the programs read decides: the directories of shared
libraries, and the descriptions of users and of volatile files.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from .preparedroot import Entry, PreparedRoot

# Neither in a store nor in a run directory: there nothing stays that others would not expect.
FOLDER = "/run/osbuild-prepared"
# So many are kept: of the host, and of a few build trees.
_MAX_FILES = 8
_PROGRAMS = ("usr/sbin/ldconfig", "usr/bin/systemd-sysusers", "usr/bin/systemd-tmpfiles", "usr/bin/python3")
_LIBRARIES = ("usr/lib", "usr/lib32", "usr/lib64", "usr/libx32", "usr/local/lib")
_DESCRIPTIONS = ("usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/lib/credstore")


def key(root: str, runner: str, environment: dict[str, str], *, is_host: bool) -> str | None:
    """A name for what the runner makes of that build root, None where nothing can be known of it. OSError."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read()
    with open(runner, "rb") as program:
        code = hashlib.sha256(program.read()).hexdigest()
    machine = os.uname()
    facts = [root, boot, code, machine.nodename, machine.release, time.time() // 86400, os.geteuid()]
    facts.append(sorted(environment.items()))
    if is_host:
        facts.append(list(_looks(root)))
    else:
        tree = tree_state(root)
        if tree is None:
            return None
        facts.append(tree)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def load(name: str) -> PreparedRoot | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        fd = os.open(os.path.join(FOLDER, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, encoding="ascii") as file:
            info = os.fstat(fd)
            if info.st_uid != os.geteuid() or info.st_mode & 0o077:
                return None
            root, var = json.load(file)
            return PreparedRoot(_from_json(root), _from_json(var))
    return None


def save(name: str, prepared: PreparedRoot) -> None:
    """Keep it for later runs, if that is possible."""
    temporary = os.path.join(FOLDER, f".{os.urandom(6).hex()}")
    with contextlib.suppress(OSError):
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        _remove_oldest(FOLDER)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="ascii") as file:
            json.dump([_to_json(prepared.root), _to_json(prepared.var)], file)
        os.rename(temporary, os.path.join(FOLDER, name))


def _remove_oldest(folder: str) -> None:
    paths = [entry.path for entry in os.scandir(folder)]
    paths.sort(key=lambda path: os.lstat(path).st_mtime)
    for path in paths[: 1 - _MAX_FILES]:
        os.unlink(path)


def _looks(root: str) -> Iterator[list[object]]:
    for program in _PROGRAMS:
        yield state(os.path.realpath(os.path.join(root, program)))
    for folder in _DESCRIPTIONS:
        path = os.path.join(root, folder)
        yield state(path)
        with contextlib.suppress(FileNotFoundError):
            yield from (state(entry.path) for entry in sorted(os.scandir(path), key=lambda entry: entry.name))
    for folder in _LIBRARIES:
        path = os.path.join(root, folder)
        yield state(path)
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
                # Those of an architecture, and variants for processors below them.
                if "-linux-gnu" in entry.name or entry.name == "glibc-hwcaps":
                    yield state(entry.path)
                    for below, _dirs, _files in os.walk(os.path.join(entry.path, "glibc-hwcaps")):
                        yield state(below)


def tree_state(root: str) -> list[object] | None:
    """The `state` of a tree that never changes, since it is an object of a store; None for any other."""
    if os.path.basename(os.path.dirname(os.path.dirname(os.path.dirname(root)))) != "objects":
        return None
    return state(root)


def state(path: str) -> list[object]:
    """What of a file is another when it is replaced or written to."""
    try:
        info = os.stat(path)
    except OSError:
        return [path]
    return [path, info.st_dev, info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns]


def _to_json(entries: list[Entry]) -> list[object]:
    def text(data: bytes | None) -> str | None:
        return None if data is None else binascii.b2a_base64(data, newline=False).decode("ascii")

    return [
        [*entry[:3], text(entry.content), [[name, text(value)] for name, value in entry.attributes]]
        for entry in entries
    ]


def _from_json(values: list[list[Any]]) -> list[Entry]:
    entries = []
    for path, mode, owner, content, attributes in values:
        if not isinstance(mode, int) or path.startswith("/") or ".." in path.split("/"):
            raise ValueError("no entry of a root")
        data = None if content is None else binascii.a2b_base64(content)
        named = tuple((name, binascii.a2b_base64(value)) for name, value in attributes)
        entries.append(Entry(path, mode, (owner[0], owner[1]), data, named))
    return entries
