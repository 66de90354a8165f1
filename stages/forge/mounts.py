# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""mount(2), umount2(2) and unshare(2) by system call: no program of the build root is needed, nothing is forked."""

from __future__ import annotations

import ctypes
import os

NOSUID, NODEV, NOEXEC, RDONLY = 2, 4, 8, 1
REMOUNT, BIND, REC, PRIVATE, SLAVE = 32, 4096, 16384, 1 << 18, 1 << 19
DETACH = 2
CLONE_NEWNS = 0x00020000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    """mount(2). OSError naming the target."""
    _check(
        _libc.mount(
            os.fsencode(source) if source else None, os.fsencode(target), kind.encode() if kind else None,
            ctypes.c_ulong(flags), options.encode() if options else None,
        ),
        f"cannot mount {kind or source} on {target}",
    )


def bind_read_only(source: str, target: str, flags: int = 0) -> None:
    """Show the directory `source` at `target`, without devices and set-user-ID programs, where nothing can be written."""
    mount(source, target, None, BIND)
    mount(None, target, None, BIND | REMOUNT | RDONLY | NOSUID | NODEV | flags)


def umount(target: str) -> None:
    """Unmount `target` and all below it at once, even if a stray process still uses it."""
    _check(_libc.umount2(os.fsencode(target), DETACH), f"cannot unmount {target}")


def own_namespace() -> None:
    """Give this process mounts of its own: whatever happens to it, none of them is left or seen elsewhere."""
    _check(_libc.unshare(CLONE_NEWNS), "cannot unshare the mount namespace")
    mount(None, "/", None, REC | PRIVATE)
