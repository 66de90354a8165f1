# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Path helpers for stages, and the clamping of times."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def in_tree(path: str, tree: str, must_exist: bool = False) -> bool:
    """Tell whether `path` begins with the text `tree` once made absolute (links are not followed)."""
    path = os.path.abspath(path)
    if not path.startswith(str(tree)):
        return False
    return not must_exist or os.path.exists(path)


def join_abs(root: str | os.PathLike[str], *paths: str | os.PathLike[str]) -> str:
    """Join `paths` below `root`, absolute ones too, and return an absolute, normalised path."""
    parts = [os.fspath(part).lstrip("/") for part in paths]
    return os.path.normpath(os.path.join("/", os.fspath(root), *parts))


def resolve_in(root: str | os.PathLike[str], path: str) -> str:
    """Return the path below `root` that `path` leads to when `root` is the root directory, without links in it.

    Absolute links start at `root` and ``..`` stops there, so that the result never lies outside. What does not exist is
    kept as it is written, and so is `root`. Raises OSError (ELOOP) for links that go in circles.
    """
    base = os.fspath(root)
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        try:
            target = os.readlink(os.path.join(base, *done, part))
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > 40:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done = []
        todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return os.path.join(base, *done)


def ensure_glob(pathname: str, n: int | str = "", **kwargs: Any) -> list[str]:
    """Return what the pattern `pathname` matches; `n` demands an exact number of matches.

    Raises ValueError if nothing matches or the number differs. Keywords go to glob.glob.
    """
    import glob  # loads re; most who import this module only join paths

    matches = glob.glob(pathname, **kwargs)
    if not matches:
        raise ValueError(f"No matches for {pathname}")
    if n != "" and len(matches) != n:
        raise ValueError(f"Matches for {pathname} does not match expected ({n})")
    return matches


def clamp_mtime(path: str | os.PathLike[str], start: int, to: int | None) -> None:
    """Set access and modification time of all below (and including) `path` to `to` where mtime >= `start`.

    Times are seconds since the epoch; ``None`` is now. Symbolic links themselves are changed, not their targets. Files
    that must not be touched (EPERM, e.g. immutable ones) are left as they are.
    """
    times = None if to is None else (to, to)
    root = os.fspath(path)
    if os.path.isdir(root) and not os.path.islink(root):
        for _ignored, dirs, files, dir_fd in os.fwalk(root, topdown=False, follow_symlinks=False):
            for name in files + dirs:
                clamp(name, start, times, dir_fd)
    clamp(root, start, times)


def clamp(name: str, start: int, times: tuple[int, int] | None, dir_fd: int | None = None) -> None:
    """`clamp_mtime` of a single file, link or directory; `times` as in os.utime."""
    if os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mtime < start:
        return
    try:
        os.utime(name, times, dir_fd=dir_fd, follow_symlinks=False)
    except PermissionError:
        pass
