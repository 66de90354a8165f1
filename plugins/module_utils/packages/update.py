# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Fetch and verify the indices of all sources (runs in the forked child, see :mod:`.child`).

apt treats some failures as warnings and would go on with what it has; here every one of them is an error.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PackageError
from .model import Release, Request, Source
from .releasefile import ReleaseFile, read_release
from .validate import is_armoured


@dataclass(frozen=True)
class Place:
    """One suite directory on one mirror. ``key`` is how apt begins the names of its list files."""

    source: Source
    uri: str
    suite: str
    key: str

    @property
    def label(self) -> str:
        place = f"{self.uri} {self.suite}"
        return f"{self.source.name} ({place})" if self.source.name else place


class MidSync(PackageError):
    """Index and Release disagree: a mirror that is being synchronised, or altered content."""


class Recorder:
    """apt's acquire progress: notes what failed (python-apt calls the methods by name)."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []

    def fail(self, item: Any) -> None:
        # An ignored item (InRelease missing, Release there) has no error status.
        if item.owner.status in (
            item.owner.STAT_ERROR,
            item.owner.STAT_AUTH_ERROR,
            item.owner.STAT_TRANSIENT_NETWORK_ERROR,
        ):
            self.failures.append((item.description, item.owner.error_text))

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def fetch(self, item: Any) -> None: ...

    def done(self, item: Any) -> None: ...

    def ims_hit(self, item: Any) -> None: ...

    def pulse(self, owner: Any) -> bool:
        return True

    def media_change(self, media: str, drive: str) -> bool:
        return False


def update(apt_pkg: Any, request: Request, root: Path, pauses: tuple[float, ...]) -> tuple[list[Release], list[str]]:
    """Fetch, verify, retry a mirror in mid-sync after each of ``pauses`` (seconds).

    Returns the verified releases and warnings.  Raises PackageError naming source and reason.
    """
    lists = root / "var/lib/apt/lists"
    places = all_places(apt_pkg, request)
    for attempt in range(len(pauses) + 1):
        try:
            _fetch(apt_pkg, places)
            break
        except MidSync as error:
            if attempt == len(pauses):
                raise PackageError(f"{error.message} (tried {attempt + 1} times)", **error.result) from None
            time.sleep(pauses[attempt])
            # apt must not complete the next attempt from this one's parts.
            for path in [*lists.glob("*_*"), *(lists / "partial").iterdir()]:
                path.unlink()
    return _check(apt_pkg, places, lists, request)


def all_places(apt_pkg: Any, request: Request) -> list[Place]:
    """Every (URI, suite) of the sources, with apt's list file prefix."""
    places = []
    for source in request.sources:
        for uri in source.uris:
            for suite in source.suites:
                plain = suite.replace("$(ARCH)", request.architecture)
                base = re.sub(r"^(file|copy):/+", r"\1:/", uri).rstrip("/") + "/"
                directory = base + (plain if suite.endswith("/") else f"dists/{plain}/")
                if suite.endswith("/"):
                    directory = re.sub(r"(?<=[^:/])/\./$", "/./", directory)
                places.append(Place(source, uri, plain, apt_pkg.uri_to_filename(directory)))
    return places


def _fetch(apt_pkg: Any, places: list[Place]) -> None:
    recorder = Recorder()
    message = ""
    try:
        sources = apt_pkg.SourceList()
        sources.read_main_list()
        apt_pkg.Cache(None).update(recorder, sources, 0)
    except apt_pkg.Error as error:
        message = str(error)
    if message or recorder.failures:
        raise _explained(places, recorder.failures, message)


def _explained(places: list[Place], failures: list[tuple[str, str]], message: str) -> PackageError:
    """The first failure as a sentence; the rest goes to the result."""
    # "E:The repository 'URI SUITE Release' is not signed., W:GPG error: URI SUITE InRelease: …"
    parts = [part.strip() for part in re.split(r"(?:^|, )[EW]:", message) if part.strip()]
    texts = [f"{description}: {text}" for description, text in failures if text] + parts
    everything = "; ".join(" ".join(text.split()) for text in texts)
    placed = [(place, text) for text in texts if (place := _place_of(places, text)) is not None]
    for place, text in placed:
        known = _reason(place, text)
        if known is not None:
            kind, reason = known
            return kind(f"source {place.label}: {reason}", source=place.label, apt_messages=everything)
    if placed:
        place, text = placed[0]
        tail = " ".join(text.split()).split(": ", 1)[-1]
        return PackageError(
            f"source {place.label}: could not be fetched: {tail}", source=place.label, apt_messages=everything
        )
    first = " ".join(texts[0].split()) if texts else "no reason given"
    return PackageError(f"the package indices could not be fetched: {first}", apt_messages=everything)


def _place_of(places: list[Place], text: str) -> Place | None:
    best: tuple[int, Place] | None = None
    for place in places:
        plain = re.sub(r"^(file|copy):/+", r"\1:/", place.uri).rstrip("/")
        pattern = rf"{re.escape(plain)}/?(?: |/dists/){re.escape(place.suite.rstrip('/'))}(?=[/ ']|$)"
        hit = re.search(pattern, re.sub(r"\b(file|copy):/+", r"\1:/", text))
        if hit and (best is None or len(hit.group()) > best[0]):
            best = (len(hit.group()), place)
    return best[1] if best else None


