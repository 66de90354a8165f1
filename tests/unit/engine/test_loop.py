# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop devices, and how stages get them."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from osbuild import loop, remoteloop
from osbuild.loop import Loop, LoopControl

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="the kernel has no loop devices here"),
]

SIZE = 1024 * 1024


@pytest.fixture
def image(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "image"
    path.write_bytes(b"\0" * SIZE)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    yield fd
    os.close(fd)


def size_of(device: Loop) -> int:
    with open(f"/dev/{device.devname}", "rb") as f:
        return f.seek(0, os.SEEK_END)


def test_bound_as_asked_and_free_afterwards(image: int) -> None:
    control = LoopControl()
    device = control.loop_for_fd(image, offset=4096, sizelimit=SIZE // 2, autoclear=True, read_only=True)
    try:
        status = device.get_status()
        assert status.is_bound_to(os.fstat(image))
        assert device.is_bound_to(image)
        assert (status.lo_offset, status.lo_sizelimit) == (4096, SIZE // 2)
        assert status.autoclear
        assert status.lo_flags & Loop.LO_FLAGS_READ_ONLY
        assert size_of(device) == SIZE // 2
        device.flush_buf()
        device.clear_fd_wait(image, 30)
        assert not device.is_bound_to(image)
    finally:
        device.close()
        control.close()
    control.close()
    assert device.devname == "<closed>"
    with pytest.raises(RuntimeError, match="LoopControl closed"):
        control.get_unbound()


def test_block_size_is_set(image: int) -> None:
    control = LoopControl()
    device = control.loop_for_fd(image, blocksize=4096, autoclear=True)
    try:
        sector = Path(f"/sys/block/{device.devname}/queue/logical_block_size").read_text()
        assert int(sector) == 4096
    finally:
        device.close()
        control.close()


def test_lock_and_callbacks(image: int) -> None:
    control = LoopControl()
    seen: list[str] = []

    def setup(device: Loop) -> None:
        seen.append("setup")
        device.on_close = lambda closing: seen.append(closing.devname)

    device = control.loop_for_fd(image, lock=True, setup=setup, autoclear=True)
    name = device.devname
    with open(f"/dev/{name}", "rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    device.close()
    device.close()
    assert seen == ["setup", name]

    def broken(_ignored: Loop) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        control.loop_for_fd(image, setup=broken, autoclear=True)
    with pytest.raises(ValueError, match="Invalid file descriptor"):
        control.loop_for_fd(-1)
    control.close()


def test_status_can_be_changed_and_unbound_has_none(image: int) -> None:
    control = LoopControl()
    device = control.loop_for_fd(image, 0, autoclear=True)
    try:
        device.set_status(sizelimit=8192, autoclear=False)
        status = device.get_status()
        assert status.lo_sizelimit == 8192
        assert not status.autoclear
        device.clear_fd_wait(image, 30)
        with pytest.raises(OSError, match="No such device") as info:
            device.get_status()
        assert info.value.errno == errno.ENXIO
    finally:
        device.close()
        control.close()


def test_what_is_no_loop_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop7").write_text("x")
    dir_fd = os.open(tmp_path, os.O_DIRECTORY)
    try:
        with pytest.raises(loop.UnexpectedDevice) as info:
            Loop(7, dir_fd=dir_fd)
        assert info.value.expected_minor == 7
        with pytest.raises(FileNotFoundError):
            Loop(8, dir_fd=dir_fd)
        with pytest.raises(FileNotFoundError):
            LoopControl(dir_fd=dir_fd)
    finally:
        os.close(dir_fd)


def test_a_stage_gets_loop_devices_from_the_server(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\0" * SIZE)
    with remoteloop.LoopServer(rundir=tmp_path / "run") as server:
        assert server.socket_address is not None
        client = remoteloop.LoopClient(server.socket_address)
        # On this side /dev is the host's, where the node is taken: the answer is an exception.
        with pytest.raises(RuntimeError, match="exception"), client.device(path, sizelimit=4096):
            pass
    backing = [p.read_text().strip() for p in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert str(path) not in backing
