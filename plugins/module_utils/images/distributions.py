# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The distributions that images can be made of: data only."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ImageError


@dataclass(frozen=True)
class Distribution:
    """One Debian release.

    :param name: what users write, ``debian-13``.
    :param suite: directory below ``dists/`` of a mirror.
    :param version_id: ``VERSION_ID`` of os-release; empty where a release has no number yet.
    :param pockets: suites beside the main one, by their suffix.
    :param components: archive components used by default.
    :param runner: how the engine prepares a tree of this distribution as a build root.
    :param aliases: other names users know it by.
    :param timezone_file: whether ``/etc/timezone`` is kept beside ``/etc/localtime``.
    :param repart_package: package of systemd-repart(8); empty where package systemd itself has it.
    :param stub_packages: what brings systemd-stub(7) for an amd64 or arm64 machine.
    :param ukify_package: package of ukify(1); empty where there is none.
    :param ostree_readonly_key: whether libostree reads from the repository's configuration that /sysroot is to be
        read-only; newer ones read it from prepare-root.conf, and warn of that key.
    """

    name: str
    suite: str
    version_id: str
    pockets: tuple[str, ...]
    runner: str
    aliases: tuple[str, ...] = ()
    components: tuple[str, ...] = ("main",)
    timezone_file: bool = False
    repart_package: str = "systemd-repart"
    stub_packages: tuple[str, ...] = ("systemd-boot-efi",)
    ukify_package: str = "systemd-ukify"
    ostree_readonly_key: bool = False

    @property
    def suites(self) -> tuple[str, ...]:
        """All suites, the main one first."""
        return (self.suite, *(f"{self.suite}-{pocket}" for pocket in self.pockets))


_POCKETS = ("updates", "security")

DISTRIBUTIONS: tuple[Distribution, ...] = (
    Distribution(
        "debian-12",
        "bookworm",
        "12",
        _POCKETS,
        "org.osbuild.debian12",
        aliases=("bookworm", "debian12", "12"),
        timezone_file=True,
        repart_package="",
        ukify_package="",
        ostree_readonly_key=True,
    ),
    Distribution(
        "debian-13", "trixie", "13", _POCKETS, "org.osbuild.debian13", aliases=("trixie", "debian13", "13", "stable")
    ),
    Distribution("debian-testing", "testing", "", _POCKETS, "org.osbuild.debian", aliases=("testing", "forky")),
    # Nothing is staged or embargoed for the development suite, so it has no pockets.
    Distribution("debian-sid", "sid", "", (), "org.osbuild.debian", aliases=("sid", "unstable", "debian-unstable")),
)


def get_distribution(name: str) -> Distribution:
    """The distribution called *name*, by its name or an alias (code name).

    :raises ImageError: there is none; the message lists those that are known.
    """
    wanted = name.strip().lower()
    for one in DISTRIBUTIONS:
        if wanted == one.name or wanted in one.aliases:
            return one
    known = ", ".join(one.name for one in DISTRIBUTIONS)
    raise ImageError(f"unknown distribution '{name}'; known are {known}")
