# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Turning packages into a first system: the direct way and dpkg's own. Runs inside the entered tree (see `root`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import dpkg, dpkgdb, initramfs, policy, preinst, usrmerge
from .deb import Package
from .errors import StageError
from .extract import Listing, extract_all, settle_directories
from .order import essential, unpack_order
from .pathfilter import Skip
from .root import PACKAGES, RUNTIME, SCRATCH, empty


@dataclass
class Job:
    """What is to be installed.

    packages: in unpacking order; skip: path filter of the extraction, `filters` the same as dpkg's configuration;
    deny_services: keep scripts from starting services; outside: see `root.Root`.
    """

    packages: list[Package]
    architecture: str
    env: Mapping[str, str]
    skip: Skip | None = None
    filters: str = ""
    unsafe_io: bool = True
    deny_services: bool = True
    outside: int | None = None
    merged: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.packages = unpack_order(self.packages)
        self.merged = frozenset(name.encode() for name in usrmerge.links(self.architecture))

    def extract(self, packages: Sequence[Package], *, conffiles: bool) -> list[Listing]:
        """Lay down the files of `packages`, and what dpkg and the scripts must find from then on."""
        usrmerge.create(self.architecture)
        listings = extract_all(
            PACKAGES, packages, skip=self.skip, merged=self.merged, outside=self.outside, conffiles=conffiles
        )
        if self.deny_services:
            policy.deny()
        if self.filters:
            os.makedirs("/etc/dpkg/dpkg.cfg.d", mode=0o755, exist_ok=True)
            dpkgdb.write("/etc/dpkg/dpkg.cfg.d/50path-filters", self.filters.encode())
        return listings


class _NeedsDpkg(Exception):
    """These packages (by name) can only be unpacked by dpkg itself."""

    def __init__(self, names: frozenset[str], reason: str) -> None:
        super().__init__(reason)
        self.names = names


def unpack(job: Job, method: str) -> None:
    """Unpack all packages; what remains is `dpkg --configure`.

    method: "dpkg", or "auto" and "direct": those that dpkg alone can treat correctly (paths shared under Replaces,
    diverted or overridden paths) are left to it, which "direct" refuses with StageError.
    """
    deferred: frozenset[str] = _shared_paths(job) if method != "dpkg" else frozenset()
    reason = "they ship the same path as another package"
    while method != "dpkg":
        if deferred:
            names = ", ".join(sorted(deferred))
            if method == "direct":
                raise StageError(f"method 'direct' cannot unpack {names}: {reason}; use 'auto' or 'dpkg'")
            if any(package.name in deferred for package in essential(job.packages)):
                print(f"everything is unpacked by dpkg, as {names} need it: {reason}")
                break
            print(f"unpacked by dpkg: {names}: {reason}")
        try:
            _direct(job, deferred)
            return
        except _NeedsDpkg as declined:
            if declined.names <= deferred:
                raise RuntimeError(f"declined again: {declined}") from None
            deferred |= declined.names
            reason = str(declined)
            _start_over()
    _with_dpkg(job)


def _start_over() -> None:
    """Empty the tree but for the mounts in it."""
    for name in os.listdir("/run"):
        path = f"/run/{name}"
        if path not in (SCRATCH, "/run/lock"):
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    for name in sorted(os.listdir("/")):
        if name in RUNTIME:
            continue
        if os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}"):
            empty(f"/{name}")
            os.rmdir(f"/{name}")
        else:
            os.unlink(f"/{name}")


def _shared_paths(job: Job) -> frozenset[str]:
    """Packages that, by their md5sums, ship a regular file another one ships as well."""
    owner: dict[bytes, str] = {}
    found = set()
    for package in job.packages:
        for path in package.md5_paths:
            other = owner.setdefault(usrmerge.canonical(path, job.merged), package.name)
            if other != package.name:
                found |= {other, package.name}
    return frozenset(found)


def _check_shared(job: Job, packages: Sequence[Package], listings: Sequence[Listing]) -> None:
    """Raise _NeedsDpkg for what was found only while unpacking: shared links, links where others have directories."""
    owner: dict[bytes, str] = {}
    found: set[str] = set()
    links: dict[bytes, str] = {}
    for package, listing in zip(packages, listings, strict=True):
        for path in listing.others:
            other = owner.setdefault(usrmerge.canonical(path, job.merged), package.name)
            if other != package.name:
                found |= {other, package.name}
        for path in listing.symlinks:
            links[usrmerge.canonical(path, job.merged)] = package.name
    for package, listing in zip(packages, listings, strict=True):
        for path in listing.taken:
            found |= {owner.get(usrmerge.canonical(path, job.merged), package.name), package.name}
        for path in listing.directories:
            other = links.get(usrmerge.canonical(path, job.merged))
            if other is not None and other != package.name:
                found |= {other, package.name}
    if found:
        raise _NeedsDpkg(frozenset(found), "they ship the same path as another package")


def _check_contested(packages: Sequence[Package], listings: Sequence[Listing]) -> None:
    """Raise _NeedsDpkg for packages with a path that a preinst has diverted or overridden: dpkg would have known."""
    contested = dpkgdb.contested_paths()
    if not contested:
        return
    found = {
        package.name
        for package, listing in zip(packages, listings, strict=True)
        if any(path in contested for path in (*listing.others, *listing.directories))
    }
    if found:
        raise _NeedsDpkg(frozenset(found), "a preinst diverts or overrides a path of theirs")


def _direct(job: Job, deferred: frozenset[str]) -> None:
    """Parallel extraction, a written database, preinst scripts; then dpkg for the deferred ones."""
    packages = [package for package in job.packages if package.name not in deferred]
    dpkgdb.create(job.architecture)
    listings = job.extract(packages, conffiles=True)
    _check_shared(job, packages, listings)
    settle_directories(listings, job.merged)
    for package, listing in zip(packages, listings, strict=True):
        dpkgdb.write_info(package, listing)
    dpkgdb.write_status(packages)
    dpkgdb.write_triggers(packages)
    preinst.run_all(packages, job.env, preinst.dpkg_version(packages))
    _check_contested(packages, listings)
    if deferred:
        _dpkg_unpack(job, [package for package in job.packages if package.name in deferred])


def _with_dpkg(job: Job) -> None:
    """What dpkg needs to run is laid down without a record of it, then dpkg unpacks everything properly."""
    # Two of these with one path are no matter: dpkg replaces every file of theirs anyway.
    # Their directories get the attributes now: dpkg leaves directories that are there as they are.
    settle_directories(job.extract(essential(job.packages), conffiles=False), job.merged)
    dpkgdb.create(job.architecture)
    _dpkg_unpack(job, job.packages)


def _dpkg_unpack(job: Job, packages: Sequence[Package]) -> None:
    # Pre-dependencies are unpacked but not yet configured; their order is kept by unpack_order.
    dpkg.run(
        [*dpkg.options(unsafe_io=job.unsafe_io), "--force-depends", "--unpack", *dpkg.archives(packages)],
        job.env, packages,
    )


def configure(job: Job) -> None:
    """Configure everything, in dpkg's own order, with all triggers, and make each initramfs once."""
    try:
        with initramfs.deferred(job.env):
            options = dpkg.options(unsafe_io=job.unsafe_io)
            # No package declares what it needs of essential ones (passwd, say, reads the configuration of login).
            names = [package.qualified for package in essential(job.packages) if dpkgdb.is_known(package)]
            dpkg.run([*options, "--no-triggers", "--configure", *names], job.env, job.packages)
            dpkg.run([*options, "--configure", "-a"], job.env, job.packages)
    finally:
        if job.deny_services:
            policy.allow()
