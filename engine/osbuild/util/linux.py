# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""System calls that Python does not offer: mounts, open-file-description locks, inode flags, capabilities."""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from typing import Any, ClassVar

    from .idmaps import IdMaps

__all__ = [
    "IdMaps",
    "Libc",
    "c_timespec",
    "c_timespec_times2",
    "fcntl",
    "fcntl_flock",
    "fcntl_is_contended",
    "ioctl_blockdev_flushbuf",
    "ioctl_get_immutable",
    "ioctl_toggle_immutable",
    "mount",
    "permitted_capabilities",
    "proc_boot_id",
    "umount",
    "unshare_mounts",
]


def __getattr__(name: str) -> Any:
    # Of use to an engine that is not root only, and everything imports this file.
    if name == "IdMaps":
        from .idmaps import IdMaps

        return IdMaps
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# <linux/fs.h>: _IOR('f', 1, long) and _IOW('f', 2, long) in the encoding of asm-generic.
FS_IOC_GETFLAGS = 2 << 30 | struct.calcsize("l") << 16 | 0x6601
FS_IOC_SETFLAGS = 1 << 30 | struct.calcsize("l") << 16 | 0x6602
FS_IMMUTABLE_FL = 0x00000010
BLKFLSBUF = 0x00001261

# <fcntl.h>
F_OFD_GETLK = 36
F_OFD_SETLK = 37
F_OFD_SETLKW = 38

# <sys/mount.h>
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# capabilities(7), by number.
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)


def _check_fd(fd: Any) -> None:
    if not isinstance(fd, int) or fd < 0:
        raise ValueError(f"Invalid file descriptor '{fd!r}'")


def _get_flags(fd: int) -> int:
    _check_fd(fd)
    # The kernel writes an int, though the request's number is made from a long.
    buf = array.array("i", [0, 0])
    fcntl.ioctl(fd, FS_IOC_GETFLAGS, buf, True)
    return buf[0]


def ioctl_get_immutable(fd: int) -> bool:
    """Whether the file is immutable (ioctl_iflags(2)). ValueError for no descriptor, OSError."""
    return bool(_get_flags(fd) & FS_IMMUTABLE_FL)


def ioctl_toggle_immutable(fd: int, set_to: bool) -> None:
    """Make the file immutable or not; needs CAP_LINUX_IMMUTABLE. ValueError for no descriptor, OSError."""
    flags = _get_flags(fd)
    wanted = flags | FS_IMMUTABLE_FL if set_to else flags & ~FS_IMMUTABLE_FL
    if wanted != flags:
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, array.array("i", [wanted, 0]), False)


def ioctl_blockdev_flushbuf(fd: int) -> None:
    """Write out and forget the buffers of a block device. ValueError for no descriptor, OSError."""
    _check_fd(fd)
    fcntl.ioctl(fd, BLKFLSBUF, 0)


