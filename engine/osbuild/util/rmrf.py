# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Remove trees that resist."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from . import linux


def _unlock(path: str) -> None:
    """Clear the immutable flag of a file or directory and open its mode; links are not followed."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            linux.ioctl_toggle_immutable(fd, False)
        finally:
            os.close(fd)
    if not os.path.islink(path):
        with contextlib.suppress(OSError):
            os.chmod(path, 0o777)


def _insist(function: Callable[[str], Any], path: str) -> Any:
    """Call `function`; when that is not permitted, once more after unlocking the path and its directory."""
    try:
        return function(path)
    except PermissionError:
        _unlock(os.path.dirname(path))
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
    _remove(top)


def _remove(path: str) -> None:
    try:
        with _insist(os.scandir, path) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    _remove(entry.path)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        _insist(os.unlink, entry.path)
        _insist(os.rmdir, path)
    except FileNotFoundError:
        pass
