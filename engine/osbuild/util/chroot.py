# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A tree made ready to run programs in: ``/proc``, ``/dev`` and ``/sys`` mounted while the context lasts."""

from __future__ import annotations

import os
import subprocess

from .path import resolve_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any


class Chroot:
    """Context manager that mounts the kernel's file systems below `root`, and the directories `bind_mounts` as well.

    Everything is unmounted lazily at the end; what cannot be unmounted is only printed, since the sandbox takes its
    mounts along when it goes. Raises subprocess.CalledProcessError if a mount fails.
    """

    def __init__(self, root: str, bind_mounts: Sequence[str] | None = None) -> None:
        self.root = root
        self._bind_mounts = list(bind_mounts or [])

    def _target(self, directory: str) -> str:
        # A link there is the tree's own: mount(8) would follow it out of the tree.
        target = resolve_in(self.root, directory)
        if not os.path.exists(target):
            print(f"Making missing chroot directory: {directory}")
            os.makedirs(target)
        return target

    def __enter__(self) -> Chroot:
        proc, dev, sys = (self._target(directory) for directory in ("/proc", "/dev", "/sys"))
        subprocess.run(["mount", "-t", "proc", "-o", "nosuid,noexec,nodev", "proc", proc], check=True)
        try:
            options = "mode=0755,noexec,nosuid,strictatime"
            subprocess.run(["mount", "-t", "devtmpfs", "-o", options, "devtmpfs", dev], check=True)
        except subprocess.CalledProcessError:
            # Not allowed in a user namespace, and not in every container: the sandbox's own nodes serve as well.
            subprocess.run(["mount", "--bind", "/dev", dev], check=True)
        subprocess.run(["mount", "-t", "sysfs", "-o", "nosuid,noexec,nodev", "sysfs", sys], check=True)
        for directory in self._bind_mounts:
            subprocess.run(["mount", "--rbind", directory, self._target(directory)], check=True)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failed = []
        for directory in ["/proc", "/dev", "/sys", *reversed(self._bind_mounts)]:
            target = resolve_in(self.root, directory)
            if subprocess.run(["umount", "--lazy", target], check=False).returncode != 0:
                failed.append(target)
        if failed:
            print(f"Error unmounting paths from chroot: {failed}")

    def run(self, cmd: Sequence[str], **kwargs: Any) -> subprocess.CompletedProcess[Any]:
        """Run `cmd` in the tree; keywords go to subprocess.run."""
        return subprocess.run(["chroot", self.root, *cmd], **kwargs)  # noqa: PLW1510
