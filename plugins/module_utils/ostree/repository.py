# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""An OSTree repository: making one, its settings, and the lock under which publishing happens."""

from __future__ import annotations

import configparser
import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import OstreeError
from .program import run

MODES = ("archive", "bare", "bare-user", "bare-user-only")
_MODE_NAMES = {"archive-z2": "archive"}
_LOCK = "forge.lock"


@dataclass(frozen=True)
class Repository:
    """A repository on this host."""

    path: Path

    def exists(self) -> bool:
        return (self.path / "config").is_file() and (self.path / "objects").is_dir()

    def require(self) -> Repository:
        """This repository.  Raises OstreeError where there is none."""
        if not self.exists():
            raise OstreeError(f"{self.path} is no OSTree repository; make one with the module ostree_repo")
        return self

    def settings(self) -> dict[str, dict[str, str]]:
        """Groups of the repository's config, as they are written."""
        parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string((self.path / "config").read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error) as exc:
            raise OstreeError(f"{self.path / 'config'} cannot be read: {exc}") from exc
        return {name: dict(parser.items(name)) for name in parser.sections()}

    @property
    def mode(self) -> str:
        found = self.settings().get("core", {}).get("mode", "bare")
        return _MODE_NAMES.get(found, found)

    @property
    def collection_id(self) -> str:
        return self.settings().get("core", {}).get("collection-id", "")

    def create(self, mode: str, collection_id: str | None = None) -> None:
        extra = [f"--collection-id={collection_id}"] if collection_id else []
        self.path.mkdir(parents=True, exist_ok=True)
        run("init", f"--mode={mode}", *extra, repo=self.path)

    def set(self, group: str, key: str, value: str | None) -> None:
        """Write one setting; None takes it away."""
        words = ["unset", f"--group={group}", key] if value is None else ["set", f"--group={group}", key, value]
        run("config", *words, repo=self.path)

    def has_commit(self, checksum: str) -> bool:
        return (self.path / "objects" / checksum[:2] / f"{checksum[2:]}.commit").is_file()

    def is_complete(self, checksum: str) -> bool:
        """Whether the commit is here with all that belongs to it: an interrupted pull leaves a mark."""
        return self.has_commit(checksum) and not (self.path / "state" / f"{checksum}.commitpartial").exists()

    @contextlib.contextmanager
    def publishing(self) -> Iterator[None]:
        """Hold the lock under which refs and summary of this repository change together."""
        with (self.path / _LOCK).open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def setting_name(name: str) -> tuple[str, str]:
    """Group and key of ``GROUP.KEY``.  Raises OstreeError."""
    group, dot, key = name.rpartition(".")
    if not dot or not group or not key:
        raise OstreeError(f"config: '{name}' is not of the form GROUP.KEY, like core.fsync")
    return group, key
