#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Set or remove the policy that decides whether packages may start services. Source: invoke-rc.d(8)."""

from __future__ import annotations

import os
import re
import sys

import osbuild.api

from stages.forge.errors import StageError, run_stage
from stages.forge.inside import Inside

PATH = "usr/sbin/policy-rc.d"
SERVICE = re.compile(r"[A-Za-z0-9@:_.+-]+")
# invoke-rc.d takes 101 as forbidden and 104 as allowed.
STATUS = {"deny": 101, "allow": 104}


def script(policy, services):
    """A shell script for invoke-rc.d: the service's name is its first argument."""
    lines = ["#!/bin/sh", "# Whether packages may start services: see invoke-rc.d(8)."]
    if services:
        lines.append('case "$1" in')
        for name, verdict in sorted(services.items()):
            if not SERVICE.fullmatch(name):
                raise StageError(f"option services names {name!r}, which is no service's name")
            lines.append(f"    {name}) exit {STATUS[verdict]} ;;")
        lines.append("esac")
    return "\n".join([*lines, f"exit {STATUS[policy]}"]) + "\n"


def main(tree, options):
    policy, services = options["policy"], options.get("services", {})
    if policy == "remove" and services:
        raise StageError("option services is for policy deny or allow; with remove there is no policy")
    with Inside(tree) as inside:
        if policy == "remove":
            print(f"/{PATH} {'removed' if inside.remove(PATH) else 'is not there'}")
        else:
            inside.write(PATH, script(policy, services).encode(), 0o755)
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    args = osbuild.api.arguments()
    sys.exit(run_stage(lambda: main(args["tree"], args["options"])))
