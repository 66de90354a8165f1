# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.debian]``: what a composer blueprint has no word for."""

from __future__ import annotations

import re
from typing import get_args

from ..packages.model import VARIANTS, Pin, Source
from .archive import read_archive
from .buildwork import read_answers, read_overlays, read_scripts
from .describe import YES, section
from .fields import Table, kind, show, unique
from .model import BootLoader, Debian, Encryption
from .network import read_network
from .ostree import read_ostree
from .paths import canonical
from .unsupported import never
from .upkeep import read_cleanup, read_dpkg, read_unattended_upgrades

BOOT_LOADERS: tuple[BootLoader, ...] = get_args(BootLoader)

_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_PACKAGE = re.compile(r"[a-z0-9*?\[][a-z0-9+.*?\[\]!-]*")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]+")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_URI = re.compile(r"(?:https?|file|ftp):/[^\s\[\]]+")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_WORD = re.compile(r"[^\s\[\]]+")

_SOURCE_KEYS = (
    ("name", YES, "file name", "Name of the file in /etc/apt/sources.list.d."),
    ("uris", YES, "array of URIs", "As of sources.list(5), as all of these."),
    ("suites", YES, "array of words", "Suites, or directories that end with `/`."),
    ("components", YES, "array of words", "By default main."),
    ("signed_by", YES, "path of a keyring, or armoured key", "Needed, unless trusted."),
    ("architectures", YES, "array of architectures", "By default all that are needed."),
    ("trusted", YES, "boolean", "Do not verify signatures, with a warning."),
    ("check_valid_until", YES, "boolean", "False takes an expired Release, as snapshots have it."),
)
_PIN_KEYS = (
    ("package", YES, "name, glob or `*`", "As of apt_preferences(5), as all of these."),
    ("pin", YES, "`release …`, `version …` or `origin …`", "What it applies to."),
    ("priority", YES, "-32768 to 32767", "Its priority."),
)
FIELDS = (
    *section(
        "customizations.debian",
        ("variant", YES, ", ".join(f"`{one}`" for one in VARIANTS), "Which packages come beside those named; by default minbase."),
        ("components", YES, "array of components", "Of the archive, for building and for the image."),
        ("install_recommends", YES, "boolean", "Follow Recommends."),
        ("exclude", YES, "array of names or globs", "Packages that must not come in; an error if something needs one."),
        ("foreign_architectures", YES, "array of architectures", "For packages named `name:arch`."),
        ("boot_loader", YES, ", ".join(f"`{one}`" for one in BOOT_LOADERS), "What starts the kernel of a disk."),
        (
            "encryption.key_file", YES, "absolute path on the building host",
            "LUKS around what holds the root; the file's content unlocks it.",
        ),
        ("encryption.key_checksum", YES, "`sha256:HEX`", "Its checksum."),
        ("verity", YES, "boolean", "A verified, read-only root; changes are kept in memory."),
        ("init", YES, "`systemd`", "Others are refused: images with services are run by systemd."),
        ("apt.install_recommends", YES, "boolean", "As `install_recommends`."),
    ),
    *section("customizations.debian.pins[]", *_PIN_KEYS),
    *section("customizations.debian.apt.pins[]", *_PIN_KEYS),
    *section("customizations.debian.sources[]", *_SOURCE_KEYS),
)  # fmt: skip


def read_debian(table: Table | None) -> Debian:
    if table is None:
        return Debian()
    _init(table)
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
        archive=read_archive(table),
        answers=read_answers(table),
        network=read_network(table.table("network")),
        scripts=read_scripts(table),
        overlays=read_overlays(table),
        dpkg=read_dpkg(table.table("dpkg")),
        cleanup=read_cleanup(table),
        unattended_upgrades=read_unattended_upgrades(table),
        ostree=read_ostree(table.table("ostree")),
    )
    table.close()
    return found


def _init(table: Table) -> None:
    value = table.text("init")
    if value and value != "systemd":
        raise never(
            table.at("init"),
            f"images with services are run by systemd, not by {show(value)}",
            "image type tar with the package sysvinit-core or openrc",
        )


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
