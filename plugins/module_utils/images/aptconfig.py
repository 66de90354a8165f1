# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The image's own apt: sources, pins, unattended upgrades."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..blueprint import Repository
from ..manifest import Stage
from ..packages import Source
from .archive import image_pins, repository_source
from .definition import Definition
from .plain import plain

# Where the package debian-archive-keyring, which apt depends on, has Debian's keys, and how newer hosts name it.
_DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEBIAN_KEYRINGS = ("", _DEBIAN_KEYRING, "/usr/share/keyrings/debian-archive-keyring.pgp")


def _apt_source(source: Source, name: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "name": name,
        "uris": list(source.uris),
        "suites": list(source.suites),
        "components": list(source.components),
    }
    if source.architectures:
        result["architectures"] = list(source.architectures)
    if source.signed_by.lstrip().startswith("-----BEGIN"):
        result["key"] = source.signed_by
    elif source.trusted and not source.signed_by:
        result["trusted"] = True
    else:
        result["signed-by"] = _DEBIAN_KEYRING if source.signed_by in _DEBIAN_KEYRINGS else source.signed_by
    return result


def _of_the_host(uri: str) -> bool:
    return uri.startswith(("file:", "copy:", "cdrom:"))


def _kept(source: Source) -> Source | None:
    uris = tuple(uri for uri in source.uris if not _of_the_host(uri))
    return replace(source, uris=uris) if uris else None


def _repositories(definition: Definition) -> list[tuple[Repository, Source]]:
    """Repositories that the image knows, with the source that each is; directories in the image stay."""
    kept = [one for one in definition.customizations.repositories if one.in_image]
    return [(one, repository_source(one, definition.distribution)) for one in kept]


def image_sources(definition: Definition) -> list[Source]:
    """Sources for the image's own apt: the given ones and the blueprint's, without directories of the building host."""
    result: list[Source] = []
    for source in (*definition.sources, *definition.customizations.debian.sources):
        if (kept := _kept(source)) and kept not in result:
            result.append(kept)
    return result


def source_warnings(definition: Definition) -> list[str]:
    """What the user should know about the image's apt configuration."""
    result = []
    given = (*definition.sources, *definition.customizations.debian.sources)
    for source in given:
        if any(_of_the_host(uri) for uri in source.uris):
            result.append(f"source {source.label}: is a directory of this host, so the image is not configured with it")
    for source in (*given, *(one for _ignored, one in _repositories(definition))):
        for keyring in source.signed_by.split(",") if source.signed_by.startswith("/") else ():
            if not keyring.strip().startswith("/usr/share/keyrings/debian-archive-"):
                result.append(
                    f"source {source.label}: the image's apt will look for the keyring {keyring.strip()}; "
                    "give the armoured key itself unless a package brings that file"
                )
    return result


def _file_name(source: Source, taken: set[str]) -> str:
    base = source.name or "-".join(source.suites[:1]) or "source"
    base = "".join(char if char.isalnum() or char in "-_." else "-" for char in base).strip("/-.") or "source"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _settings(definition: Definition, sources: Iterable[Source]) -> Iterable[dict[str, Any]]:
    if any(not source.check_valid_until for source in sources):
        # A snapshot's Release has expired; apt has no setting for one source that all its versions know.
        yield {"name": "90snapshot", "options": {"Acquire::Check-Valid-Until": False}}
    hosts = []
    for repository, source in _repositories(definition):
        if not repository.ssl_verify:
            hosts += [urlsplit(uri.removeprefix("mirror+")).hostname or "" for uri in source.uris]
    if hosts:
        options = {f"Acquire::https::{host}::{key}": False for host in hosts for key in ("Verify-Peer", "Verify-Host")}
        yield {"name": "90image-repositories", "options": options}


def apt_config(definition: Definition) -> Iterable[Stage]:
    wanted = definition.customizations
    taken: set[str] = set()
    every = image_sources(definition)
    sources = [_apt_source(source, _file_name(source, taken)) for source in every]
    for repository, source in _repositories(definition):
        entry = _apt_source(source, _file_name(source, taken))
        if repository.types != ("deb",):
            entry["types"] = list(repository.types)
        if not repository.enabled:
            entry["enabled"] = False
        sources.append(entry)
    options: dict[str, Any] = {}
    if sources:
        options["sources"] = sources
    if pins := image_pins(definition.distribution, wanted):
        options["pins"] = [{"name": "image", "package": pin.package, "pin": pin.pin, "priority": pin.priority} for pin in pins]
    if settings := list(_settings(definition, every)):
        options["config"] = settings
    if wanted.debian.unattended_upgrades:
        options["unattended-upgrades"] = plain(dataclasses.asdict(wanted.debian.unattended_upgrades))
    if options:
        yield Stage("org.osbuild.apt.config", options)
