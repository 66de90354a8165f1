# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Servers that have the same files, as the user of the host names them. Checksums make it safe to ask any of them."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def parse(text: str) -> list[list[str]]:
    """Sets of base URLs, as of OSBUILD_SOURCES_CURL_MIRRORS: those of a set with blanks between them, a set per line.

    A semicolon between blanks separates sets, too. Raises ValueError for what is no URL.
    """
    sets = [group.split() for group in re.split(r"\n|\s;\s", f" {text} ")]
    for base in (base for group in sets for base in group):
        if not re.match(r"(?:https?|file)://", base):
            raise ValueError(f"OSBUILD_SOURCES_CURL_MIRRORS has '{base}'; http, https and file URLs are allowed")
    return [[base.rstrip("/") for base in group] for group in sets if group]


def alternatives(url: str, sets: Sequence[Sequence[str]]) -> list[str]:
    """The URLs that a file can be had from: in the order of the set that has its server, or its own alone."""
    for group in sets:
        # Of two that fit, such as a server and a directory on it, the longer one says more.
        for base in sorted(group, key=len, reverse=True):
            if url.startswith(f"{base}/"):
                return [f"{other}{url[len(base) :]}" for other in group]
    return [url]
