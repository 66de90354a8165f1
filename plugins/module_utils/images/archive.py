# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Where Debian and everything beside it comes from: from a blueprint's words to apt sources and pins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from ..blueprint import Archive, Customizations, Repository
from ..errors import ImageError
from ..packages import Pin, Source
from .distributions import DISTRIBUTIONS, Distribution

_SECURITY = "security"
# Above the installed version's 100 and the usual 500; below 990, which stands for a release chosen by hand.
_TAKEN = 900
# What a Release with NotAutomatic and ButAutomaticUpgrades, as of backports, has anyway.
_AVAILABLE = 100


def suite_distribution(suite: str) -> Distribution | None:
    """The distribution that a suite is one of by name."""
    for one in DISTRIBUTIONS:
        if suite == one.suite or suite in one.aliases:
            return one
    return None


def of_suite(distribution: Distribution, archive: Archive) -> Distribution:
    """The distribution under the name that the blueprint's mirror has for it.

    :raises ImageError: the suite is another distribution's.
    """
    if not archive.suite:
        return distribution
    other = suite_distribution(archive.suite)
    if other is not None and other.name != distribution.name:
        raise ImageError(
            f"customizations.debian.suite is {archive.suite}, which is {other.name}'s, but the image is for "
            f"{distribution.name}; use distro"
        )
    return replace(distribution, suite=archive.suite)


def mirror_sources(distribution: Distribution, archive: Archive, components: tuple[str, ...]) -> tuple[Source, ...]:
    """Sources from the blueprint's own mirror; none if it has none."""
    if not archive.mirror:
        return ()
    main = tuple(name for name in distribution.suites if not name.endswith(f"-{_SECURITY}"))
    first = Source(
        (archive.mirror,), main, components or distribution.components, name="debian", check_valid_until=not archive.snapshot
    )
    found = [first]
    if archive.security_mirror and _SECURITY in distribution.pockets:
        suites = (f"{distribution.suite}-{_SECURITY}",)
        found.append(replace(first, uris=(archive.security_mirror,), suites=suites, name="debian-security"))
    return tuple(found)


def mirror_warnings(distribution: Distribution, archive: Archive) -> list[str]:
    if archive.mirror and not archive.security_mirror and _SECURITY in distribution.pockets:
        return ["customizations.debian.mirror: brings no security updates; security_mirror does"]
    return []


def backports_source(distribution: Distribution, archive: Archive, sources: Iterable[Source]) -> tuple[Source, ...]:
    """The backports beside the main suite, if the blueprint asks for them.

    :raises ImageError: the distribution has none, or no source has its main suite.
    """
    if not archive.backports:
        return ()
    if not distribution.version_id:
        raise ImageError(f"customizations.debian.backports: {distribution.name} has no backports; released ones do")
    name = f"{distribution.suite}-backports"
    for source in sources:
        if name in source.suites:
            return ()
    for source in sources:
        if distribution.suite in source.suites:
            return (replace(source, suites=(name,), name="debian-backports"),)
    raise ImageError(f"customizations.debian.backports: no package source has the suite {distribution.suite}, whose mirror has them")


def _backports_pins(distribution: Distribution, archive: Archive) -> Iterable[Pin]:
    if not archive.backports:
        return
    release = f"release n={distribution.suite}-backports"
    yield Pin("*", release, _AVAILABLE)
    if archive.backports != ("*",):
        yield Pin(" ".join(archive.backports), release, _TAKEN)


def repository_source(repository: Repository, distribution: Distribution) -> Source:
    source = repository.source
    return source if source.suites else replace(source, suites=(distribution.suite,))


def build_sources(distribution: Distribution, wanted: Customizations) -> tuple[Source, ...]:
    """What the blueprint names beside the archive to take packages from."""
    repositories = (one for one in wanted.repositories if one.install_from)
    return (*wanted.debian.sources, *(repository_source(one, distribution) for one in repositories))


def _repository_pins(repositories: Iterable[Repository]) -> Iterable[Pin]:
    for one in repositories:
        if one.priority is not None:
            hosts = (urlsplit(uri.removeprefix("mirror+")).hostname or "" for uri in one.source.uris)
            for host in dict.fromkeys(hosts):
                # apt knows local repositories by an empty host (apt_preferences(5)).
                yield Pin("*", f'origin "{host}"', one.priority)


def build_pins(distribution: Distribution, wanted: Customizations) -> tuple[Pin, ...]:
    """Pins that count while packages are chosen."""
    used = [one for one in wanted.repositories if one.install_from]
    return (*wanted.debian.pins, *_backports_pins(distribution, wanted.debian.archive), *_repository_pins(used))


def image_pins(distribution: Distribution, wanted: Customizations) -> tuple[Pin, ...]:
    """Pins that the image's own apt has."""
    kept = [one for one in wanted.repositories if one.in_image]
    return (*wanted.debian.pins, *_backports_pins(distribution, wanted.debian.archive), *_repository_pins(kept))
