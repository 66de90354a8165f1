# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What a machine changed in /etc, against the /etc that its commit brought."""

from __future__ import annotations

import filecmp
import os
import stat
from pathlib import Path


def _names(root: Path) -> dict[str, os.stat_result]:
    found: dict[str, os.stat_result] = {}
    for place, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(place) / name
            found[str(path.relative_to(root))] = path.lstat()
    return found


def _differ(before: Path, after: Path, old: os.stat_result, new: os.stat_result) -> bool:
    if (old.st_mode, old.st_uid, old.st_gid) != (new.st_mode, new.st_uid, new.st_gid):
        return True
    if stat.S_ISLNK(old.st_mode):
        return before.readlink() != after.readlink()
    return stat.S_ISREG(old.st_mode) and not filecmp.cmp(before, after, shallow=False)


def changes(deployment: Path) -> dict[str, list[str]]:
    """Paths below /etc that were added, modified and removed; of what was added or removed only the topmost."""
    before, after = deployment / "usr" / "etc", deployment / "etc"
    old, new = _names(before), _names(after)
    added, removed = set(new) - set(old), set(old) - set(new)
    modified = {name for name in set(old) & set(new) if _differ(before / name, after / name, old[name], new[name])}
    return {"added": _topmost(added), "modified": sorted(modified), "removed": _topmost(removed)}


def _topmost(names: set[str]) -> list[str]:
    return sorted(name for name in names if os.path.dirname(name) not in names)
