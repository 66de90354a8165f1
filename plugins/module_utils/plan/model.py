# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What goes into a plan, and what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..blueprint import Blueprint
from ..errors import PackageError
from ..packages import Source


@dataclass(frozen=True)
class Inputs:
    """What a user asks for.

    :param distribution: name or alias; None: as the blueprint says.
    :param architecture: Debian's or the kernel's name; None: as the blueprint says, else the host's.
    :param sources: package sources instead of the host's own; None for the host's.
    :param lock: lock file to read if it is there; nothing is ever written by planning.
    :param update_lock: solve anew even if the lock file answers the question.
    """

    blueprint: Blueprint
    image_type: str
    distribution: str | None = None
    architecture: str | None = None
    sources: tuple[Source, ...] | None = None
    lock: Path | None = None
    update_lock: bool = False


@dataclass(frozen=True)
class Plan:
    """What would be built.

    :param manifest: the manifest's bytes.
    :param manifest_id: SHA-256 (hex) of its canonical form.
    :param exports: names of the pipelines to export.
    :param filename: the image file's name; None for a raw manifest.
    :param checkpoints: names of pipelines and types of stages whose trees are kept for later builds.
    :param packages: package set -> sorted ``name:architecture=version``; empty for a raw manifest.
    :param lock_text: what the lock file holds, or will hold; None for a raw manifest.
    :param locked: the lock file answered; nothing was fetched.
    :param previous: the packages of the lock file that was found, in the form of ``packages``.
    :param mirrors: sets of base URIs of the same content: what one of them does not give, another may.
    """

    manifest: bytes
    manifest_id: str
    exports: tuple[str, ...]
    filename: str | None = None
    checkpoints: tuple[str, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lock_text: str | None = None
    locked: bool = False
    previous: Mapping[str, tuple[str, ...]] | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    mirrors: tuple[tuple[str, ...], ...] = ()

    @property
    def lock_digest(self) -> str | None:
        """SHA-256 (hex) of the lock file's text."""
        return None if self.lock_text is None else hashlib.sha256(self.lock_text.encode()).hexdigest()


_SOURCE_KEYS = {
    "name", "uris", "suites", "components", "signed_by", "architectures", "trusted", "check_valid_until",
}  # fmt: skip


def parse_sources(entries: Sequence[Mapping[str, Any]] | None) -> tuple[Source, ...] | None:
    """Package sources from a module's parameter; None if it was not given.

    :raises PackageError: an entry lacks what every source needs.
    """
    if entries is None:
        return None
    found = []
    for number, entry in enumerate(entries):
        unknown = sorted(set(entry) - _SOURCE_KEYS)
        if unknown:
            raise PackageError(
                f"sources[{number}] has the unknown key {unknown[0]!r}; known are {sorted(_SOURCE_KEYS)}"
            )
        for key in ("uris", "suites"):
            if not entry.get(key):
                raise PackageError(f"sources[{number}].{key} is empty; a package source needs at least one")
        found.append(
            Source(
                uris=tuple(entry["uris"]),
                suites=tuple(entry["suites"]),
                components=tuple(entry.get("components") or ()),
                signed_by=entry.get("signed_by") or "",
                architectures=tuple(entry.get("architectures") or ()),
                trusted=bool(entry.get("trusted")),
                name=entry.get("name") or "",
                check_valid_until=entry.get("check_valid_until") is not False,
            )
        )
    return tuple(found)
