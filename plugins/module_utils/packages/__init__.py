# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Packages: sources, signed update, solve, lock file and comparison. The only room that uses python3-apt."""

from __future__ import annotations

from .model import VARIANTS, Package, PackageSet, PackageSpec, Pin, Release, Request, Resolution, Source
from .resolve import resolve

__all__ = [
    "VARIANTS",
    "Package",
    "PackageSet",
    "PackageSpec",
    "Pin",
    "Release",
    "Request",
    "Resolution",
    "Source",
    "resolve",
]
