# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What a build exported: described by digests, and brought to its destination only when complete."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BuildError

#: The build record's name at the destination; it is taken away first and put there last, so that its presence
#: means that everything it lists is there.
RECORD = "record.json"

_LISTED_FILES = 64


@dataclass(frozen=True)
class Artefact:
    """A file, or a whole tree, at the destination.

    :param path: relative to the output directory.
    :param size: bytes; of a tree the sum over its regular files.
    :param sha256: of the content; of a tree over its sorted listing (names, types, modes, owners, sizes, digests).
    :param mtime_ns: of the file (nanoseconds); of a tree that of its top.
    :param files: number of entries of a tree, None for a file.
    """

    path: str
    size: int
    sha256: str
    mtime_ns: int
    files: int | None = None

    def as_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "mtime_ns": self.mtime_ns,
        }
        if self.files is not None:
            values["files"] = self.files
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Artefact:
        return cls(values["path"], values["size"], values["sha256"], values["mtime_ns"], values.get("files"))


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe(path: Path, name: str) -> Artefact:
    """Describe the file or tree at ``path`` under the name it has at the destination."""
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        return Artefact(name, info.st_size, _content(path, info), info.st_mtime_ns)
    total, count, size = hashlib.sha256(), 0, 0
    for directory, names, files in os.walk(path):
        names.sort()
        for entry in sorted(names + files):
            place = Path(directory, entry)
            state = place.lstat()
            count += 1
            size += state.st_size if stat.S_ISREG(state.st_mode) else 0
            digest = "" if stat.S_ISDIR(state.st_mode) else _content(place, state)
            line = f"{place.relative_to(path)}\0{state.st_mode:o}\0{state.st_uid}\0{state.st_gid}\0{digest}\n"
            total.update(line.encode("utf-8", "surrogateescape"))
    return Artefact(name, size, total.hexdigest(), info.st_mtime_ns, count)


def _content(path: Path, info: os.stat_result) -> str:
    if stat.S_ISREG(info.st_mode):
        return file_digest(path)
    if stat.S_ISLNK(info.st_mode):
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
    return hashlib.sha256(f"{stat.S_IFMT(info.st_mode):o} {info.st_rdev}".encode()).hexdigest()


def staging_directory(destination: Path, build_id: str) -> Path:
    """Where a build exports to: beside the destination, on its file system, under a name of its own."""
    parent = destination.parent
    if destination.is_dir() and parent.stat().st_dev != destination.stat().st_dev:
        # A mount point: only inside of it is a rename possible.
        return destination / f".{build_id}.partial"
    return parent / f".{destination.name}.{build_id}.partial"


def _exported(staging: Path, exports: Sequence[str], flatten: bool) -> list[tuple[Path, str]]:
    """Pairs of what was exported and the name it gets at the destination."""
    found: list[tuple[Path, str]] = []
    for export in exports:
        top = staging / export
        if not top.is_dir():
            raise BuildError(f"the engine did not export {export!r} although it reported success")
        entries = sorted(os.scandir(top), key=lambda entry: entry.name)
        plain = 0 < len(entries) <= _LISTED_FILES and all(entry.is_file(follow_symlinks=False) for entry in entries)
        if flatten:
            found += [(Path(entry.path), entry.name) for entry in entries]
        elif plain:
            found += [(Path(entry.path), f"{export}/{entry.name}") for entry in entries]
        else:
            found.append((top, export))
    return found


def collect(staging: Path, exports: Sequence[str], flatten: bool) -> list[Artefact]:
    """Describe what the engine exported into ``staging``.

    :param flatten: files of an export lie directly in the output directory, not in one named after the export.
    :raises BuildError: an export is missing.
    """
    return [describe(path, name) for path, name in _exported(staging, exports, flatten)]


def _put(source: Path, target: Path, trash: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        # A directory cannot be renamed over: take the old one aside first.
        trash.mkdir(exist_ok=True)
        target.rename(trash / f"{len(os.listdir(trash))}-{target.name}")
    elif source.is_dir() and target.exists():
        target.unlink()
    source.rename(target)


def publish(staging: Path, destination: Path, exports: Sequence[str], flatten: bool, extra: Mapping[str, Path]) -> None:
    """Bring a complete build from ``staging`` to ``destination`` by renames, the record last, and remove ``staging``.

    :param extra: file name at the destination (or absolute path) -> file to copy there; must hold ``record.json``.
    :raises OSError: a rename failed; without a record at the destination the build does not count as present.
    """
    pairs = _exported(staging, exports, flatten)
    names = [pair[1] for pair in pairs]
    for name in extra:
        if name in names:
            raise BuildError(f"the build exports a file named {name!r}, the name of one of its own reports")
    prepared: dict[str, Path] = {}
    try:
        # Copies come first: what can run out of space does so while the destination is still as it was.
        for number, (name, source) in enumerate(extra.items()):
            target = Path(name)
            place = target.parent if target.is_absolute() else staging
            place.mkdir(parents=True, exist_ok=True)
            prepared[name] = place / f".{staging.name.strip('.')}.{number}"
            shutil.copyfile(source, prepared[name])
            # A report that only its owner may read (it holds password hashes) stays so.
            prepared[name].chmod(0o600 if source.stat().st_mode & 0o077 == 0 else 0o644)
            _sync(prepared[name])
        for path, _name in pairs:
            if path.is_file() and not path.is_symlink():
                _sync(path)
        destination.mkdir(parents=True, exist_ok=True, mode=0o755)
        (destination / RECORD).unlink(missing_ok=True)
        for path, name in pairs:
            _put(path, destination / name, staging / ".replaced")
        for name, copy in sorted(prepared.items(), key=lambda item: item[0] == RECORD):
            # An absolute name wins over the destination (PurePath's joining rule).
            copy.replace(destination / name)
    finally:
        for copy in prepared.values():
            copy.unlink(missing_ok=True)
    _sync(destination)
    shutil.rmtree(staging, ignore_errors=True)


def _sync(path: Path) -> None:
    """Have the content on disk before a name that promises it: after a power cut there is no empty image."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def difference(artefacts: Sequence[Artefact], destination: Path, verify: bool) -> str | None:
    """Why the artefacts at the destination are not those that were built; None if they are.

    A file of the right size and time of last change counts as unchanged; if only the time differs its digest is
    compared, and with ``verify`` always.  Of a tree without ``verify`` only the presence is looked at.
    """
    for artefact in artefacts:
        path = destination / artefact.path
        try:
            info = path.lstat()
        except OSError:
            return f"{artefact.path} is missing"
        if (artefact.files is None) == stat.S_ISDIR(info.st_mode):
            return f"{artefact.path} is another kind of file"
        if artefact.files is None and info.st_size != artefact.size:
            return f"{artefact.path} has {info.st_size} bytes instead of {artefact.size}"
        touched = artefact.files is None and info.st_mtime_ns != artefact.mtime_ns
        if (verify or touched) and describe(path, artefact.path).sha256 != artefact.sha256:
            return f"{artefact.path} was altered"
    return None
