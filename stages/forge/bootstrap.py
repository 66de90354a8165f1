# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Turning packages into a first system: the direct way and dpkg's own. Runs inside the entered tree (see `root`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import configuring, conflicts, debconf, dpkg, dpkgdb, initramfs, nosync, policy, preinst, usrmerge
from .deb import Package
from .errors import StageError
from .extract import Listing, extract_all, settle_directories
from .order import closure, essential, unpack_order
from .pathfilter import Skip
from .root import PACKAGES, RUNTIME, SCRATCH, empty


@dataclass
class Job:
    """What is to be installed.

    packages: in unpacking order; skip: path filter of the extraction, `filters` the same as dpkg's configuration;
    deny_services: keep scripts from starting services; outside: see `root.Root`; answers: see `debconf.lines`.
    """

    packages: list[Package]
    architecture: str
    env: Mapping[str, str]
    skip: Skip | None = None
    filters: str = ""
    unsafe_io: bool = True
    deny_services: bool = True
    outside: int | None = None
    answers: str = ""
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


class _AllByDpkg(Exception):
    """What dpkg itself needs can only be unpacked by dpkg."""


def unpack(job: Job, method: str) -> None:
    """Unpack all packages; what remains is `dpkg --configure`.

    method: "dpkg", or "auto" and "direct": those that dpkg alone can treat correctly (see `conflicts`) are left to it,
    which "direct" refuses with StageError.
    """
    if job.unsafe_io:
        nosync.suppress()
    if method != "dpkg":
        try:
            _direct(job, method)
            return
        except _AllByDpkg:
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


def _leave(job: Job, method: str, names: set[str], reason: str) -> set[str]:
    """Say that `names` are left to dpkg, or raise if that is not possible."""
    if names:
        listed = ", ".join(sorted(names))
        if method == "direct":
            raise StageError(f"method 'direct' cannot unpack {listed}: {reason}; use 'auto' or 'dpkg'")
        if any(package.name in names for package in essential(job.packages)):
            print(f"everything is unpacked by dpkg, as {listed} need it: {reason}")
            raise _AllByDpkg
        print(f"unpacked by dpkg: {listed}: {reason}")
    return names


def _direct(job: Job, method: str) -> None:
    """Parallel extraction, a written database, preinst scripts; then dpkg for those that need it."""
    deferred = _leave(job, method, conflicts.shared_before(job.packages, job.merged), conflicts.SHARED)
    packages = [package for package in job.packages if package.name not in deferred]
    dpkgdb.create(job.architecture)
    unpacked = list(zip(packages, job.extract(packages, conffiles=True), strict=True))
    if found := _leave(job, method, conflicts.shared_after(unpacked, job.merged), conflicts.SHARED):
        unpacked = conflicts.take_back(found, unpacked)
        deferred |= found
    settle_directories([listing for _ignored, listing in unpacked], job.merged)
    _record(unpacked)
    preinst.run_all([package for package, _ignored in unpacked], job.env, preinst.dpkg_version(packages))
    if found := _leave(job, method, conflicts.contested(unpacked), conflicts.CONTESTED):
        for package, _ignored in unpacked:
            if package.name in found:
                dpkgdb.forget_info(package)
        unpacked = conflicts.take_back(found, unpacked)
        deferred |= found
        _record(unpacked)
    if deferred:
        _dpkg_unpack(job, [package for package in job.packages if package.name in deferred])


def _record(unpacked: conflicts.Unpacked) -> None:
    """Make dpkg's database say that these packages, and no others, are unpacked."""
    packages = [package for package, _ignored in unpacked]
    for package, listing in unpacked:
        dpkgdb.write_info(package, listing)
    dpkgdb.write_status(packages)
    dpkgdb.write_triggers(packages)


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


def _qualified(packages: Sequence[Package]) -> list[str]:
    return [package.qualified for package in packages if dpkgdb.is_known(package)]


def configure(job: Job, method: str) -> None:
    """Configure everything, in dpkg's own order, with all triggers, and make each initramfs once.

    method: see `unpack`; "dpkg" has everything else done in the plain way, too.
    """
    try:
        with initramfs.deferred(job.env) if method == "dpkg" else configuring.economical(job.env):
            options = dpkg.options(unsafe_io=job.unsafe_io)
            early: list[str] = []
            if job.answers:
                # As early as can be: all that debconf itself needs, then the answers, then whoever may ask.
                early = _qualified(closure(job.packages, ["base-files", "base-passwd", "debconf"]))
                dpkg.run([*options, "--no-triggers", "--configure", *early], job.env, job.packages)
                debconf.preseed(job.answers, job.env)
            # No package declares what it needs of essential ones (passwd, say, reads the configuration of login).
            names = [name for name in _qualified(essential(job.packages)) if name not in early]
            if names:
                dpkg.run([*options, "--no-triggers", "--configure", *names], job.env, job.packages)
            dpkg.run([*options, "--configure", "-a"], job.env, job.packages)
    finally:
        if job.deny_services:
            policy.allow()
