# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Keys of the osbuild-composer blueprint that are known and refused: never a silent loss of what was asked for."""

from __future__ import annotations

import re
from typing import Any

from ..errors import BlueprintError
from .describe import NO, Field
from .fields import Table

_NO_RHSM = ("Red Hat subscriptions do not apply", "customizations.repositories")
_NO_METALINK = ("apt reads no metalink files", "baseurls or mirrorlist")
_NO_HOTFIXES = ("module streams exist in dnf repositories only", "priority")

# Path -> (reason, alternative): Debian has no such thing.
NEVER: dict[str, tuple[str, str]] = {
    "enabled_modules": ("module streams exist in dnf repositories only", "packages with a version glob"),
    "customizations.installation_device": (
        "it is read by the edge installer only, which Debian does not have",
        "a disk image type and write it to the device",
    ),
    "customizations.fdo": ("FIDO device onboarding has no client in Debian main", "package cloud-init"),
    "customizations.fips": ("Debian ships no FIPS-validated cryptographic modules", "a distribution that does"),
    "customizations.ignition": (
        "it acts in an initial ram disk made by dracut, which Debian's images do not have",
        "package cloud-init and its user-data",
    ),
    "customizations.rpm": ("rpm keys mean nothing to apt", "customizations.repositories[].gpgkeys"),
    "customizations.rhsm": _NO_RHSM,
    "customizations.subscription": _NO_RHSM,
    "customizations.dnf": ("there is no dnf", "customizations.debian"),
    "customizations.installer.kickstart": (
        "Debian's installer reads no kickstart file",
        "customizations of a disk image",
    ),
    "customizations.installer.modules": (
        "Debian's installer has no Anaconda modules",
        "customizations of a disk image",
    ),
    "customizations.installer.bootloader": (
        "Debian's installer does not read it",
        "customizations.debian.boot_loader of a disk image",
    ),
    "customizations.installer.payload": ("Debian's installer installs no flatpaks", "customizations.files"),
    "customizations.openscap.policy_id": (
        "it names a policy kept by Red Hat Insights",
        "profile_id and tailoring",
    ),
    "customizations.repositories[].metalink": _NO_METALINK,
    "customizations.repositories[].module_hotfixes": _NO_HOTFIXES,
    "customizations.payload_repositories[].metalink": _NO_METALINK,
    "customizations.payload_repositories[].module_hotfixes": _NO_HOTFIXES,
    "customizations.payload_repositories[].rhsm": _NO_RHSM,
}

FIELDS = tuple(Field(path, NO, "", f"{reason}; use {other}") for path, (reason, other) in NEVER.items())


def empty(value: Any) -> bool:
    """Nothing is asked for: absent, false, or a section whose fields are all empty."""
    if isinstance(value, dict):
        return all(empty(item) for item in value.values())
    return value is None or value is False or value in ([], "")


def never(where: str, reason: str, alternative: str) -> BlueprintError:
    return BlueprintError(f"{where}: not supported on Debian: {reason}; use {alternative}", field=where)


def generic(path: str) -> str:
    """A path without the numbers of array elements."""
    return re.sub(r"\[\d+\]", "[]", path)


def refuse(table: Table) -> None:
    """Raise BlueprintError for the first refused key of a table; those that ask for nothing count as read."""
    for key in list(table.content):
        # The Cloud API's spelling.
        path = generic(table.at(key)).replace(".custom_repositories[]", ".repositories[]")
        found = NEVER.get(path)
        if found is None:
            continue
        # Clients that serialise a whole form send empty sections: nothing is asked for in them.
        if not empty(table.take(key)):
            raise never(table.at(key), *found)
