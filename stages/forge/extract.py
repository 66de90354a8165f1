# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Unpack the data archives of packages into an empty tree, in parallel, as dpkg would lay them down.

Called with the tree as root directory (see `root`), so neither ".." nor an absolute symbolic link can lead out of it.
Existing files are never opened or replaced: two packages with one path are found, not merged.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import parallel, tar
from .deb import Package, data_stream
from .errors import StageError
from .pathfilter import Skip
from .streams import DAMAGED, Stream
from .usrmerge import canonical


@dataclass
class Listing:
    """What one package brought: every path in archive order (for *.list), and what lies behind it.

    directories: path -> (mode, uid, gid, mtime); others: paths of all other members that were written;
    symlinks: those of them that are symbolic links; taken: paths that were there already.
    """

    paths: list[bytes] = field(default_factory=list)
    directories: dict[bytes, tuple[int, int, int, int]] = field(default_factory=dict)
    others: list[bytes] = field(default_factory=list)
    symlinks: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    def as_dpkg_list(self) -> bytes:
        """The content of the package's *.list file."""
        return b"".join(b"/%s\n" % (path or b".") for path in self.paths)


def _write_member(entry: tar.Entry, path: bytes, stream: Stream) -> None:
    """Create one non-directory member at `path`; FileExistsError when something is there."""
    if entry.kind == tar.FILE:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, entry.mode & 0o777)
        try:
            stream.copy(entry.size, lambda view: os.write(fd, view))
            # Always: in a set-group-id directory a new file would take the directory's group.
            os.fchown(fd, entry.uid, entry.gid)
            if entry.mode & 0o7000:
                os.fchmod(fd, entry.mode)
            os.utime(fd, (entry.mtime, entry.mtime))
        finally:
            os.close(fd)
        return
    if entry.kind == tar.HARDLINK:
        os.link(tar.clean_path(entry.target), path, follow_symlinks=False)
        return
    if entry.kind == tar.SYMLINK:
        os.symlink(entry.target, path)
    elif entry.kind == tar.FIFO:
        os.mkfifo(path, entry.mode)
    else:
        kind = stat.S_IFCHR if entry.kind == tar.CHARDEV else stat.S_IFBLK
        os.mknod(path, entry.mode | kind, os.makedev(*entry.device))
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind != tar.SYMLINK and entry.mode & 0o7000:
        os.chmod(path, entry.mode)
    os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)


def extract_data(
    fd: int, package: Package, *, skip: Skip | None = None, merged: frozenset[bytes] = frozenset(),
    outside: int | None = None, conffiles: bool = True,
) -> Listing:
    """Unpack the open .deb `fd` below the current root directory.

    Conffiles get the name `<path>.dpkg-new`, from where `dpkg --configure` takes them (conffiles=False: they are left
    out). `merged` names the links made by `usrmerge.create`; `outside`: see `streams.decompress`.
    Raises StageError naming the package.
    """
    listing = Listing()
    waiting = {path.lstrip("/").encode("utf-8", "surrogateescape") for path, removed in package.conffiles if not removed}
    stream = data_stream(fd, package, outside)
    path = b""
    try:
        for entry in tar.entries(stream):
            path = entry.path
            listing.paths.append(path)
            if not path:
                continue
            if skip is not None and skip(path, entry.kind in (tar.DIRECTORY, tar.SYMLINK)):
                stream.copy(entry.size, None)
                continue
            if entry.kind == tar.DIRECTORY:
                _directory(path)
                listing.directories[path] = (entry.mode, entry.uid, entry.gid, entry.mtime)
                continue
            if path in merged and entry.kind == tar.SYMLINK:
                if entry.target.strip(b"/") != b"usr/" + path:
                    raise tar.TarError(f"/{os.fsdecode(path)} would not be a link to usr/{os.fsdecode(path)}")
                continue
            target = path
            if path in waiting:
                if not conffiles:
                    stream.copy(entry.size, None)
                    continue
                target = path + b".dpkg-new"
            try:
                try:
                    _write_member(entry, target, stream)
                except FileNotFoundError:
                    # A package without entries for its directories, or a filter that excludes a parent.
                    parent = os.path.dirname(target)
                    if not parent or os.path.lexists(parent):
                        raise
                    os.makedirs(parent, mode=0o755)
                    _write_member(entry, target, stream)
                listing.others.append(path)
                if entry.kind == tar.SYMLINK:
                    listing.symlinks.append(path)
            except FileExistsError:
                listing.taken.append(path)
                stream.copy(entry.size, None)
    except tar.TarError as error:
        raise StageError(f"package {package.name} has a bad data archive: {error}") from None
    except EOFError:
        raise StageError(f"package {package.name} has a damaged data archive: it ends too early") from None
    except DAMAGED as error:
        where = f"cannot write /{os.fsdecode(path)}" if isinstance(error, OSError) else "has a damaged data archive"
        raise StageError(f"package {package.name} {where}: {getattr(error, 'strerror', None) or error}") from None
    return listing


def _directory(path: bytes) -> None:
    """Make a directory unless it, or a link to one, is there. Its final mode and owner come later, from all packages."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        if not os.path.isdir(path):
            raise tar.TarError(f"/{os.fsdecode(path)} is a directory here and something else in the tree") from None
    except FileNotFoundError:
        if os.path.lexists(os.path.dirname(path)):
            raise
        os.makedirs(path, mode=0o755)


def extract_all(
    source: str, packages: Sequence[Package], *, skip: Skip | None, merged: frozenset[bytes],
    outside: int | None = None, conffiles: bool = True, jobs: int | None = None,
) -> list[Listing]:
    """Unpack `packages` (files below the directory `source`) below the current root; their listings in the same order."""
    # Biggest first: one big package started last would leave the other processors idle.
    order = sorted(range(len(packages)), key=lambda number: -packages[number].data.size)

    def enter() -> None:
        os.umask(0)
        os.chdir("/")

    def one(number: int) -> Listing:
        package = packages[number]
        fd = os.open(os.path.join(source, package.file), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return extract_data(fd, package, skip=skip, merged=merged, outside=outside, conffiles=conffiles)
        finally:
            os.close(fd)

    found = parallel.run(one, order, jobs=jobs or parallel.cpus(), prepare=enter)
    by_number = dict(zip(order, found, strict=True))
    return [by_number[number] for number in range(len(packages))]


def settle_directories(listings: Sequence[Listing], merged: frozenset[bytes]) -> None:
    """Give every directory mode and owner of the first package (in the order given) that has it, as dpkg does.

    dpkg leaves existing directories as they are, so the first one decides; doing it at the end makes the result
    independent of which worker was faster.
    """
    seen: dict[bytes, tuple[int, int, int, int]] = {}
    for listing in listings:
        for path, attributes in listing.directories.items():
            seen.setdefault(canonical(path, merged), attributes)
    # Deepest first, so that setting a directory's time is not undone by its children.
    for path in sorted(seen, reverse=True):
        mode, uid, gid, mtime = seen[path]
        try:
            fd = os.open(b"/" + path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # a link to a directory: that one's attributes are its own package's
        try:
            os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
            os.utime(fd, (mtime, mtime))
        finally:
            os.close(fd)
