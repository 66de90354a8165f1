# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.debian.ostree]`` as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OSTreeRemote:
    """Where machines get updates from.

    ``gpg_keys``: armoured public keys; ``gpg_key_paths``: key files on the machine. Without either, signatures are
    not verified.
    """

    name: str
    url: str
    gpg_keys: tuple[str, ...] = ()
    gpg_key_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class OSTreeParent:
    """The commit that the new one follows, and the repository that has it."""

    url: str
    commit: str
    gpg_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class OSTreeSign:
    """The secret GPG keys that sign the commit: a file on the build host and its ``sha256:…``.

    The manifest names the file and never holds it. ``key_id`` empty: all keys of the file sign.
    """

    gpg_key_file: str
    gpg_key_checksum: str
    gpg_key_id: str = ""


@dataclass(frozen=True)
class OSTree:
    """``ref`` empty: ``debian/<release>/<architecture>/<name>``."""

    ref: str = ""
    osname: str = "debian"
    remote: OSTreeRemote | None = None
    parent: OSTreeParent | None = None
    sign: OSTreeSign | None = None
