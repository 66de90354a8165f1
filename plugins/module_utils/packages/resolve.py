# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The solve as a whole: private root, verified update, one forked solver per package set."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import PackageError
from . import aptroot, base, child, hostapt
from .model import Package, Release, Request, Resolution
from .records import describe
from .solve import Solver
from .update import update
from .validate import check

# A mirror that is being synchronised is whole again after seconds, as a rule.
RETRY_PAUSES = (2.0, 6.0)


def resolve(
    request: Request,
    *,
    scratch: Path | None = None,
    proxy: str | None = None,
    root: Path = Path("/"),
    timeout: float = 900.0,
    retry_pauses: tuple[float, ...] = RETRY_PAUSES,
) -> Resolution:
    """Fetch and verify the indices, and solve every set of ``request``.

    ``scratch``: directory for the private apt root, which is removed afterwards (default: the system's temporary
    directory).  ``proxy``: URL for http and https, empty for none; None leaves it to the host's apt configuration
    and the environment.  ``root``: where the host's ``etc/apt`` lies.  ``timeout`` in seconds for all of it.
    Raises PackageError: sources that cannot be verified or fetched, unknown packages or versions, no solution.
    """
    check(request)
    hostapt.import_check()
    deadline = time.monotonic() + timeout
    # apt knows one native architecture at a time.
    found = [_resolve(one, scratch, proxy, root, deadline, retry_pauses) for one in request.by_architecture()]
    return _merged(request, found)


def _resolve(
    request: Request,
    scratch: Path | None,
    proxy: str | None,
    root: Path,
    deadline: float,
    retry_pauses: tuple[float, ...],
) -> Resolution:
    try:
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="forge-apt-", dir=scratch)).resolve()
    except OSError as error:
        raise PackageError(f"no scratch directory for apt: {error}") from None
    try:
        config = aptroot.create(place, request, root, proxy)
        runner = child.start(
            "package indices", partial(_run, request, place, config, root, proxy, retry_pauses, deadline)
        )
        try:
            answer = runner.result(deadline)
        finally:
            runner.kill()
    except OSError as error:
        raise PackageError(f"packages could not be resolved: {error}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return _resolution(request, answer)


def _merged(request: Request, found: list[Resolution]) -> Resolution:
    """The answers of several solves as one; the indices of a suite are the same for all of them."""
    releases = {(one.suite, one.uri): one for resolution in found for one in resolution.releases}
    sets = {name: packages for resolution in found for name, packages in resolution.sets.items()}
    return Resolution(
        distribution=request.distribution,
        suite=request.suite,
        architecture=request.architecture,
        releases=tuple(release for _key, release in sorted(releases.items())),
        sets={name: sets[name] for name in request.sets},
        warnings=tuple(dict.fromkeys(text for resolution in found for text in resolution.warnings)),
    )


def _run(
    request: Request,
    place: Path,
    config: Path,
    root: Path,
    proxy: str | None,
    pauses: tuple[float, ...],
    deadline: float,
) -> dict[str, Any]:
    """In the child: update, then one more child per set.

    Pins, exclusions and Recommends are read by apt when it opens its cache and cannot be changed afterwards; the
    cache file, written once, makes opening it again cheap.
    """
    apt_pkg = hostapt.start(config, root, proxy)
    releases, warnings = update(apt_pkg, request, place, pauses)
    try:
        apt_pkg.Cache(None)
    except apt_pkg.Error as error:
        raise PackageError(f"the package indices cannot be read: {error}") from None
    running = {
        name: child.start(f"package set '{name}'", partial(_solve, apt_pkg, request, place, number, name))
        for number, name in enumerate(request.sets)
    }
    try:
        answers = {name: runner.result(deadline) for name, runner in running.items()}
    finally:
        for runner in running.values():
            runner.kill()
    for answer in answers.values():
        warnings += answer["warnings"]
    return {
        "releases": [dataclasses.asdict(release) for release in releases],
        "warnings": warnings,
        "sets": {name: answer["packages"] for name, answer in answers.items()},
    }


def _solve(apt_pkg: Any, request: Request, place: Path, number: int, name: str) -> dict[str, Any]:
    wanted = request.sets[name]
    apt_pkg.config.set("Dir::Etc::preferencesparts", str(place / f"etc/apt/preferences-{number}.d"))
    apt_pkg.config.set("APT::Install-Recommends", "true" if wanted.recommends else "false")
    try:
        cache = apt_pkg.Cache(None)
        solution = Solver(apt_pkg, cache, name, wanted, request.architecture).solve()
        solution.layers = base.layers(apt_pkg, cache, name, wanted, request.architecture, solution)
        packages = describe(apt_pkg, cache, solution, request)
    except apt_pkg.Error as error:
        raise PackageError(f"package set '{name}': {error}") from None
    return {"packages": [dataclasses.asdict(package) for package in packages], "warnings": solution.warnings}


def _resolution(request: Request, answer: dict[str, Any]) -> Resolution:
    return Resolution(
        distribution=request.distribution,
        suite=request.suite,
        architecture=request.architecture,
        releases=tuple(
            sorted((Release(**item) for item in answer["releases"]), key=lambda item: (item.suite, item.uri))
        ),
        sets={name: tuple(Package(**item) for item in packages) for name, packages in answer["sets"].items()},
        warnings=tuple(answer["warnings"]),
    )
