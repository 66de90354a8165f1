# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.debian]``: what a composer blueprint has no word for."""

from __future__ import annotations

import re
from typing import get_args

from ..packages.model import VARIANTS, Pin, Source
from .fields import Table, kind, show, unique
from .model import BootLoader, Debian, Encryption
from .paths import canonical
from .unsupported import known_below, refuse

BOOT_LOADERS: tuple[BootLoader, ...] = get_args(BootLoader)

_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_PACKAGE = re.compile(r"[a-z0-9*?\[][a-z0-9+.*?\[\]!-]*")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]+")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_URI = re.compile(r"(?:https?|file|ftp):/[^\s\[\]]+")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_WORD = re.compile(r"[^\s\[\]]+")


def read_debian(table: Table | None) -> Debian:
    if table is None:
        return Debian()
    refuse(table.content, table.path)
    for key in known_below(table.path):
        table.take(key)
    variant = table.text("variant")
    if variant is not None and variant not in VARIANTS:
        raise table.error("variant", f"'{variant}' is not one of {', '.join(VARIANTS)}")
    apt = table.table("apt")
    recommends = table.boolean("install_recommends")
    pins = tuple(_pin(item) for item in table.tables("pins"))
    if apt is not None:
        if apt.has("install_recommends"):
            recommends = apt.boolean("install_recommends")
        pins += tuple(_pin(item) for item in apt.tables("pins"))
        apt.close()
    found = Debian(
        variant=variant or "minbase",
        components=table.texts("components", _COMPONENT, "a component of the archive, such as main"),
        install_recommends=recommends,
        exclude=table.texts("exclude", _PACKAGE, "a package name or glob"),
        pins=pins,
        sources=unique(
            tuple(_source(item, number) for number, item in enumerate(table.tables("sources"))),
            lambda source: source.name,
            table.at("sources"),
            "source",
        ),
        foreign_architectures=table.texts("foreign_architectures", _ARCHITECTURE, "a Debian architecture"),
        boot_loader=table.choice("boot_loader", BOOT_LOADERS),
        encryption=_encryption(table.table("encryption")),
        verity=table.boolean("verity"),
    )
    table.close()
    return found


def _encryption(table: Table | None) -> Encryption | None:
    if table is None:
        return None
    path = table.required("key_file", table.text("key_file"))
    if problem := canonical(path):
        raise table.error("key_file", f"{show(path)} {problem}")
    checksum = table.required("key_checksum", table.text("key_checksum", _SHA256, "sha256: and 64 hex digits (sha256sum(1))"))
    table.close()
    return Encryption(path, checksum)


def _pin(table: Table) -> Pin:
    package = table.required("package", table.text("package", _ONE_LINE, "one line: a package name, a glob or '*'"))
    pin = table.required("pin", table.text("pin", _ONE_LINE, "one line, such as 'release a=trixie-backports'"))
    if pin.split()[:1] not in (["release"], ["version"], ["origin"]):
        raise table.error("pin", f"'{pin}' must begin with release, version or origin, apt_preferences(5)")
    priority = table.required("priority", table.integer("priority", -32768, 32767))
    table.close()
    return Pin(package, pin, priority)


def _words(table: Table, key: str, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
    """An array, or one string of words as in a deb822 field."""
    value = table.content.get(key)
    if not isinstance(value, str):
        return table.texts(key, pattern, rule)
    table.take(key)
    return tuple(table.check_text(key, word, pattern, rule) for word in value.split())


def _source(table: Table, number: int) -> Source:
    """One repository; keys are those of sources.list(5) in snake case (``URIs`` is ``uris``)."""
    name = table.text("name", _SOURCE_NAME, "a file name of [A-Za-z0-9_.-]") or f"extra-{number}"
    uris = _words(table, "uris", _URI, "an http, https, ftp or file URI")
    suites = _words(table, "suites", _WORD, "one word")
    for key, words in (("uris", uris), ("suites", suites)):
        if not words:
            raise table.error(key, "is required")
    components = _words(table, "components", _COMPONENT, "a component, such as main")
    if not components and not all(suite.endswith("/") for suite in suites):
        components = ("main",)
    signed_by = table.text("signed_by")
    trusted = table.boolean("trusted")
    if not signed_by and not trusted:
        raise table.error("signed_by", "is required: the path of a keyring or an armoured public key")
    if signed_by and "-----BEGIN PGP PUBLIC KEY BLOCK-----" not in signed_by and not signed_by.startswith("/"):
        raise table.error("signed_by", f"must be an absolute path or an armoured public key, found {kind(signed_by)}")
    if trusted:
        table.warn("trusted", f"signatures of source '{name}' are not verified")
    source = Source(
        uris=uris,
        suites=suites,
        components=components,
        signed_by=signed_by or "",
        architectures=_words(table, "architectures", _ARCHITECTURE, "a Debian architecture"),
        trusted=trusted,
        name=name,
        check_valid_until=table.boolean("check_valid_until", default=True),
    )
    table.close()
    return source
