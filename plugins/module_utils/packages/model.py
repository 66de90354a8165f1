# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of apt and what comes back, as plain frozen data (needs no python3-apt)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import quote

from ..errors import PackageError

Variant = Literal["minbase", "standard", "buildd", "essential", "none"]
VARIANTS: tuple[str, ...] = get_args(Variant)

Layer = Literal["", "named", "added"]

_NAME = r"[A-Za-z0-9*?\[][A-Za-z0-9+.*?\[\]!-]*"
# deb-version(7) characters, and glob characters, because blueprints ask for "5.*".
_SPEC = re.compile(rf"(?P<name>{_NAME})(?::(?P<arch>[a-z0-9-]+))?(?:=(?P<version>[A-Za-z0-9.+:~*?\[\]!-]+))?")


@dataclass(frozen=True)
class Source:
    """One apt repository stanza, as in sources.list(5).

    ``signed_by``: absolute path of a keyring (several: separated by commas), an armoured public key block, or
    empty for Debian's own archive keyring.  ``trusted`` switches verification off for this stanza alone.
    ``check_valid_until``: refuse an index whose ``Valid-Until`` is over; off only for snapshot archives.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
    signed_by: str = ""
    architectures: tuple[str, ...] = ()
    trusted: bool = False
    name: str = ""
    check_valid_until: bool = True

    @property
    def label(self) -> str:
        """How messages call this source."""
        return self.name or f"{' '.join(self.uris)} {' '.join(self.suites)}"


@dataclass(frozen=True)
class Pin:
    """One record of apt_preferences(5): ``Package``, ``Pin`` and ``Pin-Priority``."""

    package: str
    pin: str
    priority: int


@dataclass(frozen=True)
class PackageSpec:
    """A parsed entry of :attr:`PackageSet.include`; ``name`` and ``version`` may hold shell globs."""

    name: str
    architecture: str = ""
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> PackageSpec:
        """``name``, ``name:arch``, ``name=version``, ``name:arch=version``.  Raises PackageError."""
        found = _SPEC.fullmatch(text.strip())
        if found is None:
            raise PackageError(f"package '{text}': not of the form NAME[:ARCHITECTURE][=VERSION]", package=text)
        version = found["version"] or ""
        return cls(found["name"], found["arch"] or "", "" if version == "*" else version)

    def __str__(self) -> str:
        arch = f":{self.architecture}" if self.architecture else ""
        return f"{self.name}{arch}" + (f"={self.version}" if self.version else "")


@dataclass(frozen=True)
class PackageSet:
    """Packages of one tree.

    ``variant``: ``essential`` (Essential: yes), ``minbase`` (and Priority: required, and apt), ``standard`` (and
    Priority: important), ``buildd`` (minbase and build-essential), ``none``.
    ``architecture``: of the tree, where it is not the request's (the build root of an image for another machine).
    ``base``: what would be included in an image of this kind whose blueprint lists no packages; it decides on
    :attr:`Package.layer` and on nothing else.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    variant: str = "minbase"
    recommends: bool = False
    architecture: str = ""
    base: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A whole solve: one suite and architecture, several package sets that share the fetched indices."""

    distribution: str
    suite: str
    architecture: str
    sources: tuple[Source, ...]
    sets: Mapping[str, PackageSet]
    pins: tuple[Pin, ...] = ()
    foreign_architectures: tuple[str, ...] = ()

    @property
    def architectures(self) -> tuple[str, ...]:
        """Native architecture first, then the foreign ones, those named as ``package:arch`` included."""
        wanted = list(self.foreign_architectures)
        for packages in self.sets.values():
            wanted += [PackageSpec.parse(item).architecture for item in packages.include]
        foreign = {arch for arch in wanted if arch and arch not in (self.architecture, "all", "any", "native")}
        return (self.architecture, *sorted(foreign))

    def by_architecture(self) -> tuple[Request, ...]:
        """One request for each native architecture among the sets, that of the request first."""
        groups: dict[str, dict[str, PackageSet]] = {self.architecture: {}}
        for name, wanted in self.sets.items():
            groups.setdefault(wanted.architecture or self.architecture, {})[name] = wanted
        return tuple(
            replace(self, architecture=architecture, sets=sets, foreign_architectures=foreign)
            for architecture, sets in groups.items()
            if sets
            for foreign in [self.foreign_architectures if architecture == self.architecture else ()]
        )

    def digest(self) -> str:
        """``sha256:…`` of what was asked for; it says whether a lock file still answers the question.

        Mirrors, keyrings and components stay out of it: a lock must stay good on another machine, whose sources.list
        names another mirror or "main non-free-firmware" where this one has "main".
        """
        offered = sorted([suite, sorted(source.architectures)] for source in self.sources for suite in source.suites)
        asked: dict[str, Any] = {
            "distribution": self.distribution,
            "suite": self.suite,
            "architectures": list(self.architectures),
            "sources": offered,
            "pins": [[pin.package, pin.pin, pin.priority] for pin in self.pins],
            "sets": {
                name: {
                    "include": sorted(set(wanted.include)),
                    "exclude": sorted(set(wanted.exclude)),
                    "variant": wanted.variant,
                    "recommends": wanted.recommends,
                    **({"architecture": wanted.architecture} if wanted.architecture else {}),
                }
                for name, wanted in self.sets.items()
            },
        }
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Package:
    """One .deb that a set needs.

    ``path`` is relative to the mirror ``uri`` and not percent-encoded; ``size`` in bytes, ``installed_size`` in KiB
    as in deb-control(5); ``auto``: not asked for by name or variant, ``apt autoremove`` may take it.
    ``layer``: empty for what other images of this kind have, too; ``named`` for that which only the blueprint asks for
    by name; ``added`` for what is there because of the blueprint alone.
    """

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    path: str
    uri: str
    source: str = ""
    source_version: str = ""
    component: str = ""
    suite: str = ""
    multi_arch: str = "no"
    essential: bool = False
    priority: str = "optional"
    auto: bool = False
    installed_size: int = 0
    section: str = ""
    layer: Layer = ""

    @property
    def url(self) -> str:
        """Where to fetch it. ``+`` is encoded as apt does, since bucket-backed mirrors read it as a space."""
        return f"{self.uri.rstrip('/')}/{quote(self.path, safe='/~')}"

    @property
    def spec(self) -> str:
        """``name:architecture=version``."""
        return f"{self.name}:{self.architecture}={self.version}"


@dataclass(frozen=True)
class Release:
    """A verified (In)Release file: its mirror, suite directory, SHA-256 and times (RFC 3339, UTC, may be empty)."""

    uri: str
    suite: str
    sha256: str
    date: str = ""
    valid_until: str = ""


@dataclass(frozen=True)
class Resolution:
    """The answer to a :class:`Request`; releases sorted by suite and mirror, each set by name and architecture."""

    distribution: str
    suite: str
    architecture: str
    releases: tuple[Release, ...]
    sets: Mapping[str, tuple[Package, ...]]
    warnings: tuple[str, ...] = field(default=(), compare=False)
