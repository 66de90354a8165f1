# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport: JSON values and descriptors over sequential-packet sockets."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path
from unittest.mock import patch

import pytest
from osbuild.util import jsoncomm
from osbuild.util.jsoncomm import FdSet, Socket


def test_values_and_descriptors_arrive() -> None:
    one, two = Socket.new_pair()
    r, w = os.pipe()
    try:
        one.send({"text": "äß\U0001f600", "n": [1, None, 1.5]}, fds=[r])
        payload, fds, _ignored = two.recv()
        assert payload == {"text": "äß\U0001f600", "n": [1, None, 1.5]}
        assert fds is not None
        assert len(fds) == 1
        os.write(w, b"x")
        assert os.read(fds[0], 1) == b"x"
        fds.close()
    finally:
        os.close(r)
        os.close(w)


def test_closed_peer_reads_as_nothing() -> None:
    one, two = Socket.new_pair()
    one.close()
    assert two.recv() == (None, None, None)


def test_value_over_the_kernels_limit_travels_in_a_memory_file() -> None:
    one, two = Socket.new_pair()
    value = {"data": "x" * (jsoncomm.wmem_max() + 1)}
    r, w = os.pipe()
    try:
        one.send(value, fds=[w])
        payload, fds, _ignored = two.recv()
        assert payload == value
        assert fds is not None
        # The memory file itself is not handed out.
        assert len(fds) == 1
        os.write(fds[0], b"y")
        assert os.read(r, 1) == b"y"
        fds.close()
    finally:
        os.close(r)
        os.close(w)


def test_way_of_sending_depends_on_the_length() -> None:
    one, _two = Socket.new_pair()
    limit = len(json.dumps("x" * 100))
    for length, way in ((100, "_send_via_sendmsg"), (101, "_send_via_fd")):
        with patch.object(jsoncomm, "wmem_max", return_value=limit), patch.object(one, way) as sent:
            one.send("x" * length)
            sent.assert_called_once_with(json.dumps("x" * length).encode(), [])


def test_packet_too_long_for_the_socket_is_a_buffer_error() -> None:
    one, _two = Socket.new_pair()
    with pytest.raises(BufferError) as info:
        one._send_via_sendmsg(b"x" * 64 * 1024 * 1024, [])
    assert isinstance(info.value.__cause__, OSError)
    assert info.value.__cause__.errno == errno.EMSGSIZE


def test_no_json_is_a_buffer_error() -> None:
    raw, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with raw, Socket(other) as two:
        raw.send(b"{no json")
        with pytest.raises(BufferError):
            two.recv()


def test_server_removes_its_path(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with Socket.new_server(path) as server:
        server.listen()
        assert server.accept() is None
        with pytest.raises(OSError, match="in use"):
            Socket.new_server(path)
        with Socket.new_client(path) as client:
            conn = server.accept()
            assert conn is not None
            client.send({"a": 1})
            payload, _ignored, address = conn.recv()
            assert payload == {"a": 1}
            # The client has an address of its own, given by the kernel.
            assert address is None or address
            conn.close()
    assert not path.exists()


def test_paths_longer_than_a_socket_address_work(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with Socket.new_server(deep / "sock") as server:
        server.listen()
        with Socket.new_client(deep / "sock") as client:
            conn = server.accept()
            assert conn is not None
            client.send(7)
            assert conn.recv()[0] == 7
            conn.close()
    assert not (deep / "sock").exists()


def test_closed_socket_refuses_work() -> None:
    one, _two = Socket.new_pair()
    one.close()
    for use in (one.accept, one.listen, one.fileno):
        with pytest.raises(RuntimeError):
            use()


def test_fd_set_owns_its_descriptors() -> None:
    r, w = os.pipe()
    fds = FdSet.from_list([r, w])
    assert fds.steal(0) == r
    with pytest.raises(IndexError):
        fds[0]
    fds.close()
    fds.close()
    assert len(fds) == 0
    os.fstat(r)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(w)
    os.close(r)


@pytest.mark.parametrize("raw", [[-1], ["x"], [None]])
def test_fd_set_refuses_what_is_no_descriptor(raw: list[object]) -> None:
    with pytest.raises(ValueError, match="Invalid file descriptor"):
        FdSet(rawfds=raw)  # type: ignore[arg-type]


def test_content_that_cannot_be_read_to_the_end_is_refused() -> None:
    """A stage could send a pipe together with its other end, and reading it would never end."""
    one, two = Socket.new_pair()
    with one, two:
        for fd in (*os.pipe(), os.open("/dev/zero", os.O_RDONLY)):
            one._send_via_sendmsg(b"<args-via-fd>", [fd])
            with pytest.raises(BufferError):
                two.recv()
            os.close(fd)
