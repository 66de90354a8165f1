# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A range of an image file as the place of a file system, by a file of its own or by a loop device of the engine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile

from . import intree, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

SECTOR = 512
CHUNK = 16 * 1024 * 1024
LOOP_SERVICE = "/run/osbuild/api/remoteloop"


class NoLoopDeviceError(RuntimeError):
    """This machine gives the build no loop device."""


def locate(tree: str, filename: str, start: int, size: int, field: str = "size") -> tuple[str, int, int]:
    """Return the image's path, and `start` and `size`, which are in sectors, in bytes. ValueError if it does not fit."""
    path = intree.resolve(tree, filename)
    if not os.path.isfile(path):
        raise ValueError(f"filename must name an image file of the tree, found {filename!r}")
    first, length, available = start * SECTOR, size * SECTOR, os.stat(path).st_size
    if first + length > available:
        raise ValueError(f"{field}: the partition would end at byte {first + length}, the image has only {available}")
    return path, first, length


@contextlib.contextmanager
def scratch(image: str, size: int) -> Iterator[str]:
    """An empty sparse file of `size` bytes beside the image, for tools that know no offset."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(image), prefix=".partition-") as file:
        file.truncate(size)
        yield file.name


def data_ranges(fd: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 of the bytes between `start` and `end` that are no holes."""
    position = start
    while position < end:
        try:
            first = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:  # ENXIO: holes up to the end
            return
        if first >= end:
            return
        position = min(os.lseek(fd, first, os.SEEK_HOLE), end)
        yield first, position


def insert(source: str, image: str, start: int, size: int) -> None:
    """Write the file `source` over the range of the image; holes stay holes."""
    subprocess.run(["fallocate", "--punch-hole", "--offset", str(start), "--length", str(size), image], check=True)
    with open(source, "rb") as file, open(image, "rb+") as target:
        for first, last in data_ranges(file.fileno(), 0, size):
            file.seek(first)
            target.seek(start + first)
            left = last - first
            while left:
                data = file.read(min(left, CHUNK))
                if not data:
                    raise OSError(f"{source} became shorter while it was read")
                target.write(data)
                left -= len(data)


@contextlib.contextmanager
def loop_device(image: str, start: int, size: int) -> Iterator[str]:
    """The range as block device; it goes with the stage. Raises NoLoopDeviceError."""
    from osbuild import remoteloop

    with contextlib.ExitStack() as stack:
        try:
            client = remoteloop.LoopClient(LOOP_SERVICE)
            device = stack.enter_context(client.device(image, start, size))
        except (OSError, RuntimeError) as error:
            raise NoLoopDeviceError(f"the engine gives no loop device: {error}") from error
        yield device


@contextlib.contextmanager
def mounted(device: str, kind: str, options: str | None = None) -> Iterator[str]:
    """The file system on `device`, mounted; at the end all of it is written, or the error raised."""
    target = tempfile.mkdtemp(prefix=f"{kind}-")
    try:
        mounts.mount(device, target, kind, mounts.NODEV | mounts.NOSUID | mounts.NOEXEC, options)
        try:
            yield target
            subprocess.run(["sync", "--file-system", target], check=True)
        finally:
            subprocess.run(["umount", target], check=True)
    finally:
        os.rmdir(target)


def fill(target: str, source: str) -> None:
    """Copy what is in the directory `source` to `target`, and the directory's own owner, mode and times."""
    subprocess.run(["cp", "--archive", "--sparse=auto", f"{source}/.", target], check=True)


def environment(meta: Mapping[str, Any]) -> dict[str, str]:
    """Surroundings for tools that make file systems: the build's epoch, and names sorted by bytes."""
    result = {**os.environ, "LC_ALL": "C"}
    if meta.get("source-epoch") is not None:
        result["SOURCE_DATE_EPOCH"] = str(meta["source-epoch"])
    return result
