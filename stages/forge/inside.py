# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Writing a few files into a tree that is not this process's root, without following any link on the way."""

from __future__ import annotations

import os

from .errors import StageError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Inside:
    """Paths relative to a tree, walked folder by folder: a link in place of a folder is refused, not followed."""

    def __init__(self, tree: str) -> None:
        self._tree = tree
        self._fd = -1

    def __enter__(self) -> Inside:
        self._fd = os.open(self._tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_ignored: object) -> None:
        os.close(self._fd)

    def _folder(self, path: str, *, make: bool) -> int | None:
        """Descriptor of the folder; None when it is not there and is not to be made."""
        at = os.dup(self._fd)
        done = ""
        for part in filter(None, path.split("/")):
            if part == "..":
                os.close(at)
                raise StageError(f"path {path!r} climbs out of the tree")
            done += f"/{part}"
            try:
                try:
                    below = os.open(part, _FOLDER, dir_fd=at)
                except FileNotFoundError:
                    if not make:
                        return None
                    os.mkdir(part, 0o755, dir_fd=at)
                    below = os.open(part, _FOLDER, dir_fd=at)
            except OSError as error:
                raise StageError(f"{done} of the tree is not a directory ({error.strerror}); it must be one") from None
            finally:
                os.close(at)
            at = below
        return at

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write or replace a file, making its folders (mode 0755). Whatever had the name, a link too, is replaced."""
        folder, _ignored, name = path.rpartition("/")
        at = self._folder(folder, make=True)
        assert at is not None
        try:
            try:
                os.unlink(name, dir_fd=at)
            except FileNotFoundError:
                pass
            except IsADirectoryError:
                raise StageError(f"/{path} of the tree is a directory; a file is to be written there") from None
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=at)
            with open(fd, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
        finally:
            os.close(at)

    def remove(self, path: str) -> bool:
        """Remove a file; whether there was one."""
        folder, _ignored, name = path.rpartition("/")
        at = self._folder(folder, make=False)
        if at is None:
            return False
        try:
            os.unlink(name, dir_fd=at)
        except FileNotFoundError:
            return False
        finally:
            os.close(at)
        return True
