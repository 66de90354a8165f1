# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Directories of a tree as the content of a file system: mount points in it look empty, the tree stays as it is."""

from __future__ import annotations

import contextlib
import os

from . import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PREFIX = "tree-view-"


def _new_directory() -> str:
    # Most views are of a whole tree and need none.
    import tempfile

    return tempfile.mkdtemp(prefix=PREFIX)


def inside(root: str, path: str) -> str:
    """`path` below `root`; links on the way are refused, since they could lead out of the tree. Raises ValueError."""
    current = root
    for part in path.strip("/").split("/") if path.strip("/") else []:
        if part in ("", ".", ".."):
            raise ValueError(f"{path}: not a plain absolute path")
        current = os.path.join(current, part)
        if os.path.islink(current):
            raise ValueError(f"{path}: {current[len(root) :]} is a symbolic link in the tree")
    return current


def source_directory(root: str, source: str) -> str:
    base = inside(root, source)
    if not os.path.isdir(base):
        raise ValueError(f"source: the tree has no directory {source}")
    return base


def _show(base: str, source: str, exclude: Sequence[str], target: str, mounted: list[str]) -> None:
    """Mount the directory `base` on `target`, with the directories in `exclude` empty; what is mounted goes to `mounted`."""
    mounts.mount(base, target, None, mounts.BIND)
    mounted.append(target)
    mounts.mount(None, target, None, mounts.PRIVATE)
    for path in exclude:
        place = inside(target, path)
        if not os.path.isdir(place):
            raise ValueError(f"exclude: {source.rstrip('/')}{path} is not a directory of the tree")
        status = os.stat(place)
        mounts.mount("empty", place, "tmpfs", 0, f"mode={status.st_mode & 0o7777:o}")
        mounted.append(place)
        os.chown(place, status.st_uid, status.st_gid)
        os.chmod(place, status.st_mode & 0o7777)
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextlib.contextmanager
def view(root: str, source: str = "/", exclude: Sequence[str] = ()) -> Iterator[str]:
    """The directory `source` of the tree `root`, with the directories in `exclude` (relative to it) empty."""
    base = source_directory(root, source)
    if not exclude:
        yield base
        return
    mounted: list[str] = []
    top = _new_directory()
    try:
        _show(base, source, exclude, top, mounted)
        yield top
    finally:
        for target in reversed(mounted):
            mounts.umount(target)
        os.rmdir(top)


@contextlib.contextmanager
def arrangement(root: str, parts: Sequence[tuple[str, str, Sequence[str]]]) -> Iterator[str]:
    """A directory that has, for each part (name, source, exclude), the view of its source under its name."""
    bases = [source_directory(root, source) for _name, source, _exclude in parts]
    mounted: list[str] = []
    made: list[str] = []
    top = _new_directory()
    try:
        os.chmod(top, 0o755)
        for base, (name, source, exclude) in zip(bases, parts, strict=True):
            target = os.path.join(top, name)
            os.mkdir(target)
            made.append(target)
            _show(base, source, exclude, target, mounted)
        yield top
    finally:
        for target in reversed(mounted):
            mounts.umount(target)
        for target in made:
            os.rmdir(target)
        os.rmdir(top)
