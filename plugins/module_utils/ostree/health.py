# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What the health checks of the role ostree_client found on this boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STATE = Path("/var/lib/forge-health")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_KNOWN = {"state", "commit", "failed", "warnings", "time"}


def read(place: Path = STATE) -> dict[str, Any]:
    """The last verdict; ``state`` is unknown when there is none, or when it is one of an earlier boot."""
    unknown: dict[str, Any] = {"state": "unknown", "commit": "", "failed": [], "warnings": [], "fell_back_from": ""}
    try:
        unknown["fell_back_from"] = (place / "fell-back-from").read_text(encoding="utf-8").strip()
    except OSError:
        pass  # it never fell back
    try:
        found = json.loads((place / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return unknown
    if not isinstance(found, dict) or found.get("boot_id", "") not in ("", _boot_id()):
        return unknown
    return unknown | {key: value for key, value in found.items() if key in _KNOWN}


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
