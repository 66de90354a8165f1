# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Memory for trees that need not be on a disk: how much there is, and who has how much of it."""

from __future__ import annotations

import os
import threading

# Smaller a tree in memory is not worth having, and larger ones would leave too little for what works on them.
LEAST = 1 << 30
MOST = 4 << 30

_GROUPS = "/sys/fs/cgroup"


def available(meminfo: str = "/proc/meminfo", group: str | None = None) -> int:
    """Bytes that programs can have without swapping (proc(5)): of the machine, and of the control groups this process is in.

    `group` is the directory of the innermost one (cgroup v2), by default that of this process. 0 where nothing is known.
    """
    try:
        with open(meminfo, encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        found = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return 0
    path = _own_group() if group is None else group
    while path and path.startswith(_GROUPS if group is None else group):
        found = min(found, _left_in(path, found))
        path = os.path.dirname(path)
    return max(0, found)


def _own_group() -> str:
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            for line in file:
                if line.startswith("0::"):
                    return os.path.normpath(_GROUPS + line[3:].strip())
    except OSError:
        pass
    return ""


def _left_in(group: str, otherwise: int) -> int:
    """What the limit of a control group leaves, file pages that can be dropped not counted; `otherwise` without a limit."""
    try:
        with open(os.path.join(group, "memory.max"), encoding="ascii") as file:
            limit = int(file.read())
        with open(os.path.join(group, "memory.current"), encoding="ascii") as file:
            used = int(file.read())
        with open(os.path.join(group, "memory.stat"), encoding="ascii") as file:
            droppable = sum(int(line.split()[1]) for line in file if line.startswith(("inactive_file ", "active_file ")))
    except (OSError, ValueError):
        return otherwise
    return limit - used + droppable


class Budget:
    """Half of the memory that is available when it is first asked for; `total` sets it instead, in bytes."""

    def __init__(self, total: int | None = None) -> None:
        self._left = total
        self._lock = threading.Lock()

    def take(self) -> int:
        """Bytes for one tree, to be given back; 0 if there are not enough."""
        with self._lock:
            if self._left is None:
                self._left = available() // 2
            granted = min(self._left, MOST)
            if granted < LEAST:
                return 0
            self._left -= granted
            return granted

    def give_back(self, size: int) -> None:
        with self._lock:
            self._left = (self._left or 0) + size
