# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The few files at the top of a cache, which many processes read and replace (contract 6.1, 6.2)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator

from . import linux
from .fsentry import temporary_name

VERSION = 1
UNLIMITED = -1

# 130 bytes, as in upstream's stores.
_CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Cache directory of osbuild; backups may skip it, all in it can be made again.      \n"
)


class CacheInfo:
    """The content of `cache.info`; keys this code does not know stay in it."""

    def __init__(self, data: dict[str, object]) -> None:
        self.data = data

    @property
    def version(self) -> int | None:
        version = self.data.get("version")
        return version if isinstance(version, int) else None

    @property
    def known(self) -> bool:
        """Whether the cache has the one format there is."""
        return self.version == VERSION

    @property
    def maximum_size(self) -> int:
        """Bytes, `UNLIMITED`, or 0 where nothing is said: then nothing is kept."""
        size = self.data.get("maximum-size")
        if size == "unlimited":
            return UNLIMITED
        return size if isinstance(size, int) and size > 0 else 0


class CacheFiles:
    """The files of the cache at `path`. OSError where they cannot be read or replaced."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def objects(self) -> str:
        return os.path.join(self.path, "objects")

    def make_layout(self) -> None:
        """Make what is missing."""
        for name in ("", "objects", "stage"):
            os.makedirs(os.path.join(self.path, name), mode=0o755, exist_ok=True)
        for name, content in (
            ("CACHEDIR.TAG", _CACHEDIR_TAG),
            ("cache.info", json.dumps({"version": VERSION})),
            ("cache.lock", ""),
            ("cache.size", "0"),
        ):
            path = os.path.join(self.path, name)
            if os.path.lexists(path):
                continue
            with self.temporary_file(content) as temporary, contextlib.suppress(FileExistsError):
                # A link never replaces: of two that make a store at the same time, both use one's files.
                os.link(temporary, path)

    @contextlib.contextmanager
    def temporary_file(self, content: str) -> Iterator[str]:
        path = os.path.join(self.objects, temporary_name())
        try:
            with open(path, "x", encoding="utf-8") as f:
                f.write(content)
            yield path
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def change_file(self, name: str, change: Callable[[str], str]) -> None:
        """Replace a file's content while no other process does."""
        path = os.path.join(self.path, name)
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                linux.fcntl_flock(fd, fcntl.F_WRLCK, wait=True)
                if not os.path.samestat(os.fstat(fd), os.stat(path)):
                    # Replaced while we waited.
                    continue
                with open(fd, encoding="utf-8", closefd=False) as f:
                    old = f.read()
                new = change(old)
                if new != old:
                    with self.temporary_file(new) as temporary:
                        os.rename(temporary, path)
                return
            finally:
                os.close(fd)

    def read_info(self) -> CacheInfo:
        try:
            with open(os.path.join(self.path, "cache.info"), encoding="utf-8") as f:
                data = json.load(f)
        except (OSError, ValueError):
            data = {}
        return CacheInfo(data if isinstance(data, dict) else {})

    def set_maximum_size(self, size: int | str) -> CacheInfo:
        """Set the limit for good: bytes, `UNLIMITED` or the word "unlimited". Returns the description as it is now."""
        value = "unlimited" if size in (UNLIMITED, "unlimited") else size

        info = CacheInfo({})

        def change(old: str) -> str:
            try:
                data = json.loads(old)
            except ValueError:
                data = {}
            data["maximum-size"] = value
            nonlocal info
            info = CacheInfo(data)
            return json.dumps(data)

        self.change_file("cache.info", change)
        return info

    @property
    def size(self) -> int:
        """Bytes all entries take together."""
        try:
            with open(os.path.join(self.path, "cache.size"), encoding="utf-8") as f:
                return int(f.read())
        except (OSError, ValueError):
            return 0

    def change_size(self, change: Callable[[int], int]) -> None:
        def change_text(old: str) -> str:
            try:
                size = int(old)
            except ValueError:
                size = 0
            return str(max(0, change(size)))

        self.change_file("cache.size", change_text)
