# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Sections of ``[customizations]`` as plain frozen data, beside the basic ones in :mod:`.model`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..packages.model import Source


@dataclass(frozen=True)
class Zone:
    """A zone of firewalld, and the networks that belong to it."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Firewall:
    """``ports`` as ``22:tcp``, ``80-90:tcp`` or ``imap:tcp``; ``enabled`` and ``disabled`` are names of services."""

    ports: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    zones: tuple[Zone, ...] = ()


@dataclass(frozen=True)
class Openscap:
    """``datastream``: absolute path in the image. ``selected``, ``unselected``: rules that differ from the profile.

    ``tailoring_file`` is a JSON tailoring in the image, for ``tailored_profile`` of it.
    """

    profile_id: str
    datastream: str = ""
    selected: tuple[str, ...] = ()
    unselected: tuple[str, ...] = ()
    tailoring_file: str = ""
    tailored_profile: str = ""


@dataclass(frozen=True)
class Repository:
    """A package repository of the image, of the build (``install_from``), or of both.

    ``source.suites`` may be empty: the distribution's. ``priority`` is an apt pin, None for apt's usual one.
    """

    source: Source
    types: tuple[str, ...] = ("deb",)
    enabled: bool = True
    priority: int | None = None
    ssl_verify: bool = True
    install_from: bool = False
    in_image: bool = True


@dataclass(frozen=True)
class FirstbootScript:
    """A script for a machine's first boot.

    ``contents`` for ``custom``; ``url``, ``key`` and ``cacerts`` (certificates) for ``aap``, which calls back to an
    automation controller. ``after`` and ``before`` are units.
    """

    type: Literal["custom", "aap"]
    name: str
    contents: str = ""
    url: str = ""
    key: str = ""
    cacerts: tuple[str, ...] = ()
    ignore_failure: bool = False
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sshd:
    """Settings of sshd_config(5); None leaves what is there."""

    password_authentication: bool | None = None
    kbd_interactive_authentication: bool | None = None
    client_alive_interval: int | None = None
    permit_root_login: str | None = None


@dataclass(frozen=True)
class Installer:
    """``sudo_nopasswd``: users, and groups as ``%name``, for whom sudo asks no password."""

    unattended: bool = False
    sudo_nopasswd: tuple[str, ...] = ()
