# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Packages: sources, signed update, solve, lock file and comparison. The only room that uses python3-apt."""

from __future__ import annotations

from .diff import Change, PackageChanges, diff_packages
from .hostsources import host_sources
from .lock import Lock, dumps_lock, loads_lock, read_lock, write_lock
from .lockschema import LOCK_SCHEMA
from .model import VARIANTS, Package, PackageSet, PackageSpec, Pin, Release, Request, Resolution, Source
from .resolve import resolve

__all__ = [
    "LOCK_SCHEMA",
    "VARIANTS",
    "Change",
    "Lock",
    "Package",
    "PackageChanges",
    "PackageSet",
    "PackageSpec",
    "Pin",
    "Release",
    "Request",
    "Resolution",
    "Source",
    "diff_packages",
    "dumps_lock",
    "host_sources",
    "loads_lock",
    "read_lock",
    "resolve",
    "write_lock",
]
