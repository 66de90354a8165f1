# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""A private apt root: own configuration, sources, keyrings, preferences, lists and an empty dpkg status.

Nothing of the host's apt configuration is read, except proxies, TLS client settings (see :mod:`.hostapt`) and
``auth.conf``, without which the host's own mirrors could be out of reach.  apt.conf(5), sources.list(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import PackageError
from .model import PackageSet, Pin, Request, Source
from .validate import is_armoured, keyring_paths

_DIRECTORIES = (
    "etc/apt/apt.conf.d",
    "etc/apt/keyrings",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "var/lib/dpkg",
)


def _quoted(value: str) -> str:
    if '"' in value or "\n" in value or "\\" in value:
        raise PackageError(f"apt configuration: {value!r} holds a quote, a backslash or a line end")
    return f'"{value}"'


def apt_conf(root: Path, request: Request, host: Path, proxy: str | None) -> str:
    """The one configuration file apt reads."""
    lines = [
        f"Dir {_quoted(str(root))};",
        f"Dir::State::status {_quoted(str(root / 'var/lib/dpkg/status'))};",
        # Keys are given per source; a keyring trusted for everything does not exist.
        f"Dir::Etc::trusted {_quoted(str(root / 'etc/apt/no-global-keyring'))};",
        f"Dir::Etc::trustedparts {_quoted(str(root / 'etc/apt/no-global-keyrings'))};",
        f"Dir::Etc::netrc {_quoted(str(host / 'etc/apt/auth.conf'))};",
        f"Dir::Etc::netrcparts {_quoted(str(host / 'etc/apt/auth.conf.d'))};",
        f"APT::Architecture {_quoted(request.architecture)};",
        "APT::Architectures { " + " ".join(f"{_quoted(arch)};" for arch in request.architectures) + " };",
        # Of apt's two cache files only the one is read again here.
        'Dir::Cache::srcpkgcache "";',
        'APT::Sandbox::User "root";',
        'APT::Install-Recommends "false";',
        'APT::Install-Suggests "false";',
        'Acquire::Languages "none";',
        'Acquire::PDiffs "false";',
        'Acquire::Retries "3";',
        'Acquire::http::Timeout "30";',
        'Acquire::https::Timeout "30";',
        'Acquire::AllowInsecureRepositories "false";',
        'Acquire::AllowWeakRepositories "false";',
        'Acquire::AllowDowngradeToInsecureRepositories "false";',
        # Records are looked up at random places: a compressed index would be unpacked for each of them.
        'Acquire::GzipIndexes "false";',
    ]
    if proxy is not None:
        lines += [f"Acquire::{scheme}::Proxy {_quoted(proxy or 'DIRECT')};" for scheme in ("http", "https")]
    return "\n".join(lines) + "\n"


def sources_text(root: Path, sources: Iterable[Source], host: Path = Path("/")) -> str:
    """The sources as deb822 stanzas; inline keys are written below ``root`` and named by path."""
    stanzas = []
    for number, source in enumerate(sources):
        fields = {
            "Types": "deb",
            "URIs": " ".join(source.uris),
            "Suites": " ".join(source.suites),
            "Components": " ".join(() if source.suites[0].endswith("/") else source.components),
            "Architectures": " ".join(source.architectures),
            "Check-Valid-Until": "" if source.check_valid_until else "no",
        }
        if source.trusted:
            fields["Trusted"] = "yes"
        elif is_armoured(source.signed_by):
            key = root / f"etc/apt/keyrings/source-{number}.asc"
            key.write_text(source.signed_by.strip() + "\n", encoding="utf-8")
            fields["Signed-By"] = str(key)
        else:
            fields["Signed-By"] = ",".join(str(path) for path in keyring_paths(source, host))
        stanzas.append("".join(f"{name}: {value}\n" for name, value in fields.items() if value))
    return "\n".join(stanzas)


def preferences_text(wanted: PackageSet, pins: Iterable[Pin]) -> str:
    """Pins of one set.  Exclusions come first: the first specific record that matches a package wins."""
    records = [Pin(f"{name} {name}:any", "release *", -1) for name in wanted.exclude]
    records += [pin for pin in pins if not any(fnmatchcase(pin.package, name) for name in wanted.exclude)]
    return "\n".join(f"Package: {pin.package}\nPin: {pin.pin}\nPin-Priority: {pin.priority}\n" for pin in records)


def create(root: Path, request: Request, host: Path = Path("/"), proxy: str | None = None) -> Path:
    """Lay out the root below the empty directory ``root``; returns the file for ``APT_CONFIG``."""
    for name in _DIRECTORIES:
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    config = root / "etc/apt/forge.conf"
    config.write_text(apt_conf(root, request, host, proxy), encoding="utf-8")
    text = sources_text(root, request.sources, host)
    (root / "etc/apt/sources.list.d/forge.sources").write_text(text, encoding="utf-8")
    for number, wanted in enumerate(request.sets.values()):
        parts = root / f"etc/apt/preferences-{number}.d"
        parts.mkdir()
        (parts / "forge.pref").write_text(preferences_text(wanted, request.pins), encoding="utf-8")
    return config
