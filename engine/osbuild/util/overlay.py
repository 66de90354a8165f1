# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A tree that begins as another one without being a copy of it: an overlay, and the making of a plain tree from it.

What the file system says about the upper directory is in Documentation/filesystems/overlayfs.rst of the kernel: a whiteout
is a character device 0/0, an opaque directory hides the one below, a redirect names the directory it was renamed from.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from . import linux
from .path import clamp

_PRIVATE = "trusted.overlay."
_OPAQUE = _PRIVATE + "opaque"
_REDIRECT = _PRIVATE + "redirect"
_PROTECTED = _PRIVATE + "protattr"


def mount(lower: str, scratch: str, target: str) -> None:
    """Show at `target` the directory `lower`, with what is changed kept in the new directories `upper` and `work` of `scratch`.

    All three lie on one file system. OSError where that is not possible; then nothing is left.
    """
    upper, work = os.path.join(scratch, "upper"), os.path.join(scratch, "work")
    fds: list[int] = []
    mounted = False
    try:
        for path in (upper, work):
            os.mkdir(path)
        # The root directory is the upper one.
        copy_attributes(lower, upper)
        # By number: in the options of the mount a colon or comma of a path would mean something.
        fds += [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in (lower, upper, work)]
        names = zip(("lowerdir", "upperdir", "workdir"), fds, strict=True)
        options = [f"{name}=/proc/self/fd/{fd}" for name, fd in names]
        # Renamed directories as on any file system; and unmounting does not write out the whole disk below.
        options += ["redirect_dir=on", "index=off", "metacopy=off", "volatile"]
        linux.mount("overlay", target, "overlay", linux.MS_NOSUID | linux.MS_NODEV, ",".join(options))
        mounted = True
        if os.statvfs(target).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, "the file system below does not have what an overlay needs", scratch)
    except OSError:
        if mounted:
            linux.umount(target, linux.MNT_DETACH)
        import shutil

        for path in (upper, work):
            shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        for fd in fds:
            os.close(fd)


def flatten(lower: str, scratch: str, target: str) -> None:
    """Make what `mount` showed at `target`, and was unmounted, a plain directory there.

    What was not changed becomes a further name of what is in `lower`, so neither may be changed in place any more. OSError.
    """
    import shutil

    upper = os.path.join(scratch, "upper")
    _merge(upper, lower, lower)
    os.rename(upper, target)
    shutil.rmtree(os.path.join(scratch, "work"), ignore_errors=True)


def clamp_changed(target: str, scratch: str, start: int, to: int) -> None:
    """What `clamp_mtime` does to the tree that `mount` shows at `target`, where all times below it are before `start`.

    Only what is in the upper directory is looked at: the rest is as it was below. OSError.
    """
    upper = os.path.join(scratch, "upper")
    for directory, directories, files in os.walk(upper):
        place = target + directory[len(upper) :]
        for name in (".", *directories, *files) if directory == upper else (*directories, *files):
            # Whiteouts are here, but not there.
            with contextlib.suppress(FileNotFoundError):
                clamp(os.path.join(place, name), start, (to, to))


def copy_attributes(source: str, target: str) -> None:
    """Owner, mode, extended attributes and times of a directory. OSError."""
    info = os.lstat(source)
    os.chown(target, info.st_uid, info.st_gid)
    os.chmod(target, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(_PRIVATE):
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


def _merge(upper: str, lower: str | None, root: str) -> None:
    """Complete the directory `upper` with what shines through from `lower`; `root` is the top of the lower tree."""
    info = os.lstat(upper)
    present = set()
    with os.scandir(upper) as entries:
        for entry in list(entries):
            present.add(entry.name)
            if entry.is_dir(follow_symlinks=False):
                _merge(entry.path, _below(entry, lower, root), root)
            elif _is_whiteout(entry):
                os.unlink(entry.path)
            elif _strip(entry.path):
                _protect(entry.path)
    if lower is not None:
        _add(lower, upper, present)
    protected = _strip(upper)
    os.utime(upper, ns=(info.st_atime_ns, info.st_mtime_ns))
    if protected:
        _protect(upper)


def _add(lower: str, target: str, left_out: set[str]) -> None:
    """Give what is in the directory `lower` further names in `target`, directories new ones."""
    with os.scandir(lower) as entries:
        for entry in entries:
            if entry.name in left_out:
                continue
            name = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(name, 0o700)
                _add(entry.path, name, set())
                copy_attributes(entry.path, name)
            elif not _is_whiteout(entry):
                _link(entry.path, name)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as e:
        # Too many names already, or immutable.
        if e.errno not in (errno.EMLINK, errno.EPERM) or not stat.S_ISREG(os.lstat(source).st_mode):
            raise
        import shutil

        shutil.copy2(source, target, follow_symlinks=False)
        info = os.lstat(source)
        os.chown(target, info.st_uid, info.st_gid)
        os.chmod(target, stat.S_IMODE(info.st_mode))


def _below(entry: os.DirEntry[str], lower: str | None, root: str) -> str | None:
    """The directory that shines through the upper one `entry`, if any."""
    if lower is None or _xattr(entry.path, _OPAQUE) == b"y":
        return None
    place = [*_relative(lower, root), entry.name]
    redirect = _xattr(entry.path, _REDIRECT)
    if redirect is not None:
        text = os.fsdecode(redirect)
        place = text.split("/")[1:] if text.startswith("/") else [*place[:-1], text]
    path = root
    for part in place:
        path = f"{path}/{part}"
        if part in ("", ".", "..") or not stat.S_ISDIR(_mode(path)):
            return None
    return path


def _relative(path: str, root: str) -> list[str]:
    rest = path[len(root) :].strip("/")
    return rest.split("/") if rest else []


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    # Neither file nor link is the most that is known without asking the file system.
    if entry.is_file(follow_symlinks=False) or entry.is_symlink():
        return False
    info = entry.stat(follow_symlinks=False)
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0


def _xattr(path: str, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


def _strip(path: str) -> bool:
    """Remove the overlay's own attributes; whether they said that the file is immutable."""
    protected = _xattr(path, _PROTECTED) or b""
    with contextlib.suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(_PRIVATE):
                os.removexattr(path, name, follow_symlinks=False)
    return b"i" in protected


def _protect(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        linux.ioctl_toggle_immutable(fd, True)
    finally:
        os.close(fd)
