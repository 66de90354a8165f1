# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Mounting by mount(8)."""

from __future__ import annotations

import enum
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from types import TracebackType

    StrPath = str | os.PathLike[str]


class MountPermissions(enum.Enum):
    """How a mount may be used."""

    READ_WRITE = "rw"
    READ_ONLY = "ro"


def _run(argv: list[str]) -> None:
    result = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"{result.stdout.strip()} (code: {result.returncode})")


def mount(
    source: StrPath, target: StrPath, bind: bool = True, ro: bool = True, private: bool = True, mode: str = "0755"
) -> None:
    """Mount `source` on `target`, by default as a private, read-only, recursive bind mount.

    Raises RuntimeError with the text and exit code of mount(8).
    """
    argv = ["mount"]
    if bind:
        argv.append("--rbind")
    if private:
        argv.append("--make-rprivate")
    options = [*(["ro"] if ro else []), *([mode] if mode else [])]
    if options:
        argv += ["-o", ",".join(options)]
    _run([*argv, str(source), str(target)])


def umount(target: StrPath, lazy: bool = False) -> None:
    """Write out the file system on `target` and detach it. Raises subprocess.CalledProcessError.

    It is always detached lazily; `lazy` exists for callers that say so.
    """
    extra = ["--lazy"] if lazy else []
    subprocess.run(["sync", "-f", str(target)], check=True)
    subprocess.run(["umount", "--lazy", *extra, str(target)], check=True)


class MountGuard:
    """Context manager that unmounts at its end, last first, what was mounted through it.

    After a remount nothing is unmounted: callers that remount rely on their mount namespace going away.
    """

    def __init__(self) -> None:
        self.mounts: list[dict[str, StrPath]] = []
        self.remount = False

    def mount(
        self,
        source: StrPath,
        target: StrPath,
        bind: bool = True,
        remount: bool = False,
        permissions: MountPermissions | None = None,
        mode: str = "0755",
    ) -> None:
        """Mount `source` on `target`.

        Raises ValueError for `permissions` that are none, RuntimeError with the text and exit code of mount(8).
        """
        self.remount = remount
        options = [*(["rbind"] if bind else []), *(["remount"] if remount else [])]
        if permissions:
            if permissions not in tuple(MountPermissions):
                raise ValueError(f"unknown filesystem permissions: {permissions}")
            options.append(permissions.value)
        if mode:
            options.append(mode)
        _run(["mount", "--make-private", "-o", ",".join(options), str(source), str(target)])
        self.mounts.append({"source": source, "target": target})

    def umount(self) -> None:
        """Unmount all, last first. Raises subprocess.CalledProcessError."""
        while self.mounts:
            target = str(self.mounts.pop()["target"])
            if self.remount:
                continue
            subprocess.run(["sync", "-f", target], check=True)
            subprocess.run(["umount", "--lazy", target], check=True)

    def __enter__(self) -> MountGuard:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.umount()
