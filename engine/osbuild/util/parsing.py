# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Locations (``tree:///a``, ``mount://root/a``, ``input://files/a``) and sizes as they are written in stage options.

Stages import this at every start, so ``urllib.parse`` (several milliseconds) is only loaded for locations that need
its rules.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    class SplitUrl(Protocol):
        """What the functions below need of a split URL; ``urllib.parse.ParseResult`` fits."""

        @property
        def scheme(self) -> str: ...
        @property
        def netloc(self) -> str: ...
        @property
        def path(self) -> str: ...


_UNITS = {
    "": 1,
    "kB": 1000,
    "KiB": 1024,
    "MB": 1000**2,
    "MiB": 1024**2,
    "GB": 1000**3,
    "GiB": 1024**3,
    "TB": 1000**4,
    "TiB": 1024**4,
}

_SCHEME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")
_URL_SYNTAX = frozenset("?#[]\t\r\n")


class _Location:
    __slots__ = ("netloc", "path", "scheme")

    def __init__(self, scheme: str, netloc: str, path: str) -> None:
        self.scheme = scheme
        self.netloc = netloc
        self.path = path


def _split(location: str) -> SplitUrl:
    scheme, _ignored, rest = location.partition("://")
    plain = scheme[:1].isalpha() and _SCHEME_LETTERS.issuperset(scheme) and _URL_SYNTAX.isdisjoint(rest)
    if plain and location.isascii() and location.isprintable():
        netloc, slash, path = rest.partition("/")
        return _Location(scheme.lower(), netloc, slash + path)

    from urllib.parse import urlparse

    return urlparse(location)


def parse_size(s: str) -> int | str:
    """Return the size `s` (``512``, ``10 MiB``, ``2GB``) in bytes, or ``"unlimited"`` unchanged.

    Units are case-sensitive: kB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB powers of 1024.
    Raises TypeError for anything else.
    """
    text = s.strip(" \t") if not s[-1:].isspace() else ""
    if text == "unlimited":
        return text
    digits = len(text) - len(text.lstrip("0123456789"))
    unit = _UNITS.get(text[digits:].lstrip(" \t"))
    if not digits or unit is None or (text[digits:] and not text[digits:].strip()):
        raise TypeError(f"invalid size value: '{s}'")
    return int(text[:digits]) * unit


def find_mount_root(url: SplitUrl, args: Mapping[str, Any]) -> str:
    """Return where the mount named by `url` is seen by the stage; without a name, the root of all mounts.

    Raises ValueError for a mount the stage does not have.
    """
    name = url.netloc
    if not name:
        return str(args["paths"]["mounts"])
    mount = args.get("mounts", {}).get(name)
    if mount is None:
        raise ValueError(f"Unknown mount '{name}'")
    return str(mount["path"])


def parse_input(url: SplitUrl, args: Mapping[str, Any]) -> str:
    """Return the directory of the input named by `url`. Raises ValueError for an input the stage does not have."""
    name = url.netloc
    entry = args.get("inputs", {}).get(name)
    if entry is None:
        raise ValueError(f"Unknown input '{name}'")
    return str(entry["path"])


def parse_location_into_parts(location: str, args: Mapping[str, Any]) -> tuple[str, str]:
    """Split `location` into the root it is relative to and its path, which begins with a slash.

    `args` is the stage's arguments document. A location without scheme is one of the tree.
    Raises ValueError for an unknown scheme, mount or input, and for a path that is not absolute.
    """
    if "://" not in location:
        location = "tree://" + location
    url = _split(location)
    if url.scheme == "tree":
        root = str(args["tree"])
    elif url.scheme == "mount":
        root = find_mount_root(url, args)
    elif url.scheme == "input":
        root = parse_input(url, args)
    else:
        raise ValueError(f"Unsupported scheme '{url.scheme}'")
    if not url.path.startswith("/"):
        raise ValueError(f"url.path from location must start with '/', got: {url.path}")
    return root, url.path


def parse_location(location: str, args: Mapping[str, Any]) -> str:
    """Return the path of `location` as the stage can open it.

    ``..`` stops at the root. A trailing slash becomes ``/.``, which tools like cp take for "the content of".
    Raises ValueError as parse_location_into_parts does.
    """
    root, path = parse_location_into_parts(location, args)
    relative = os.path.normpath("/" + path.lstrip("/")).lstrip("/")
    full = os.path.normpath(os.path.join(root, relative))
    return full + "/." if path.endswith("/") else full
