# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Remove trees that resist."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import Any

from . import linux


def _unlock(path: str) -> None:
    """Clear the immutable flag of a file or directory, and open a directory to its owner; links are not followed."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            linux.ioctl_toggle_immutable(fd, False)
            # Not of a file: that may have other names, and no permission of its own is needed to remove one.
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                os.fchmod(fd, 0o700)
        finally:
            os.close(fd)
    if os.path.isdir(path) and not os.path.islink(path) and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        # One that could not even be opened.
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)


def _insist(function: Callable[[str], Any], path: str, parent: str | None) -> Any:
    """Call `function`; when that is not permitted, once more after unlocking the path and its directory, if that is ours."""
    try:
        return function(path)
    except PermissionError:
        if parent is not None:
            _unlock(parent)
        _unlock(path)
        return function(path)


def rmtree(path: str | os.PathLike[str]) -> None:
    """Remove a directory and all below it; immutable files and closed directories do not stop it.

    What vanishes meanwhile is fine. Raises NotADirectoryError if `path` is none, OSError for what
    cannot be removed all the same. To remove trees below which something may be mounted, see
    `mountinfo.remove_tree`.
    """
    top = os.fspath(path)
    if os.path.islink(top):
        raise NotADirectoryError(f"'{top}' is a link")
    _remove(top, None)


def _remove(path: str, parent: str | None) -> None:
    try:
        with _insist(os.scandir, path, parent) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    _remove(entry.path, path)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        _insist(os.unlink, entry.path, path)
        _insist(os.rmdir, path, parent)
    except FileNotFoundError:
        pass
