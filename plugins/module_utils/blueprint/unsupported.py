# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Keys of the osbuild-composer blueprint that are known and refused: never a silent loss of what was asked for."""

from __future__ import annotations

from typing import Any

from ..errors import BlueprintError

# Path -> (reason, alternative): Debian has no such thing.
NEVER: dict[str, tuple[str, str]] = {
    "enabled_modules": ("module streams exist in dnf repositories only", "packages with a version glob"),
    "customizations.installation_device": (
        "it is read by the edge installer only, which Debian does not have",
        "a disk image type and write it to the device",
    ),
    "customizations.fdo": ("FIDO device onboarding has no client in Debian main", "cloud-init"),
    "customizations.fips": ("Debian ships no FIPS-validated cryptographic modules", "a distribution that does"),
    "customizations.rpm": ("rpm keys mean nothing to apt", "customizations.debian.sources[].signed_by"),
    "customizations.rhsm": ("Red Hat subscriptions do not apply", "customizations.debian.sources"),
    "customizations.subscription": ("Red Hat subscriptions do not apply", "customizations.debian.sources"),
    "customizations.dnf": ("there is no dnf", "customizations.debian"),
    "customizations.installer.kickstart": (
        "Debian's installer reads no kickstart file",
        "customizations of a disk image",
    ),
    "customizations.installer.modules": (
        "Debian's installer has no Anaconda modules",
        "customizations of a disk image",
    ),
    "customizations.installer.payload": ("Debian's installer installs no flatpaks", "customizations.files"),
}

# Path -> (what, alternative): has a meaning on Debian, which this version does not build.
NOT_YET: dict[str, tuple[str, str]] = {
    "containers": ("containers in the image", "a systemd unit in customizations.files that pulls them"),
    "customizations.firewall": (
        "firewall rules",
        "package nftables, customizations.files for /etc/nftables.conf and customizations.services",
    ),
    "customizations.ignition": ("ignition", "package cloud-init"),
    "customizations.openscap": ("OpenSCAP remediation", "package openscap-scanner on the running system"),
    "customizations.repositories": ("repository files", "customizations.debian.sources"),
    "customizations.installer": ("installer settings", "a disk image type"),
    "customizations.cacerts": (
        "CA certificates",
        "customizations.files below /usr/local/share/ca-certificates and package ca-certificates",
    ),
    "customizations.containers-storage": ("container storage settings", "customizations.files"),
    "customizations.firstboot": ("first-boot scripts", "a systemd unit in customizations.files"),
    "customizations.sshd": ("sshd settings", "customizations.files below /etc/ssh/sshd_config.d"),
    "customizations.debian.suite": ("another suite than the distribution's", "distro"),
    "customizations.debian.mirror": ("a mirror in the blueprint", "the sources option of the module"),
    "customizations.debian.snapshot": ("snapshot timestamps", "a lock file, or sources that name a snapshot mirror"),
    "customizations.debian.debconf": ("debconf preseeding", "customizations.files"),
    "customizations.debian.preseed": ("debconf preseeding", "customizations.files"),
    "customizations.debian.backports": ("backports by one key", "customizations.debian.sources and pins"),
    "customizations.debian.init": ("another init system", "package sysvinit-core"),
}


def empty(value: Any) -> bool:
    """Nothing is asked for: absent, false, or a section whose fields are all empty."""
    if isinstance(value, dict):
        return all(empty(item) for item in value.values())
    return value is None or value is False or value in ([], "")


def refuse(content: dict[str, Any], path: str) -> None:
    """Raise BlueprintError for the first refused key of the table ``content`` at ``path``."""
    for key, value in content.items():
        where = f"{path}.{key}" if path else key
        # Clients that serialise a whole form send empty sections: nothing is asked for in them.
        if empty(value):
            continue
        # The deepest known reason says most: installer.kickstart before installer.
        if isinstance(value, dict):
            for below in value:
                if f"{where}.{below}" in NEVER and not empty(value[below]):
                    raise _never(f"{where}.{below}")
        if where in NEVER:
            raise _never(where)
        if where in NOT_YET:
            what, alternative = NOT_YET[where]
            raise BlueprintError(f"{where}: not supported yet: {what}; use {alternative}", field=where)


def _never(path: str) -> BlueprintError:
    reason, alternative = NEVER[path]
    return BlueprintError(f"{path}: not supported on Debian: {reason}; use {alternative}", field=path)


def known_below(path: str) -> set[str]:
    """Keys of the table at ``path`` that :func:`refuse` looks at."""
    start = f"{path}." if path else ""
    found = {name.removeprefix(start) for name in (*NEVER, *NOT_YET) if name.startswith(start)}
    return {name for name in found if "." not in name}
