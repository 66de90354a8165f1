# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a store holds, and whether it is sound (contract, section 6). Nothing here changes a store."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..util.checksum import verify_file
from ..util.fscache import FsCache
from ..util.fsentry import DATA, INFO, LOCK, TEMPORARY, EntryLock, disk_usage, recorded_size
from ..util.fsstale import TEMPORARY_DIRECTORIES, UNVERIFIED

# Sources whose items are files named by their checksum.
_FILES = "org.osbuild.files"


@dataclass(frozen=True)
class StoredObject:
    """An object; times in seconds since the epoch, None where they are not known.

    `stages` holds the ids of the stages that left metadata; `atime_ns` is the clock of the last use as the store keeps it.
    """

    id: str
    size: int
    last_used: float
    created: int | None
    stages: tuple[str, ...]
    atime_ns: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "size": self.size,
            "last-used": self.last_used,
            "created": self.created,
            "stages": list(self.stages),
        }


@dataclass(frozen=True)
class SourceItem:
    """An item of a source, file or directory; `last_used` in seconds since the epoch."""

    content: str
    name: str
    size: int
    last_used: float
    path: str

    def as_dict(self) -> dict[str, Any]:
        return {"content": self.content, "name": self.name, "size": self.size, "last-used": self.last_used}


def objects(cache: FsCache) -> list[StoredObject]:
    """All objects, the one that was not used for longest first."""
    found = []
    for name in cache.names:
        entry = os.path.join(cache.objects, name)
        try:
            used = os.stat(os.path.join(entry, LOCK)).st_atime_ns
            size = recorded_size(entry)
            if size is None:
                size = disk_usage(os.path.join(entry, DATA))
        except OSError:
            # No entry, or one that is just being removed.
            continue
        meta = Path(entry, DATA, "meta")
        created = _read_json(meta / "info.json").get("created")
        stages = sorted(path.stem for path in meta.glob("*.json") if path.name != "info.json")
        found.append(
            StoredObject(name, size, used / 1e9, created if isinstance(created, int) else None, tuple(stages), used)
        )
    return sorted(found, key=lambda each: (each.atime_ns, each.id))


def source_items(cache: FsCache) -> list[SourceItem]:
    """What was downloaded, sorted by kind and name; of a repository of many files it is one item."""
    found = []
    for content in sorted(_listdir(os.path.join(cache.path, "sources"))):
        directory = os.path.join(cache.path, "sources", content)
        for name in sorted(_listdir(directory)):
            if name.startswith("."):
                continue
            path = os.path.join(directory, name)
            try:
                info = os.lstat(path)
                size = disk_usage(path) if stat.S_ISDIR(info.st_mode) else info.st_blocks * 512
            except OSError:
                continue
            # A build takes a file by a link to it, which changes its status.
            used = max(info.st_atime, info.st_mtime, info.st_ctime)
            found.append(SourceItem(content, name, size, used, path))
    return found


def leftovers(cache: FsCache) -> list[str]:
    """What is there besides objects and sources: of runs that are going on, or that have died."""
    found = []
    for folder in ("objects", "stage"):
        directory = os.path.join(cache.path, folder)
        found += [os.path.join(directory, name) for name in _listdir(directory) if name.startswith(TEMPORARY)]
    tmp = os.path.join(cache.path, "tmp")
    found += [os.path.join(tmp, name) for name in _listdir(tmp) if name.startswith(TEMPORARY_DIRECTORIES)]
    for content in _listdir(os.path.join(cache.path, "sources")):
        directory = os.path.join(cache.path, "sources", content)
        found += [os.path.join(directory, name) for name in _listdir(directory) if name.startswith(UNVERIFIED)]
    return sorted(found)


def problems(cache: FsCache) -> Iterator[tuple[str, str]]:
    """What is wrong: the place below the store, and a sentence."""
    for name in cache.names:
        for sentence in _object_problems(cache, name):
            yield f"objects/{name}", sentence
    for item in source_items(cache):
        sentence = _item_problem(item)
        if sentence:
            yield f"sources/{item.content}/{item.name}", sentence
    # Who uses the store may be between counting an object and showing it.
    if not cache.shared:
        size, total = cache.size, cache.sum_of_sizes()
        if size != total:
            yield "cache.size", f"says {size} bytes, but the objects have {total}; `forge-store gc` counts anew"


def _object_problems(cache: FsCache, name: str) -> Iterator[str]:
    entry = Path(cache.objects, name)
    if not entry.is_dir():
        yield "is no directory"
        return
    if not stat.S_ISREG(_mode(entry / LOCK)):
        yield f"has no {LOCK}, so nobody can use it"
        return
    lock = EntryLock.acquire(str(entry), write=False)
    if lock is None:
        # Somebody is removing it.
        return
    try:
        if recorded_size(str(entry)) is None:
            yield f"{INFO} does not tell its size"
        for path in (entry / DATA / "tree", entry / DATA / "meta"):
            if not stat.S_ISDIR(_mode(path)):
                yield f"has no directory {DATA}/{path.name}"
        if not isinstance(_read_json(entry / DATA / "meta" / "info.json").get("created"), int):
            yield f"{DATA}/meta/info.json does not tell when it was created"
        for path in sorted((entry / DATA / "meta").glob("*.json")):
            try:
                json.loads(path.read_bytes())
            except (OSError, ValueError) as error:
                yield f"{DATA}/meta/{path.name} cannot be read: {error}"
    finally:
        lock.release()


def _item_problem(item: SourceItem) -> str:
    if item.content != _FILES:
        return ""
    try:
        if not os.path.isfile(item.path) or os.path.islink(item.path):
            return "is no file"
        return "" if verify_file(item.path, item.name) else "does not have the checksum that is its name"
    except ValueError:
        return "is not named by a checksum"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _listdir(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
