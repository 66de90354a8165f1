# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""apt's logins and its unattended upgrades as files. Source: apt_auth.conf(5), unattended-upgrade(8), apt.conf(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import StageError
from .keyrings import check_name

_TOKENS = ("machine", "login", "password")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|now")
PERIODIC = "etc/apt/apt.conf.d/20auto-upgrades"
#: Debian's own 50unattended-upgrades stays as the package has it; this is the name its comments suggest.
UPGRADES = "etc/apt/apt.conf.d/52unattended-upgrades-local"


def _token(what: str, value: str) -> str:
    if not value or any(char.isspace() or ord(char) < 32 for char in value):
        raise StageError(f"{what} must be one word without blanks (apt_auth.conf(5) has no quotes)")
    return value


def _check_netrc(what: str, content: bytes) -> None:
    """StageError unless the file is one of apt_auth.conf(5); nothing of it is quoted."""
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise StageError(f"{what} is not text") from None
    words = [word for line in lines if not line.lstrip().startswith("#") for word in line.split()]
    if len(words) % 2 or set(words[::2]) - set(_TOKENS) or words[:1] != ["machine"]:
        raise StageError(f"{what} is no file of apt_auth.conf(5): pairs of machine, login and password are allowed, machine first")


def auth_files(entries: Sequence[Mapping[str, Any]], source: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Files below the tree for the option `auth`; `source`: the input that has files to copy. To be written 0600."""
    files: dict[str, bytes] = {}
    for entry in entries:
        name = check_name("auth name", entry["name"]).removesuffix(".conf")
        if "." in name or "+" in name:
            raise StageError(f"auth name {name!r} has a dot or plus; apt would leave the file out")
        path = f"etc/apt/auth.conf.d/{name}.conf"
        if "source" in entry:
            given = entry["source"]
            if source is None or given not in source["data"]["files"]:
                raise StageError(f"auth {name}: the input auth holds nothing called {given}")
            with open(os.path.join(source["path"], given), "rb") as file:
                content = file.read()
            _check_netrc(f"auth {name}: the file of input auth", content)
        else:
            pairs = [f"{key} {_token(f'auth {name}: {key}', entry[key])}" for key in _TOKENS]
            content = (" ".join(pairs) + "\n").encode()
        if path in files and "source" in entry:
            raise StageError(f"auth {name} is given twice")
        files[path] = files.get(path, b"") + content
    return files


def _value(what: str, value: Any) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    if '"' in text or any(ord(char) < 32 for char in text):
        raise StageError(f"{what} is {text!r}; quotes and line breaks are not allowed")
    return text


def upgrade_files(wanted: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Files below the tree for the option `unattended-upgrades`."""
    if wanted is None:
        return {}
    enabled = wanted.get("enabled", True)
    periodic = {
        "Update-Package-Lists": wanted.get("update-interval", 1) if enabled else 0,
        "Unattended-Upgrade": wanted.get("upgrade-interval", 1) if enabled else 0,
    }
    if "clean-interval" in wanted:
        periodic["AutocleanInterval"] = wanted["clean-interval"]
    files = {PERIODIC: "".join(f'APT::Periodic::{key} "{value}";\n' for key, value in periodic.items()).encode()}
    lines = []
    for option, key in (("origins", "Origins-Pattern"), ("blacklist", "Package-Blacklist")):
        if option in wanted:
            # Lists of apt add up: what the package's own file says is taken out first.
            lines.append(f"#clear Unattended-Upgrade::{key};")
            if option == "origins":
                lines.append("#clear Unattended-Upgrade::Allowed-Origins;")
            lines += [f'Unattended-Upgrade::{key}:: "{_value(f"unattended-upgrades: {option}", item)}";'
                      for item in wanted[option]]
    time = wanted.get("reboot-time")
    if time is not None and not _TIME.fullmatch(time):
        raise StageError(f"unattended-upgrades: reboot-time is {time!r}; hours and minutes (02:30) or now are allowed")
    for option, key in (
        ("reboot", "Automatic-Reboot"), ("reboot-time", "Automatic-Reboot-Time"),
        ("reboot-with-users", "Automatic-Reboot-WithUsers"), ("remove-unused", "Remove-Unused-Dependencies"),
        ("mail", "Mail"), ("mail-report", "MailReport"), ("minimal-steps", "MinimalSteps"),
    ):
        if option in wanted:
            lines.append(f'Unattended-Upgrade::{key} "{_value(f"unattended-upgrades: {option}", wanted[option])}";')
    if lines:
        files[UPGRADES] = ("\n".join(lines) + "\n").encode()
    return files
