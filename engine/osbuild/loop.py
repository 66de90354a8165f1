# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Loop devices (loop(4)): block devices backed by files."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import subprocess
import time

from .util import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

__all__ = ["Loop", "LoopControl", "LoopInfo", "UnexpectedDevice"]


class UnexpectedDevice(Exception):
    """The opened file is not loop device number `expected_minor`, but `rdev` with `mode`."""

    def __init__(self, expected_minor: int, rdev: int, mode: int) -> None:
        super().__init__(f"expected the block device 7:{expected_minor}, found {rdev:#x} of mode {mode:o}")
        self.expected_minor = expected_minor
        self.rdev = rdev
        self.mode = mode


class LoopInfo(ctypes.Structure):
    """struct loop_info64 of <linux/loop.h>."""

    _fields_: ClassVar = [
        ("lo_device", ctypes.c_uint64),
        ("lo_inode", ctypes.c_uint64),
        ("lo_rdevice", ctypes.c_uint64),
        ("lo_offset", ctypes.c_uint64),
        ("lo_sizelimit", ctypes.c_uint64),
        ("lo_number", ctypes.c_uint32),
        ("lo_encrypt_type", ctypes.c_uint32),
        ("lo_encrypt_key_size", ctypes.c_uint32),
        ("lo_flags", ctypes.c_uint32),
        ("lo_file_name", ctypes.c_uint8 * 64),
        ("lo_crypt_name", ctypes.c_uint8 * 64),
        ("lo_encrypt_key", ctypes.c_uint8 * 32),
        ("lo_init", ctypes.c_uint64 * 2),
    ]

    @property
    def autoclear(self) -> bool:
        return bool(self.lo_flags & Loop.LO_FLAGS_AUTOCLEAR)

    def is_bound_to(self, info: os.stat_result) -> bool:
        """Whether the backing file is the one that `info` describes."""
        return bool(self.lo_device == info.st_dev and self.lo_inode == info.st_ino)


