# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The host's own mirrors, turned to the suite an image wants: no mirror name is built in anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..errors import PackageError
from .hoststanzas import Stanza, read_stanzas
from .model import Source
from .validate import DEFAULT_KEYRINGS, is_armoured

_COMPONENTS = frozenset(("main", "contrib", "non-free", "non-free-firmware"))
_ALIASES = ("stable", "oldstable", "oldoldstable", "testing", "unstable", "sid")
_POCKETS = {"updates": "updates", "security": "security"}
# What a copy of the Debian archive is called on practically every mirror, snapshots with their time included.
_ARCHIVE_PATH = re.compile(r"/debian(?:-security)?(?:/\d{8}T\d{6}Z)?/*")
_HELP = "set sources for the image"


class Wanted(Protocol):
    """What is needed of images.Distribution."""

    @property
    def suite(self) -> str: ...
    @property
    def pockets(self) -> tuple[str, ...]: ...
    @property
    def components(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class _Offer:
    """A part of the Debian archive on a mirror: pocket "" is the suite itself."""

    uri: str
    pocket: str
    stanza: Stanza
    sure: bool


def host_sources(distribution: Wanted, architecture: str, *, root: Path = Path("/")) -> tuple[Source, ...]:
    """Sources for ``distribution`` on the mirrors that the host at ``root`` uses itself.

    Which pockets there are comes from the distribution; the security archive is the host's own, or, when the host
    has none, the directory ``debian-security`` beside ``debian``.  URIs, components and Signed-By are kept, components
    that the distribution wants and the host lacks are added.  ``architecture``: the wanted one, for messages; the
    host's own restriction to its architecture is dropped.
    Raises PackageError when the host has no source of the Debian archive.
    """
    offers = _offers(root)
    main = [offer for offer in offers if offer.pocket == ""]
    if not main:
        raise PackageError(
            f"the apt sources of this host name no mirror of the Debian archive that could serve"
            f" {distribution.suite} for {architecture}; {_HELP}"
        )
    plain = tuple(pocket for pocket in distribution.pockets if pocket != "security")
    suites = (distribution.suite, *(f"{distribution.suite}-{pocket}" for pocket in plain))
    sources = [_source(offer, suites, "debian", distribution, root) for offer in main]
    if "security" in distribution.pockets:
        security = [offer for offer in offers if offer.pocket == "security"] or [_sibling(main[0], distribution.suite)]
        suites = (f"{distribution.suite}-security",)
        sources += [_source(offer, suites, "debian-security", distribution, root) for offer in security]
    return _merged(sources)


def _offers(root: Path) -> list[_Offer]:
    codename = _codename(root)
    offers = []
    for stanza in read_stanzas(root):
        if not _COMPONENTS.intersection(stanza.components):
            continue
        for uri in _usable(stanza.uris, root):
            for suite in stanza.suites:
                pocket = _pocket(suite, codename)
                if pocket is None:
                    continue
                sure = _is_debian(stanza, uri, suite, root)
                if sure is not None:
                    offers.append(_Offer(uri, pocket, stanza, sure))
    # What may be a private mirror under another name is used only where nothing is known for certain.
    return [offer for offer in offers if offer.sure] or offers


def _codename(root: Path) -> str:
    for name in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = (root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = re.search(r"^VERSION_CODENAME=[\"']?([a-z]+)", text, re.MULTILINE)
        if found:
            return found[1]
    return ""


def _pocket(suite: str, codename: str) -> str | None:
    """The pocket of the host's own suite that ``suite`` is; None for everything else."""
    for base in (codename, *_ALIASES):
        if not base:
            continue
        if suite == base:
            return ""
        if suite.startswith(f"{base}-"):
            return _POCKETS.get(suite.removeprefix(f"{base}-"))
    return None


def _usable(uris: Iterable[str], root: Path) -> list[str]:
    """URIs a downloader understands; the mirror list of a cloud image (mirror+file:) stands for its first entry."""
    found = []
    for uri in uris:
        if uri.startswith(("mirror+file:", "mirror+copy:")):
            path = root / re.sub(r"^mirror\+\w+:/*", "", uri)
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
            words = [line.split("#", 1)[0].split() for line in lines]
            found += [word[0] for word in words if word and word[0].startswith(("http://", "https://"))][:1]
        elif uri.startswith(("http://", "https://", "file:/", "copy:/")):
            found.append(uri)
    return [uri.rstrip("/") for uri in found]


def _is_debian(stanza: Stanza, uri: str, suite: str, root: Path) -> bool | None:
    """True: the Debian archive; None: another vendor's repository; False: cannot be told.

    Vendors use Debian's code names and "main" too, and pulling them into an image unasked would be wrong.
    """
    origin = _origin(uri, suite, root)
    if origin is not None:
        return True if origin == "Debian" else None
    if Path(stanza.signed_by).name.startswith("debian-archive-"):
        return True
    if _ARCHIVE_PATH.fullmatch(re.sub(r"^[a-z+]+:/+[^/]*(?=/)", "", uri)):
        return True
    # A key of its own and no sign of Debian: a vendor's.  Without a key it can be a mirror with an odd path.
    return None if stanza.signed_by else False


def _origin(uri: str, suite: str, root: Path) -> str | None:
    """``Origin`` of the Release file that the host's apt fetched last; None when it has none."""
    # As apt's URItoFileName: the scheme goes, slashes become underscores, underscores are quoted.
    name = re.sub(r"^[a-z+]+:/{0,2}", "", uri).replace("_", "%5f").replace("/", "_")
    for kind in ("InRelease", "Release"):
        path = root / f"var/lib/apt/lists/{name}_dists_{suite}_{kind}"
        try:
            found = re.search(r"^Origin:\s*(.*)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        except OSError:
            continue
        return found[1].strip() if found else ""
    return None


def _sibling(main: _Offer, suite: str) -> _Offer:
    uri, count = re.subn(r"/debian(?=(?:/\d{8}T\d{6}Z)?$)", "/debian-security", main.uri)
    if not count:
        raise PackageError(
            f"the apt sources of this host name no security archive for {suite}-security, and beside {main.uri} none"
            f" can be guessed; {_HELP}"
        )
    return replace(main, uri=uri, pocket="security")


def _source(offer: _Offer, suites: tuple[str, ...], name: str, distribution: Wanted, root: Path) -> Source:
    stanza = offer.stanza
    kept = tuple(component for component in stanza.components if component in _COMPONENTS)
    more = tuple(component for component in distribution.components if component not in kept)
    return Source(
        uris=(offer.uri,),
        suites=suites,
        components=kept + more,
        signed_by=_signed_by(stanza.signed_by, root),
        trusted=stanza.trusted,
        name=name,
        check_valid_until=stanza.check_valid_until,
    )


def _signed_by(value: str, root: Path) -> str:
    """Absolute paths below ``root`` where they exist there; fingerprints mean the default keyring."""
    if is_armoured(value):
        return value
    paths = [item for item in re.split(r"[,\s]+", value) if item.startswith("/")]
    if not paths:
        found = [root / name for name in DEFAULT_KEYRINGS if (root / name).is_file()]
        return str(found[0]) if found else ""
    placed = [root / path.lstrip("/") for path in paths]
    return ",".join(str(there if there.is_file() else path) for path, there in zip(paths, placed, strict=True))


def _merged(sources: list[Source]) -> tuple[Source, ...]:
    """One source for what a host spreads over lines: components of one mirror, then mirrors of equal content."""
    merged: list[Source] = []
    for source in sources:
        for number, other in enumerate(merged):
            if replace(source, components=other.components) == other:
                merged[number] = replace(other, components=_joined(other.components, source.components))
                break
            if replace(source, uris=other.uris) == other:
                merged[number] = replace(other, uris=_joined(other.uris, source.uris))
                break
        else:
            merged.append(source)
    return tuple(merged)


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second))
