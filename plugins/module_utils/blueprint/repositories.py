# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[[customizations.repositories]]``, and the Cloud API's ``custom_repositories`` and ``payload_repositories``.

They are models of dnf's repository files; here they become deb822 sources (sources.list(5)).
"""

from __future__ import annotations

import re

from ..packages.model import Source
from .describe import MAP, YES, Row, section
from .fields import Table, kind, show, unique
from .sectionmodel import Repository
from .unsupported import refuse

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.(?:repo|sources)")
_URI = re.compile(r"(?:https?|file|ftp):/[^\s\[\]]+")
_MIRROR_LIST = re.compile(r"(?:mirror\+)?https?://[^\s\[\]]+")
_WORD = re.compile(r"[^\s\[\]]+")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_TYPES = re.compile(r"deb|deb-src")
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
# dnf's priorities run from 1 (first) to 99 (its default); apt's usual one is 500, and from 990 on a target release.
_DNF_DEFAULT = 99
_APT_DEFAULT, _APT_STEP = 500, 5

_COMMON: tuple[Row, ...] = (
    ("id", MAP, "file name", "Name of the file in /etc/apt/sources.list.d."),
    ("name", MAP, "text", "For people; apt has no place for it."),
    ("baseurls", MAP, "array of URIs, or one", "URIs. Also `baseurl`."),
    ("baseurl", MAP, "as `baseurls`", "The Cloud API's spelling of it."),
    ("mirrorlist", MAP, "http or https URL", "A list of mirrors as apt-transport-mirror(1) reads it, instead of `baseurls`."),
    (
        "gpgkeys", MAP, "array: an armoured key, or absolute paths of keyrings in the image",
        "Signed-By. URLs are refused, since nothing says what they should give. Also `gpgkey`.",
    ),
    ("gpgkey", MAP, "as `gpgkeys`", "The Cloud API's spelling of it."),
    (
        "gpgcheck", MAP, "boolean",
        "False, without keys: Trusted, with a warning. Otherwise a key is needed; Release files are always "
        "verified. Also `check_gpg`.",
    ),
    ("check_gpg", MAP, "as `gpgcheck`", "The Cloud API's spelling of it."),
    ("repo_gpgcheck", MAP, "boolean", "Always so on Debian. Also `check_repo_gpg`."),
    ("check_repo_gpg", MAP, "as `repo_gpgcheck`", "The Cloud API's spelling of it."),
    (
        "priority", MAP, "1 to 99 as dnf's, or an apt pin from 100 on or below 0",
        "apt pin for the repository's host: 99 is apt's usual 500, 1 is 990.",
    ),
    ("sslverify", MAP, "boolean", "False: apt does not verify the server's certificate, with a warning. Also `ignore_ssl`, its opposite."),
    ("ignore_ssl", MAP, "boolean", "True is `sslverify` false."),
    ("suites", YES, "array of words", "Suites, or directories that end with `/`; by default the distribution's suite."),
    ("components", YES, "array of words", "Components, by default main."),
    ("architectures", YES, "array of architectures", "By default all the image has."),
    ("types", YES, "array of `deb`, `deb-src`", "By default deb."),
)  # fmt: skip
_IMAGE: tuple[Row, ...] = (
    ("enabled", MAP, "boolean", "Whether apt uses it, by default true."),
    ("filename", MAP, "`NAME.repo` or `NAME.sources`", "Name of the file, with .sources."),
    ("install_from", MAP, "boolean", "Also use it while building."),
)
FIELDS = (
    *section("customizations.repositories[]", *_COMMON, *_IMAGE),
    *section("customizations", ("custom_repositories", MAP, "as `repositories`", "The Cloud API's spelling of it.")),
    *section(
        "customizations.payload_repositories[]",
        *_COMMON,
        ("package_sets", MAP, "array of words", "A repository is used for all packages; ignored with a warning."),
    ),
)  # fmt: skip


def read_repositories(table: Table) -> tuple[Repository, ...]:
    key = table.either("repositories", "custom_repositories")
    found = [_repository(item, payload=False, number=number) for number, item in enumerate(table.tables(key))]
    unique(tuple(found), lambda one: one.source.name, table.at(key), "id")
    payload = [_repository(item, payload=True, number=number) for number, item in enumerate(table.tables("payload_repositories"))]
    return (*found, *payload)


def _repository(table: Table, *, payload: bool, number: int) -> Repository:
    refuse(table)
    name = table.text("id", _ID, "characters of [A-Za-z0-9_.:-]")
    name = name or (f"payload-{number}" if payload else table.required("id", name))
    table.text("name")
    uris = _uris(table)
    signed_by, trusted = _keys(table, name)
    secure = table.either("sslverify", "ignore_ssl")
    verify = not table.boolean("ignore_ssl") if secure == "ignore_ssl" else table.boolean("sslverify", default=True)
    if payload:
        if table.texts("package_sets"):
            table.warn("package_sets", "ignored, the repository is used for all packages")
        file, enabled, install_from = name, True, True
    else:
        file = (table.text("filename", _FILE_NAME, "NAME.repo or NAME.sources") or name).removesuffix(".repo").removesuffix(".sources")
        enabled, install_from = table.boolean("enabled", default=True), table.boolean("install_from")
    suites = _words(table, "suites", _WORD, "one word")
    components = _words(table, "components", _COMPONENT, "a component, such as main")
    if not components and not (suites and all(suite.endswith("/") for suite in suites)):
        components = ("main",)
    if install_from and any(uri.startswith("mirror+") for uri in uris):
        raise table.error("mirrorlist", "packages are not fetched by a list of mirrors while building; use baseurls")
    if not verify:
        if install_from:
            raise table.error(secure, "packages are not fetched from a server whose certificate is not verified; use cacerts")
        table.warn(secure, f"apt will not verify the certificate of the server of '{name}'")
    source = Source(
        uris=uris,
        suites=suites,
        components=components,
        signed_by=signed_by,
        architectures=_words(table, "architectures", _ARCHITECTURE, "a Debian architecture"),
        trusted=trusted,
        name=re.sub(r"[^A-Za-z0-9_.-]", "-", file),
    )
    types = table.texts("types", _TYPES, "deb or deb-src") or ("deb",)
    found = Repository(source, types, enabled, _priority(table), verify, install_from, in_image=not payload)
    table.close()
    return found


def _words(table: Table, key: str, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
    if isinstance(table.content.get(key), str):
        return tuple(table.check_text(key, word, pattern, rule) for word in str(table.take(key)).split())
    return table.texts(key, pattern, rule)


def _uris(table: Table) -> tuple[str, ...]:
    key = table.either("baseurls", "baseurl")
    uris = _words(table, key, _URI, "an http, https, ftp or file URI")
    mirrors = table.text("mirrorlist", _MIRROR_LIST, "an http or https URL")
    if mirrors and uris:
        raise table.error("mirrorlist", f"{key} and mirrorlist exclude one another")
    if mirrors:
        return (mirrors if mirrors.startswith("mirror+") else f"mirror+{mirrors}",)
    return table.required(key, uris or None)


def _keys(table: Table, name: str) -> tuple[str, bool]:
    """Signed-By and Trusted."""
    key = table.either("gpgkeys", "gpgkey")
    given = (table.text(key) or "",) if isinstance(table.content.get(key), str) else table.texts(key)
    check = table.either("gpgcheck", "check_gpg")
    checked, verified = table.flag(check), table.flag(table.either("repo_gpgcheck", "check_repo_gpg"))
    keys = [one for one in given if one.strip()]
    if not keys:
        if checked is False and not verified:
            table.warn(check, f"signatures of repository '{name}' are not verified")
            return "", True
        raise table.error(key, "is required: an armoured public key, or absolute paths of keyrings")
    armoured = [one for one in keys if _ARMOUR in one]
    for one in keys:
        if "://" in one and one not in armoured:
            raise table.error(key, f"{show(one)} is a URL, and nothing says which key it should give; give the armoured key itself")
        if not one.startswith("/") and one not in armoured:
            raise table.error(key, f"must hold an armoured public key or absolute paths, found {kind(one)}")
    if armoured and len(keys) > 1:
        raise table.error(key, f"has {len(keys)} elements; one armoured block, which may hold several keys, or only paths are allowed")
    return ",".join(keys), False


def _priority(table: Table) -> int | None:
    value = table.integer("priority", -32768, 32767)
    if value is None or not 0 <= value <= _DNF_DEFAULT:
        return value
    if value == 0:
        raise table.error("priority", "0 is not allowed; 1 to 99 as dnf's, 100 and more or below 0 as apt's")
    return None if value == _DNF_DEFAULT else _APT_DEFAULT + (_DNF_DEFAULT - value) * _APT_STEP
