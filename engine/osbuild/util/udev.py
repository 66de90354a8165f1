# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Keep udev's hands off devices that are being built on.

A lock file per device tells the rules of the host to ignore it: those that the role build_host installs, or upstream's.
"""

from __future__ import annotations

import pathlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

LOCKDIR = "/run/osbuild/locks/udev"


class UdevInhibitor:
    """One lock file, `path`; its directory is made. Raises OSError."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def inhibit(self) -> None:
        """Make udev ignore the device from now on."""
        self.path.touch()

    def release(self) -> None:
        """Let udev handle the device again; may be called twice."""
        self.path.unlink(missing_ok=True)

    @property
    def active(self) -> bool:
        """Whether udev is told to ignore the device."""
        return self.path.exists()

    @classmethod
    def for_dm_name(cls, name: str, lockdir: str | os.PathLike[str] = LOCKDIR) -> UdevInhibitor:
        """Inhibit the device mapper device `name`."""
        return cls._inhibited(lockdir, f"dm-{name}")

    @classmethod
    def for_device(cls, major: int, minor: int, lockdir: str | os.PathLike[str] = LOCKDIR) -> UdevInhibitor:
        """Inhibit the device with these numbers."""
        return cls._inhibited(lockdir, f"device-{major}:{minor}")

    @classmethod
    def _inhibited(cls, lockdir: str | os.PathLike[str], name: str) -> UdevInhibitor:
        inhibitor = cls(pathlib.Path(lockdir) / name)
        inhibitor.inhibit()
        return inhibitor
