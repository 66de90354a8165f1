# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Running preinst scripts for packages that were unpacked without dpkg. Source: deb-preinst(5), dpkg(1) ENVIRONMENT."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from . import command
from .deb import Package
from .dpkgdb import ADMIN
from .errors import StageError


def dpkg_version(packages: Sequence[Package]) -> str:
    """Version of the dpkg that the scripts shall believe to run under: upstream part of the package's version."""
    return next((package.version for package in packages if package.name == "dpkg"), "")


def run_all(packages: Sequence[Package], env: Mapping[str, str], running_version: str) -> None:
    """Run `preinst install` of each package that has one, in order.

    Raises StageError with the package's name and the script's output at the first failure.
    """
    for package in packages:
        if "preinst" not in package.members:
            continue
        script = f"{ADMIN}/info/{package.qualified}.preinst"
        variables = {
            **env,
            "DPKG_MAINTSCRIPT_NAME": "preinst",
            "DPKG_MAINTSCRIPT_PACKAGE": package.name,
            "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT": "1",
            "DPKG_MAINTSCRIPT_ARCH": package.architecture,
            "DPKG_MAINTSCRIPT_DEBUG": "0",
            "DPKG_RUNNING_VERSION": running_version,
            "DPKG_ADMINDIR": ADMIN,
            "DPKG_ROOT": "",
        }
        # Scripts are run from their mode, as dpkg runs them; dpkg sets it, a package may have forgotten it.
        os.chmod(script, os.stat(script).st_mode | 0o111)
        finished = command.run([script, "install"], variables)
        if finished.status:
            raise StageError(
                f"package {package.name} cannot be installed: its preinst script failed with exit status "
                f"{finished.status}{finished.quoted()}"
            )