def _keyring(place: Place) -> str:
    if is_armoured(place.source.signed_by):
        return "the given key"
    return place.source.signed_by or "debian-archive-keyring"


def _reason(place: Place, text: str) -> tuple[type[PackageError], str] | None:
    """Why, in the reader's words, from the messages of apt 2 (gpgv) and apt 3 (sqv); None: apt's own text says more."""
    flat = " ".join(text.split())
    if "NO_PUBKEY" in flat or "Missing key" in flat:
        keys = sorted(set(re.findall(r"(?:NO_PUBKEY|Missing key) ([0-9A-F]{8,})", flat)))
        return PackageError, (
            f"the Release file is signed by unknown keys ({', '.join(keys)}), none of which is in {_keyring(place)};"
            " set signed_by to the archive's keyring"
        )
    if "EXPKEYSIG" in flat or "KEYEXPIRED" in flat:
        return PackageError, f"the key in {_keyring(place)} that signed the Release file has expired"
    if "REVKEYSIG" in flat:
        return PackageError, f"the key in {_keyring(place)} that signed the Release file was revoked"
    if re.search(
        r"BADSIG|signatures? (?:was|were) invalid|Malformed signature|bad signature|manipulated", flat, re.IGNORECASE
    ):
        return PackageError, "the signature of the Release file is wrong; the file was altered or is damaged"
    if "NOSPLIT" in flat or "NODATA" in flat or "Clearsigned file" in flat or "not signed properly" in flat:
        return PackageError, "the Release file is not a properly signed one (a login page of the network, or damaged)"
    if "/sqv returned" in flat:
        return PackageError, f"the signature of the Release file cannot be verified: {flat.rsplit('is: ', 1)[-1]}"
    if "weak security information" in flat:
        return PackageError, "the Release file has no strong checksums (SHA256) of the indices"
    if "is expired" in flat:
        since = re.search(r"invalid since ([^)]*)\)", flat)
        ago = f" since {since[1].strip()}" if since else ""
        return PackageError, (
            f"the Release file has expired{ago}; the mirror is stale (for a snapshot archive set check_valid_until: false)"
        )
    if "is not valid yet" in flat:
        return PackageError, "the Release file is dated in the future; check this machine's clock"
    if "unexpected size" in flat or "Hash Sum mismatch" in flat or "Mirror sync" in flat:
        index = re.search(rf"{re.escape(place.suite)}/(\S+ \S+ Packages)", flat)
        return MidSync, (
            f"{f'the index {index[1]}' if index else 'an index'} does not match the signed Release file; the mirror is"
            " being synchronised, or the index was altered"
        )
    if "is not signed" in flat or "no longer signed" in flat:
        return PackageError, "the Release file is not signed (only trusted: true for this source accepts that)"
    if re.search(r"Release: .*(?:No such file|\b404\b)|does not have a Release|no longer has a Release", flat):
        return PackageError, "there is no Release file; check the URI and the suite name"
    status = re.search(r"\b(4\d\d|5\d\d) {1,2}([A-Z][A-Za-z ]+)", flat)
    if status:
        file = re.search(rf"{re.escape(place.suite)}(/?\S* (?:\S+ )?(?:Packages|(?:In)?Release)):", flat)
        of = f" for {file[1].strip(' /')}" if file else ""
        return PackageError, f"the server answers {status[1]} {status[2].strip()}{of}"
    return None


def _check(apt_pkg: Any, places: list[Place], lists: Path, request: Request) -> tuple[list[Release], list[str]]:
    """apt only warns about a missing component or another suite's Release; an image would lack packages silently."""
    warnings: list[str] = []
    releases = []
    for place in places:
        path = next(
            (lists / (place.key + name) for name in ("InRelease", "Release") if (lists / (place.key + name)).exists()),
            None,
        )
        if path is None:
            if place.source.trusted:
                continue
            raise PackageError(f"source {place.label}: there is no Release file; check the URI and the suite name")
        release = read_release(path)
        if not place.suite.endswith("/"):
            _check_release(place, release, request, warnings)
        releases.append(Release(place.uri, place.suite, release.sha256, release.date, release.valid_until))
    return releases, warnings


def _check_release(place: Place, release: ReleaseFile, request: Request, warnings: list[str]) -> None:
    names = {release.suite, release.codename} - {""}
    if names and place.suite.split("/")[0] not in {name.split("/")[0] for name in names}:
        text = f"source {place.label}: the Release file is that of {' / '.join(sorted(names))}"
        # The Debian archive never does this: somebody hands out another suite's (validly signed) index.
        if release.origin == "Debian" and not place.source.trusted:
            raise PackageError(text)
        warnings.append(text)
    known = {component.rsplit("/", 1)[-1] for component in release.components}
    for component in place.source.components:
        if known and component.rsplit("/", 1)[-1] not in known:
            raise PackageError(
                f"source {place.label}: there is no component '{component}'; there are {', '.join(release.components)}"
            )
    for arch in place.source.architectures or (request.architecture,):
        if release.architectures and arch not in release.architectures:
            raise PackageError(
                f"source {place.label}: there is no architecture '{arch}'; there are {', '.join(release.architectures)}"
            )