def fcntl_flock(fd: int, lock_type: int, wait: bool = False) -> None:
    """Change the open-file-description lock on the whole file (fcntl_locking(2)).

    `lock_type` is F_RDLCK, F_WRLCK or F_UNLCK of `fcntl`. Raises BlockingIOError when somebody else
    holds a lock and `wait` is false, ValueError for a wrong type or descriptor, OSError.
    """
    if lock_type not in (fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK):
        raise ValueError(f"Invalid lock type '{lock_type!r}'")
    _check_fd(fd)
    # struct flock with a 64-bit off_t: type, whence, start, length 0 = to the end, pid 0 as the call demands.
    flock = struct.pack("hhqqi0q", lock_type, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(fd, F_OFD_SETLKW if wait else F_OFD_SETLK, flock)


def fcntl_is_contended(fd: int, lock_type: int) -> bool:
    """Whether `fcntl_flock` would fail because of somebody else's lock; takes none itself. ValueError, OSError."""
    _check_fd(fd)
    flock = struct.pack("hhqqi0q", lock_type, os.SEEK_SET, 0, 0, 0)
    found: int = struct.unpack_from("h", fcntl.fcntl(fd, F_OFD_GETLK, flock))[0]
    return found != fcntl.F_UNLCK


def proc_boot_id(appid: str) -> uuid.UUID:
    """An id of this boot for the application `appid`, from which the boot id cannot be told (contract 6.11)."""
    # Only the opening of a store needs these, and they are slow to load.
    import hashlib
    import hmac
    import uuid

    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        boot_id = f.read().strip()
    raw = bytearray(hmac.digest(boot_id.encode(), appid.encode(), hashlib.sha256)[:16])
    raw[6] = (raw[6] & 0x0F) | 0x40
    # Not a mistake here: stores in the field carry ids in which byte 8 derives from byte 6.
    raw[8] = (raw[6] & 0x3F) | 0x80
    return uuid.UUID(bytes=bytes(raw))


def permitted_capabilities() -> set[str]:
    """Names of the capabilities in this thread's permitted set (proc(5), `CapPrm`)."""
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("CapPrm:"):
                bits = int(line.split()[1], 16)
                return {name for number, name in enumerate(CAPABILITIES) if bits >> number & 1}
    return set()


class c_timespec(ctypes.Structure):
    """struct timespec."""

    _fields_: ClassVar = [("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long)]


class c_timespec_times2(ctypes.Structure):
    """The two times of futimens(2)."""

    _fields_: ClassVar = [("atime", c_timespec), ("mtime", c_timespec)]


class Libc:
    """Functions of the C library; each raises OSError with errno when it fails."""

    AT_FDCWD = -100
    RENAME_NOREPLACE = 1
    RENAME_EXCHANGE = 2
    RENAME_WHITEOUT = 4
    CLONE_NEWNS = 0x00020000
    CLONE_NEWUSER = 0x10000000
    UTIME_NOW = (1 << 30) - 1
    UTIME_OMIT = (1 << 30) - 2

    _default: ClassVar[Libc | None] = None

    def __init__(self, lib: ctypes.CDLL) -> None:
        self._lib = lib

        def bind(name: str, argtypes: list[Any], paramflags: tuple[Any, ...]) -> Any:
            proto = ctypes.CFUNCTYPE(ctypes.c_int, *argtypes, use_errno=True)
            function: Any = proto((name, lib), paramflags)
            function.errcheck = _raise_errno
            return function

        self.renameat2 = bind(
            "renameat2",
            [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint],
            (
                (1, "olddirfd", self.AT_FDCWD),
                (1, "oldpath"),
                (1, "newdirfd", self.AT_FDCWD),
                (1, "newpath"),
                (1, "flags", 0),
            ),
        )
        self.futimens = bind(
            "futimens", [ctypes.c_int, ctypes.POINTER(c_timespec_times2)], ((1, "fd"), (1, "timespec"))
        )
        self._memfd_create = bind("memfd_create", [ctypes.c_char_p, ctypes.c_uint], ((1, "name"), (1, "flags", 0)))
        self.prctl = bind(
            "prctl",
            [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong],
            ((1, "option"), (1, "arg2", 0), (1, "arg3", 0), (1, "arg4", 0), (1, "arg5", 0)),
        )
        self.unshare = bind("unshare", [ctypes.c_int], ((1, "flags"),))
        self.setns = bind("setns", [ctypes.c_int, ctypes.c_int], ((1, "fd"), (1, "nstype", 0)))
        self.mount = bind(
            "mount",
            [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p],
            ((1, "source"), (1, "target"), (1, "fstype", None), (1, "flags", 0), (1, "data", None)),
        )
        self.umount2 = bind("umount2", [ctypes.c_char_p, ctypes.c_int], ((1, "target"), (1, "flags", 0)))

    def memfd_create(self, name: str, flags: int = 0) -> int:
        fd: int = self._memfd_create(name.encode(), flags)
        return fd

    @classmethod
    def make(cls) -> Libc:
        """A new instance bound to the C library this process runs with."""
        return cls(ctypes.CDLL(None, use_errno=True))

    @classmethod
    def default(cls) -> Libc:
        """The instance all share."""
        if cls._default is None:
            cls._default = cls.make()
        return cls._default


def _raise_errno(result: int, _function: Any, args: Any) -> int:
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return result


def mount(
    source: str | os.PathLike[str] | None,
    target: str | os.PathLike[str],
    fstype: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    """mount(2). OSError naming the target."""
    try:
        Libc.default().mount(
            None if source is None else os.fsencode(source),
            os.fsencode(target),
            None if fstype is None else fstype.encode(),
            flags,
            None if data is None else data.encode(),
        )
    except OSError as e:
        raise OSError(e.errno, e.strerror, os.fspath(target)) from None


def umount(target: str | os.PathLike[str], flags: int = 0) -> None:
    """umount2(2). OSError naming the target."""
    try:
        Libc.default().umount2(os.fsencode(target), flags)
    except OSError as e:
        raise OSError(e.errno, e.strerror, os.fspath(target)) from None


def bind_mount(source: str | os.PathLike[str], target: str | os.PathLike[str], *, read_only: bool = True) -> None:
    """Mount `source` on `target`, private and without what is mounted below `source`. OSError."""
    mount(source, target, None, MS_BIND)
    try:
        mount(None, target, None, MS_PRIVATE)
        if read_only:
            # A bind takes no other flag in the same call (mount(2)).
            mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    except OSError:
        umount(target, MNT_DETACH)
        raise


def unshare_mounts() -> bool:
    """Give this thread and all it starts a mount namespace of their own; False if that is not permitted.

    Whatever is mounted from then on vanishes with the last process in it, even after SIGKILL. What
    the host mounts or unmounts meanwhile still arrives. To be called before threads are started.
    """
    try:
        Libc.default().unshare(Libc.CLONE_NEWNS)
        mount(None, "/", None, MS_REC | MS_SLAVE)
    except OSError:
        return False
    return True


def owns_all_users() -> bool:
    """Whether this process is in no user namespace but the first (user_namespaces(7))."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as f:
            return f.read().split() == ["0", "0", "4294967295"]
    except OSError:
        return False
