# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Static deltas: what a client needs for one commit when it has another, in a few files."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .program import run
from .repository import Repository

_NAME = re.compile(r"^(?:([0-9a-f]{64})-)?([0-9a-f]{64})$", re.MULTILINE)


def _short(checksum: str) -> str:
    """How libostree writes checksums into the names of delta directories: base64 with _ for /, without padding."""
    return base64.b64encode(bytes.fromhex(checksum)).decode().replace("/", "_").rstrip("=")


@dataclass(frozen=True)
class Delta:
    """From one commit to another; ``source`` is None for a delta from scratch."""

    source: str | None
    target: str

    @property
    def name(self) -> str:
        return self.target if self.source is None else f"{self.source}-{self.target}"

    def directory(self, repository: Repository) -> Path:
        name = _short(self.target) if self.source is None else f"{_short(self.source)}-{_short(self.target)}"
        return repository.path / "deltas" / name[:2] / name[2:]

    def size(self, repository: Repository) -> int:
        """Bytes that a client downloads."""
        place = self.directory(repository)
        return sum(path.stat().st_size for path in place.iterdir()) if place.is_dir() else 0

    def age(self, repository: Repository) -> float:
        """Seconds since it was made."""
        path = self.directory(repository) / "superblock"
        return time.time() - path.stat().st_mtime if path.exists() else 0.0

    def outdated(self, repository: Repository) -> bool:
        """Whether its commit was signed since it was made: clients believe the signatures that the delta brings, not the commit's."""
        signatures = repository.path / "objects" / self.target[:2] / f"{self.target[2:]}.commitmeta"
        superblock = self.directory(repository) / "superblock"
        # A delta holds the detached metadata of its commit as it was, in one piece.
        return signatures.is_file() and superblock.is_file() and signatures.read_bytes() not in superblock.read_bytes()

    def as_dict(self, repository: Repository) -> dict[str, Any]:
        return {"from": self.source, "to": self.target, "size": self.size(repository)}


def listing(repository: Repository) -> list[Delta]:
    """Deltas of the repository, in the order of their names."""
    text = run("static-delta", "list", repo=repository.path)
    found = [Delta(match[1], match[2]) for match in _NAME.finditer(text)]
    return sorted(found, key=lambda one: one.name)


def generate(repository: Repository, delta: Delta) -> None:
    """Make a delta, in the place of one that is there: its files are replaced one by one, and all but the first are the same."""
    origin = "--empty" if delta.source is None else f"--from={delta.source}"
    run("static-delta", "generate", origin, f"--to={delta.target}", repo=repository.path)


def delete(repository: Repository, delta: Delta) -> None:
    run("static-delta", "delete", delta.name, repo=repository.path)
