# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""policy-rc.d: whether maintainer scripts may start services. Source: invoke-rc.d(8)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_PATH = "/usr/sbin/policy-rc.d"


_DENY = "#!/bin/sh\n# Packages are being installed in a tree that is not running.\nexit 101\n"


def deny() -> None:
    """Forbid service starts. A policy the tree has of its own is left alone."""
    if os.path.lexists(_PATH):
        return
    os.makedirs(os.path.dirname(_PATH), mode=0o755, exist_ok=True)
    with open(_PATH, "x", encoding="utf-8") as file:
        file.write(_DENY)
    os.chmod(_PATH, 0o755)


def allow() -> None:
    """Take back `deny`; a policy that a package put in place meanwhile stays."""
    try:
        with open(_PATH, encoding="utf-8", errors="replace") as file:
            ours = file.read() == _DENY
    except OSError:
        return
    if ours:
        os.unlink(_PATH)


@contextmanager
def services_denied(denied: bool = True) -> Iterator[None]:
    """`deny` over the body, unless `denied` is false."""
    if denied:
        deny()
    try:
        yield
    finally:
        if denied:
            allow()
