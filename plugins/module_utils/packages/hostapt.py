# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Start python-apt in this process with our own configuration (call it in a forked child only)."""

from __future__ import annotations

import importlib.util
import locale
import os
import re
from pathlib import Path
from typing import Any

from ..errors import PackageError

# What a host needs to reach its mirrors at all: proxies, the CA and the client certificate of a private mirror.
_KEPT = re.compile(
    r"Acquire::(?:(?:http|https|ftp)::(?:[^:]+::)?Proxy|https?::Proxy-?Auto-?Detect"
    r"|https::(?:[^:]+::)?(?:CaInfo|CaPath|SslCert|SslKey))(?:::[^:]+)?",
    re.IGNORECASE,
)

MISSING = (
    "python3-apt is missing, which resolves packages: install the package python3-apt, and use the system's own"
    " interpreter, /usr/bin/python3, or a virtual environment made from it with --system-site-packages"
)


def import_apt_pkg() -> Any:
    """Raises PackageError naming the package to install."""
    try:
        import apt_pkg
    except ImportError as error:
        raise PackageError(f"{MISSING} ({error})") from None
    return apt_pkg


def import_check() -> None:
    """Tell a missing python3-apt before anything is prepared; importing it here would make it global to the caller."""
    if importlib.util.find_spec("apt_pkg") is None:
        raise PackageError(MISSING)


def start(config: Path, host: Path, proxy: str | None) -> Any:
    """Initialise apt_pkg from ``config`` plus the host's transport settings; returns the module."""
    # Messages are parsed: they must not be translated.
    locale.setlocale(locale.LC_ALL, "C")
    os.environ.update(LC_ALL="C.UTF-8", APT_CONFIG=str(config))
    os.environ.pop("LANGUAGE", None)
    apt_pkg = import_apt_pkg()
    try:
        apt_pkg.init_config()
        for name, value in host_settings(apt_pkg, host).items():
            if proxy is None or "proxy" not in name.lower():
                apt_pkg.config.set(name, value)
        apt_pkg.init_system()
    except apt_pkg.Error as error:
        raise PackageError(f"apt could not be initialised: {error}") from None
    return apt_pkg


def host_settings(apt_pkg: Any, host: Path) -> dict[str, str]:
    """The transport settings of the host's apt.conf and apt.conf.d."""
    settings = apt_pkg.Configuration()
    parts, main = host / "etc/apt/apt.conf.d", host / "etc/apt/apt.conf"
    try:
        if parts.is_dir():
            apt_pkg.read_config_dir(settings, str(parts))
        if main.is_file():
            apt_pkg.read_config_file(settings, str(main))
    except apt_pkg.Error as error:
        raise PackageError(f"the host's apt configuration cannot be read: {error}") from None
    found = {}
    for name in settings.keys():  # noqa: SIM118 - apt_pkg.Configuration is no dict
        value = settings.get(name, "")
        if value and _KEPT.fullmatch(name):
            found[name] = value
    return found