class _LoopConfig(ctypes.Structure):
    """struct loop_config of <linux/loop.h>."""

    _fields_: ClassVar = [
        ("fd", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("info", LoopInfo),
        ("reserved", ctypes.c_uint64 * 8),
    ]


class Loop:
    """The loop device `/dev/loop<minor>`, or `loop<minor>` below `dir_fd`, opened.

    Raises UnexpectedDevice if that is something else; the methods raise OSError.
    """

    LOOP_MAJOR = 7

    LO_FLAGS_READ_ONLY = 1
    LO_FLAGS_AUTOCLEAR = 4
    LO_FLAGS_PARTSCAN = 8
    LO_FLAGS_DIRECT_IO = 16

    LOOP_SET_FD = 0x4C00
    LOOP_CLR_FD = 0x4C01
    LOOP_SET_STATUS64 = 0x4C04
    LOOP_GET_STATUS64 = 0x4C05
    LOOP_CHANGE_FD = 0x4C06
    LOOP_SET_CAPACITY = 0x4C07
    LOOP_SET_DIRECT_IO = 0x4C08
    LOOP_SET_BLOCK_SIZE = 0x4C09
    LOOP_CONFIGURE = 0x4C0A

    def __init__(self, minor: int, dir_fd: int | None = None) -> None:
        self.devname = f"loop{minor}"
        self.minor = minor
        self.on_close: Callable[[Loop], Any] | None = None
        self.fd = -1
        with contextlib.ExitStack() as stack:
            if dir_fd is None:
                dir_fd = os.open("/dev", os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, dir_fd)
            self.fd = os.open(self.devname, os.O_RDWR | os.O_CLOEXEC, dir_fd=dir_fd)
        info = os.fstat(self.fd)
        if not stat.S_ISBLK(info.st_mode) or info.st_rdev != os.makedev(self.LOOP_MAJOR, minor):
            self.close()
            raise UnexpectedDevice(minor, info.st_rdev, info.st_mode)

    def __del__(self) -> None:
        # The attribute is missing if the constructor got nowhere.
        if getattr(self, "fd", -1) >= 0:
            self.close()

    def close(self) -> None:
        """Close the device, after telling `on_close`. May be called again."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        callback, self.on_close = self.on_close, None
        try:
            if callback is not None:
                self.fd = fd
                try:
                    callback(self)
                finally:
                    self.fd = -1
        finally:
            os.close(fd)
            self.devname = "<closed>"

    def flock(self, op: int) -> None:
        """flock(2) on the device; udev leaves a locked device alone."""
        fcntl.flock(self.fd, op)

    def flush_buf(self) -> None:
        """Write out and forget the device's buffers."""
        linux.ioctl_blockdev_flushbuf(self.fd)

    def set_fd(self, fd: int) -> None:
        fcntl.ioctl(self.fd, self.LOOP_SET_FD, fd)

    def change_fd(self, fd: int) -> None:
        fcntl.ioctl(self.fd, self.LOOP_CHANGE_FD, fd)

    def clear_fd(self) -> None:
        fcntl.ioctl(self.fd, self.LOOP_CLR_FD)

    def clear_fd_wait(self, fd: int, timeout: float, wait: float = 0.1) -> None:
        """Unbind from the file `fd` and wait until that has happened: others may have the device open.

        TimeoutError after `timeout` seconds; looks every `wait` seconds.
        """
        backing = os.fstat(fd)
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.clear_fd()
            except OSError as e:
                if e.errno not in (errno.ENXIO, errno.EBUSY):
                    raise
            try:
                if not self.get_status().is_bound_to(backing):
                    return
            except OSError as e:
                if e.errno != errno.ENXIO:
                    raise
                return
            if time.monotonic() > deadline:
                raise TimeoutError("waiting for loop device timed out")
            time.sleep(wait)

    def is_bound_to(self, fd: int) -> bool:
        """Whether the backing file is `fd`."""
        try:
            return self.get_status().is_bound_to(os.fstat(fd))
        except OSError as e:
            if e.errno == errno.ENXIO:
                return False
            raise

    def get_status(self) -> LoopInfo:
        """OSError ENXIO if the device is not bound."""
        info = LoopInfo()
        fcntl.ioctl(self.fd, self.LOOP_GET_STATUS64, info)
        return info

    def set_status(
        self,
        offset: int | None = None,
        sizelimit: int | None = None,
        autoclear: bool | None = None,
        partscan: bool | None = None,
        read_only: bool | None = None,
    ) -> None:
        """Change what is given of a bound device: bytes, and flags to set or clear."""
        info = self.get_status()
        self._apply(info, offset, sizelimit, autoclear, partscan, read_only)
        fcntl.ioctl(self.fd, self.LOOP_SET_STATUS64, info)

    def _apply(
        self,
        info: LoopInfo,
        offset: int | None,
        sizelimit: int | None,
        autoclear: bool | None,
        partscan: bool | None,
        read_only: bool | None,
    ) -> None:
        if offset:
            info.lo_offset = offset
        if sizelimit:
            info.lo_sizelimit = sizelimit
        for flag, value in (
            (self.LO_FLAGS_AUTOCLEAR, autoclear),
            (self.LO_FLAGS_PARTSCAN, partscan),
            (self.LO_FLAGS_READ_ONLY, read_only),
        ):
            if value is not None:
                info.lo_flags = info.lo_flags | flag if value else info.lo_flags & ~flag

    def configure(
        self,
        fd: int,
        offset: int | None = None,
        sizelimit: int | None = None,
        blocksize: int = 0,
        autoclear: bool | None = None,
        partscan: bool | None = None,
        read_only: bool | None = None,
    ) -> None:
        """Bind to the file `fd` with everything set in one step; sizes in bytes.

        A kernel before 5.8 takes two steps, and has no block size then.
        """
        config = _LoopConfig()
        config.fd = fd
        config.block_size = blocksize or 0
        self._apply(config.info, offset, sizelimit, autoclear, partscan, read_only)
        try:
            fcntl.ioctl(self.fd, self.LOOP_CONFIGURE, config)
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            self.set_fd(fd)
            self.set_status(
                offset=offset, sizelimit=sizelimit, autoclear=autoclear, partscan=partscan, read_only=read_only
            )

    def set_direct_io(self, dio: bool = True) -> None:
        fcntl.ioctl(self.fd, self.LOOP_SET_DIRECT_IO, 1 if dio else 0)

    def mknod(self, dir_fd: int, mode: int = 0o600) -> None:
        """Give the device a name in the directory `dir_fd`. FileExistsError if that is taken."""
        host_node = f"/dev/{self.devname}"
        if os.path.exists(host_node):
            # The host's node rather than one of our own: where nodes are not allowed, a bind still is.
            os.close(os.open(self.devname, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=dir_fd))
            try:
                subprocess.run(["mount", "--bind", host_node, self.devname], cwd=f"/proc/self/fd/{dir_fd}/", check=True)
                return
            except subprocess.CalledProcessError as e:
                print(f"cannot bind {host_node}, making a node: {e}")
                os.unlink(self.devname, dir_fd=dir_fd)
        os.mknod(
            self.devname, (stat.S_IMODE(mode) | stat.S_IFBLK), os.makedev(self.LOOP_MAJOR, self.minor), dir_fd=dir_fd
        )


class LoopControl:
    """`/dev/loop-control`, or `loop-control` below `dir_fd`. OSError."""

    LOOP_CTL_ADD = 0x4C80
    LOOP_CTL_REMOVE = 0x4C81
    LOOP_CTL_GET_FREE = 0x4C82

    def __init__(self, dir_fd: int | None = None) -> None:
        self.fd = -1
        with contextlib.ExitStack() as stack:
            if dir_fd is None:
                dir_fd = os.open("/dev", os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, dir_fd)
            self.fd = os.open("loop-control", os.O_RDWR | os.O_CLOEXEC, dir_fd=dir_fd)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """May be called again; everything else raises RuntimeError afterwards."""
        fd, self.fd = getattr(self, "fd", -1), -1
        if fd >= 0:
            os.close(fd)

    def _ioctl(self, request: int, arg: int = 0) -> int:
        if self.fd < 0:
            raise RuntimeError("LoopControl closed")
        return fcntl.ioctl(self.fd, request, arg)

    def add(self, minor: int = -1) -> int:
        """Make loop device `minor`, or any; returns its number."""
        return self._ioctl(self.LOOP_CTL_ADD, minor)

    def remove(self, minor: int = -1) -> None:
        self._ioctl(self.LOOP_CTL_REMOVE, minor)

    def get_unbound(self) -> int:
        """The number of a free loop device; somebody else may be given the same."""
        return self._ioctl(self.LOOP_CTL_GET_FREE)

    def loop_for_fd(
        self, fd: int, lock: bool = False, setup: Callable[[Loop], Any] | None = None, **kwargs: Any
    ) -> Loop:
        """A loop device bound to the file `fd` as `Loop.configure` does with `kwargs`.

        `setup` is called with each candidate before it is bound; `lock` holds an exclusive flock on it.
        ValueError for no descriptor, OSError.
        """
        if fd < 0:
            raise ValueError(f"Invalid file descriptor '{fd}'")
        if self.fd < 0:
            raise RuntimeError("LoopControl closed")
        while True:
            loop = Loop(self.get_unbound())
            try:
                if callable(setup):
                    setup(loop)
                if lock:
                    try:
                        loop.flock(fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        loop.close()
                        continue
                try:
                    loop.configure(fd, **kwargs)
                except BlockingIOError:
                    # The kernel bound it but could not set it up: pages of an earlier use are in the way.
                    with contextlib.suppress(OSError):
                        loop.clear_fd()
                    loop.close()
                    continue
                except OSError as e:
                    if e.errno != errno.EBUSY:
                        raise
                    # Somebody else was given the same free one.
                    loop.close()
                    continue
            except BaseException:
                loop.close()
                raise
            return loop
