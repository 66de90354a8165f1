# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON values and file descriptors over AF_UNIX sequential-packet sockets.

One packet is one JSON value in UTF-8 (contract 4.8). A value whose text does not fit the
kernel's send buffer travels in a memory file: the packet then holds only
``ARGS_VIA_FD_MARKER`` and the memory file is the first descriptor.
"""

from __future__ import annotations

import array
import contextlib
import errno
import json
import os
import socket
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any

ARGS_VIA_FD_MARKER = b"<args-via-fd>"

# Linux' SCM_MAX_FD: more descriptors on one packet are refused by the kernel.
_MAX_FDS = 253
# Bytes of a value: beyond any manifest, and still within what memory bears.
_MAX_PAYLOAD = 1 << 30
# sizeof(sockaddr_un.sun_path), with the closing NUL.
_SUN_PATH_MAX = 108


def wmem_max() -> int:
    """The largest send buffer a socket may ask for, in bytes (proc(5)); 64000 where it cannot be read."""
    try:
        with open("/proc/sys/net/core/wmem_max", encoding="ascii") as f:
            return int(f.read())
    except (OSError, ValueError):
        return 64000


@contextlib.contextmanager
def memfd(name: str) -> Iterator[int]:
    """An anonymous memory file (memfd_create(2)), closed at the end."""
    fd = os.memfd_create(name)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _short_address(path: str | bytes | os.PathLike[str]) -> Iterator[str]:
    """An address of `path` that fits a sockaddr_un, however long the path is."""
    text = os.fsdecode(path)
    if len(os.fsencode(text)) < _SUN_PATH_MAX:
        yield text
        return
    parent, name = os.path.split(text)
    dir_fd = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{dir_fd}/{name}"
    finally:
        os.close(dir_fd)


class FdSet:
    """File descriptors that came with a packet; whoever holds the set owns them.

    Raises ValueError for anything that is not a non-negative integer.
    """

    def __init__(self, *, rawfds: Iterable[int]) -> None:
        fds = list(rawfds)
        for fd in fds:
            if not isinstance(fd, int) or fd < 0:
                raise ValueError(f"Invalid file descriptor '{fd!r}'")
        self._fds = array.array("i", fds)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self.close()

    def __len__(self) -> int:
        return len(self._fds)

    def __getitem__(self, key: int) -> int:
        fd = self._fds[key]
        if fd < 0:
            raise IndexError(f"File descriptor {key} was taken out of the set")
        return fd

    @classmethod
    def from_list(cls, fds: list[int]) -> FdSet:
        return cls(rawfds=fds)

    def steal(self, key: int) -> int:
        """Take one descriptor out; the caller closes it. IndexError if it is gone already."""
        fd = self[key]
        self._fds[key] = -1
        return fd

    def close(self) -> None:
        """Close all that was not taken out. May be called again."""
        fds, self._fds = self._fds, array.array("i")
        for fd in fds:
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)


class Socket:
    """One end of a JSON connection, or a listening address."""

    def __init__(self, sock: socket.socket, unlink: str | None = None) -> None:
        self._socket: socket.socket | None = sock
        self._unlink = unlink

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _open(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("The socket is closed")
        return self._socket

    @property
    def blocking(self) -> bool:
        # Upstream's getter answers the opposite of its setter; callers were written against that.
        return self._open.gettimeout() is not None

    @blocking.setter
    def blocking(self, value: bool) -> None:
        self._open.setblocking(value)

    @classmethod
    def new_client(cls, connect_to: str | bytes | os.PathLike[str] | None = None) -> Socket:
        """A client with an address of its own, connected to the path `connect_to` if there is one. OSError."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            # An empty name makes the kernel choose one, so that the server sees who asks.
            sock.bind("")
            if connect_to is not None:
                with _short_address(connect_to) as address:
                    sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    @classmethod
    def new_server(cls, bind_to: str | bytes | os.PathLike[str]) -> Socket:
        """A non-blocking server at the path `bind_to`, which is removed on close. OSError if the path exists."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with _short_address(bind_to) as address:
                sock.bind(address)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return cls(sock, os.path.abspath(os.fsdecode(bind_to)))

    @classmethod
    def new_pair(cls, *, blocking: bool = True) -> tuple[Socket, Socket]:
        """Two connected ends."""
        one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.setblocking(blocking)
        two.setblocking(blocking)
        return cls(one), cls(two)

    @classmethod
    def new_from_fd(cls, fd: int, *, blocking: bool = True, close_fd: bool = True) -> Socket:
        """A socket on a duplicate of `fd`; the original is closed unless `close_fd` is false."""
        sock = socket.fromfd(fd, socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.setblocking(blocking)
        if close_fd:
            os.close(fd)
        return cls(sock)

    def fileno(self) -> int:
        return self._open.fileno()

    def close(self) -> None:
        """Close; a server's path goes away too. May be called again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._unlink is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._unlink)
            self._unlink = None

    def accept(self) -> Socket | None:
        """The next client, or None if none waits (non-blocking servers)."""
        try:
            conn, _ignored = self._open.accept()
        except BlockingIOError:
            return None
        return Socket(conn)

    def listen(self, backlog: int = 65536) -> None:
        self._open.listen(backlog)

    def recv(self) -> tuple[Any, FdSet | None, Any]:
        """The next value with its descriptors and sender, or three times None when the peer has closed.

        Raises BufferError for a packet that is cut off or no JSON.
        """
        sock = self._open
        # With MSG_TRUNC the kernel tells the whole length of the packet, whatever the buffer holds.
        size = sock.recv_into(bytearray(1), 1, socket.MSG_PEEK | socket.MSG_TRUNC)
        if size == 0:
            return None, None, None
        fds = array.array("i")
        data, ancillary, flags, address = sock.recvmsg(
            size, socket.CMSG_LEN(_MAX_FDS * fds.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
        fdset = FdSet(rawfds=fds)
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise BufferError("The packet was cut off")
            if data == ARGS_VIA_FD_MARKER and len(fdset) > 0:
                with open(fdset.steal(0), "rb") as f:
                    info = os.fstat(f.fileno())
                    # Reading anything else may never end, and the sender may be a stage.
                    if not stat.S_ISREG(info.st_mode) or info.st_size > _MAX_PAYLOAD:
                        raise BufferError("The packet's content is no file of a bearable size")
                    f.seek(0)
                    data = f.read()
                fdset = FdSet(rawfds=[fdset.steal(i) for i in range(1, len(fdset))])
            payload = json.loads(data)
        except ValueError as e:
            fdset.close()
            raise BufferError(f"The packet is no JSON: {e}") from e
        except BaseException:
            fdset.close()
            raise
        return payload, fdset, address

    def _send_via_fd(self, serialized: bytes, fds: list[int]) -> None:
        with memfd("jsoncomm/payload") as fd:
            with open(fd, "wb", closefd=False) as f:
                f.write(serialized)
            os.lseek(fd, 0, os.SEEK_SET)
            self._send_via_sendmsg(ARGS_VIA_FD_MARKER, [fd, *fds])

    def _send_via_sendmsg(self, serialized: bytes, fds: list[int]) -> None:
        sock = self._open
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        if len(serialized) > 32768:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, min(len(serialized), 2**31 - 1))
        try:
            sock.sendmsg([serialized], ancillary)
        except OSError as e:
            if e.errno == errno.EMSGSIZE:
                raise BufferError(f"A packet of {len(serialized)} bytes is too long to send") from e
            raise

    def send(self, payload: Any, *, fds: list[int] | FdSet | None = None) -> None:
        """Send one value with descriptors; they stay open here. BufferError if it is too long."""
        serialized = json.dumps(payload).encode()
        # A plain list: the array type of an FdSet has no use for callers.
        raw = [fds[i] for i in range(len(fds))] if fds else []
        if len(serialized) > wmem_max():
            self._send_via_fd(serialized, raw)
        else:
            self._send_via_sendmsg(serialized, raw)

    def send_and_recv(self, payload: Any, *, fds: list[int] | FdSet | None = None) -> tuple[Any, FdSet | None, Any]:
        self.send(payload, fds=fds)
        return self.recv()
