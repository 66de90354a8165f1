# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Checks of a request that need no apt, so that a mistake is told before anything is fetched."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import PackageError
from .model import VARIANTS, PackageSet, PackageSpec, Pin, Request, Source

_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_SCHEMES = ("http://", "https://", "file:/", "copy:/", "ftp://")
# Words end up in deb822 fields, where white space and line ends separate.
_WORD = re.compile(r"[^\s\[\]]+")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_EXCLUDE = re.compile(r"[a-z0-9*?\[][a-z0-9+.*?\[\]!-]*")
_PINNED = re.compile(r"[^\r\n]+")

DEFAULT_KEYRINGS = (
    "usr/share/keyrings/debian-archive-keyring.gpg",
    "usr/share/keyrings/debian-archive-keyring.pgp",
)


def is_armoured(signed_by: str) -> bool:
    """True when ``signed_by`` is a public key itself and not the path of one."""
    return _ARMOUR in signed_by


def keyring_paths(source: Source, root: Path = Path("/")) -> tuple[Path, ...]:
    """The keyring files of a source whose key is not inline.  Raises PackageError when one cannot be read."""
    if not source.signed_by:
        for name in DEFAULT_KEYRINGS:
            if (root / name).is_file():
                return (root / name,)
        raise PackageError(
            f"source {source.label}: Debian's archive keyring is not installed; install the package"
            " debian-archive-keyring or set signed_by"
        )
    paths = tuple(Path(item) for item in re.split(r"[,\s]+", source.signed_by.strip()))
    for path in paths:
        if not path.is_absolute():
            raise PackageError(
                f"source {source.label}: signed_by '{path}' is neither an absolute path nor an armoured public key"
            )
        if not path.is_file():
            raise PackageError(f"source {source.label}: the keyring '{path}' named by signed_by does not exist")
    return paths


def _source(source: Source) -> None:
    if not source.uris or not source.suites:
        raise PackageError(f"source {source.name or '(no name)'}: needs at least one URI and one suite")
    for uri in source.uris:
        if not uri.startswith(_SCHEMES) or not _WORD.fullmatch(uri):
            raise PackageError(f"source {source.label}: URI '{uri}' is not one of {', '.join(_SCHEMES)}…")
    for field, words in (("suite", source.suites), ("component", source.components)):
        for word in words:
            if not _WORD.fullmatch(word):
                raise PackageError(f"source {source.label}: {field} '{word}' is not one word")
    for suite in source.suites:
        # sources.list(5): an exact path, ending in a slash, takes no components; a suite takes at least one.
        if not suite.endswith("/") and not source.components:
            raise PackageError(f"source {source.label}: suite '{suite}' needs at least one component, such as main")
    for arch in source.architectures:
        _architecture(arch, f"source {source.label}")
    if not source.trusted and not is_armoured(source.signed_by):
        keyring_paths(source)


def _architecture(name: str, what: str) -> None:
    if not _ARCHITECTURE.fullmatch(name):
        raise PackageError(f"{what}: '{name}' is not a Debian architecture name")


def _pin(pin: Pin) -> None:
    for field, text in (("package", pin.package), ("pin", pin.pin)):
        if not _PINNED.fullmatch(text):
            raise PackageError(f"pin of '{pin.package}': {field} must be one line of text")
    if not -32768 <= pin.priority <= 32767:
        raise PackageError(f"pin of '{pin.package}': priority {pin.priority} is not in -32768..32767")


def _set(name: str, wanted: PackageSet) -> None:
    if wanted.variant not in VARIANTS:
        raise PackageError(f"package set '{name}': unknown variant '{wanted.variant}'; known are {', '.join(VARIANTS)}")
    for item in wanted.exclude:
        if not _EXCLUDE.fullmatch(item):
            raise PackageError(f"package set '{name}': exclude '{item}' is not a package name or glob", package=item)
    for item in wanted.include:
        spec = PackageSpec.parse(item)
        for exclude in wanted.exclude:
            if fnmatchcase(spec.name, exclude):
                raise PackageError(
                    f"package set '{name}': '{spec.name}' is asked for and excluded (by '{exclude}')", package=spec.name
                )


def check(request: Request) -> None:
    """Raises PackageError with the first thing that is wrong."""
    if not request.sets:
        raise PackageError("nothing to resolve: no package set was given")
    if not request.sources:
        raise PackageError("no package sources: set sources")
    for arch in request.architectures:
        _architecture(arch, "architecture")
    for source in request.sources:
        _source(source)
    for pin in request.pins:
        _pin(pin)
    for name, wanted in request.sets.items():
        _set(name, wanted)
