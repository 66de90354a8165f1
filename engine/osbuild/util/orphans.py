# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Sandboxes that outlived their engine.

bubblewrap takes its sandbox along when the engine dies (--die-with-parent), but for a moment: between making the sandbox's
first process and that one's asking to be killed, both engine and bubblewrap may die, and then it waits for ever. It runs
nothing, but the mounts it holds keep file systems and loop devices busy.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable

_PROGRAM = "bwrap"
# How long the kernel may take to end a sandbox with all its mounts, in milliseconds.
_GRACE = 10000


def end_sandboxes(directories: Iterable[str]) -> list[int]:
    """Kill every bubblewrap that was told to use something in one of `directories`, which nobody alive may own any more.

    Returns the ids of what was killed, after it is gone.
    """
    marks = [os.fsencode(directory).rstrip(b"/") + b"/" for directory in directories]
    if not marks:
        return []
    ended = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or not _uses(name, marks):
            continue
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(int(name))
            try:
                # Once more, now that the id cannot become another process's.
                if _uses(name, marks):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    poller = select.poll()
                    poller.register(pidfd, select.POLLIN)
                    poller.poll(_GRACE)
                    ended.append(int(name))
            finally:
                os.close(pidfd)
    return ended


def _uses(pid: str, marks: list[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            if file.read().rstrip("\n") != _PROGRAM:
                return False
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read().split(b"\0")
    except OSError:
        return False
    # bubblewrap's own options end here; what follows belongs to the program in the sandbox.
    own = arguments[: arguments.index(b"--")] if b"--" in arguments else arguments
    return any(argument.startswith(mark) for argument in own for mark in marks)
