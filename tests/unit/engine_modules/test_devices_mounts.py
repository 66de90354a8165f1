# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from osbuild.devices import Device, DeviceManager
from osbuild.mounts import Mount, MountManager

Make = Callable[[str, str], Any]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/loop-control"), reason="needs root, loop devices"),
]


@pytest.fixture
def make(load_program: Callable[[str], Any]) -> Iterator[Make]:
    """Make services; what they hold is released at the end."""
    import socket

    services = []

    def make(program: str, name: str) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            fd = sock.detach()
        service = getattr(load_program(program), name).from_args(["--service-fd", str(fd)])
        services.append(service)
        return service

    yield make
    for service in reversed(services):
        service.stop()


@pytest.fixture
def loopback(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    service = make("devices/org.osbuild.loopback", "LoopbackDevice")
    (tmp_path / "dev").mkdir()
    (tmp_path / "tree").mkdir()
    return service


def disk(tmp_path: Path, size: int = 1 << 20) -> Path:
    file = tmp_path / "tree/disk.img"
    file.write_bytes(b"".join(i.to_bytes(4, "little") * 128 for i in range(size // 512)))
    return file


def open_device(loopback: Any, tmp_path: Path, **options: Any) -> Path:
    options = {key.replace("_", "-"): value for key, value in options.items()}
    reply = loopback.open(str(tmp_path / "dev"), None, str(tmp_path / "tree"), {"filename": "disk.img", **options})
    node = tmp_path / "dev" / reply["path"]
    assert reply["node"] == {"major": 7, "minor": int(reply["path"].removeprefix("loop"))}
    assert stat.S_ISBLK(node.stat().st_mode)
    return node


def backing(node: Path) -> str | None:
    try:
        return Path(f"/sys/block/{node.name}/loop/backing_file").read_text().strip()
    except FileNotFoundError:
        return None


def drop_node(node: Path) -> None:
    if os.path.ismount(node) or f" {node} " in Path("/proc/self/mounts").read_text():
        subprocess.run(["umount", node], check=True)


def test_loopback_shows_the_range_asked_for(loopback: Any, tmp_path: Path) -> None:
    file = disk(tmp_path)
    node = open_device(loopback, tmp_path, start=100, size=10)
    try:
        assert node.read_bytes() == file.read_bytes()[100 * 512 : 110 * 512]
        with open(node, "r+b", buffering=0) as device:
            device.write(b"x" * 512)
        assert backing(node) == str(file)
    finally:
        drop_node(node)
        loopback.close()
    assert backing(node) is None
    assert file.read_bytes()[100 * 512 : 101 * 512] == b"x" * 512
    loopback.close()


def test_loopback_takes_the_rest_of_the_file_by_default(loopback: Any, tmp_path: Path) -> None:
    disk(tmp_path)
    node = open_device(loopback, tmp_path, start=1, sector_size=4096, lock=True)
    try:
        assert int(Path(f"/sys/block/{node.name}/size").read_text()) * 512 == (1 << 20) - 4096
        assert Path(f"/sys/block/{node.name}/queue/logical_block_size").read_text().strip() == "4096"
    finally:
        drop_node(node)


def test_read_only_device_refuses_writing(loopback: Any, tmp_path: Path) -> None:
    disk(tmp_path)
    node = open_device(loopback, tmp_path, read_only=True)
    try:
        assert Path(f"/sys/block/{node.name}/ro").read_text().strip() == "1"
    finally:
        drop_node(node)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"filename": "none.img"}, FileNotFoundError, "none.img"),
        ({"filename": "../outside.img"}, FileNotFoundError, "outside.img"),
        ({"filename": "link.img"}, FileNotFoundError, "hostname"),
        ({"filename": "dir"}, (ValueError, IsADirectoryError), "dir"),
        ({"filename": "disk.img", "start": 99999}, ValueError, "start and size must lie within 'disk.img'"),
        ({"filename": "disk.img", "start": -1}, ValueError, "start and size must lie within 'disk.img'"),
    ],
)
def test_loopback_refuses_what_is_no_part_of_a_file_of_the_tree(
    loopback: Any, tmp_path: Path, options: dict[str, Any], error: Any, message: str
) -> None:
    disk(tmp_path)
    (tmp_path / "outside.img").write_bytes(bytes(4096))
    (tmp_path / "tree/dir").mkdir()
    (tmp_path / "tree/link.img").symlink_to("/etc/hostname")
    with pytest.raises(error, match=message):
        loopback.open(str(tmp_path / "dev"), None, str(tmp_path / "tree"), options)
    assert os.listdir(tmp_path / "dev") == []


FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q"], 8),
    "xfs": (["mkfs.xfs", "-q"], 320),
    "btrfs": (["mkfs.btrfs", "-q"], 128),
}


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_file_system_is_mounted_and_written_out(make: Make, loopback: Any, tmp_path: Path, kind: str) -> None:
    command, size = FILE_SYSTEMS[kind]
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    if not any(line.split()[-1] == kind for line in Path("/proc/filesystems").read_text().splitlines()):
        pytest.skip(f"this kernel has no {kind}")
    with open(tmp_path / "tree/disk.img", "wb") as file:
        file.truncate(size << 20)
    subprocess.run([*command, tmp_path / "tree/disk.img"], check=True, stdout=subprocess.DEVNULL)
    node = open_device(loopback, tmp_path)
    args = {"source": str(node), "target": "/sub/dir", "root": str(tmp_path / "mounts"), "options": {}}
    name = f"{kind.capitalize()}Mount"
    try:
        service = make(f"mounts/org.osbuild.{kind}", name)
        mountpoint = Path(service.mount(args))
        assert mountpoint == tmp_path / "mounts/sub/dir"
        (mountpoint / "file").write_text("content")
        service.umount()
        assert not os.path.ismount(mountpoint)
        service = make(f"mounts/org.osbuild.{kind}", name)
        service.mount({**args, "options": {"readonly": True}})
        assert (mountpoint / "file").read_text() == "content"
        with pytest.raises(OSError, match="Read-only"):
            (mountpoint / "new").touch()
        service.umount()
    finally:
        drop_node(node)


def test_mount_that_fails_says_why(make: Make, tmp_path: Path) -> None:
    service = make("mounts/org.osbuild.ext4", "Ext4Mount")
    args = {"source": "/dev/none", "target": "/", "root": str(tmp_path), "options": {}}
    with pytest.raises(RuntimeError, match=r"special device /dev/none does not exist.*\(code: 32\)"):
        service.mount(args)


@pytest.mark.parametrize(
    ("program", "name", "options", "expected"),
    [
        (
            "fat",
            "FatMount",
            {"uid": 0, "umask": "077", "shortname": "mixed"},
            "-t vfat -o uid=0,umask=077,shortname=mixed",
        ),
        ("btrfs", "BtrfsMount", {"subvol": "root", "compress": "zstd:1"}, "-t btrfs -o subvol=root,compress=zstd:1"),
        ("xfs", "XfsMount", {"readonly": True, "norecovery": True}, "-t xfs -o ro,norecovery -o nouuid"),
        ("squashfs", "SquashfsMount", {}, "-t squashfs"),
        ("erofs", "ErofsMount", {}, "-t erofs"),
    ],
)
def test_options_become_those_of_mount(make: Make, program: str, name: str, options: Any, expected: str) -> None:
    assert make(f"mounts/org.osbuild.{program}", name).translate_options(options) == expected.split()


def test_noop_mount_is_an_empty_directory(make: Make, tmp_path: Path) -> None:
    service = make("mounts/org.osbuild.noop", "NoopMount")
    path = service.mount({"root": str(tmp_path), "target": "/a/b", "source": None, "options": {}})
    assert path == f"{tmp_path}/a/b" and os.listdir(path) == []


def test_bind_shows_mounts_as_the_tree_and_goes_away(make: Make, tmp_path: Path) -> None:
    root, tree = tmp_path / "mounts", tmp_path / "tree"
    (root / "boot/sub").mkdir(parents=True)
    tree.mkdir()
    (tree / "hidden").touch()
    args = {"root": str(root), "tree": str(tree), "target": "tree://", "source": None}
    for source, seen in (("mount://", ["boot"]), ("mount:///boot/", ["sub"]), ("mount:///../../boot", ["sub"])):
        service = make("mounts/org.osbuild.bind", "BindMount")
        assert service.mount({**args, "options": {"source": source}}) is None
        assert os.listdir(tree) == seen
        service.umount()
        service.umount()
        assert os.listdir(tree) == ["hidden"]
    service = make("mounts/org.osbuild.bind", "BindMount")
    with pytest.raises(RuntimeError, match=r"(?s)none.*\(code: 32\)"):
        service.mount({**args, "options": {"source": "mount:///none"}})
    with pytest.raises(ValueError, match="source must begin with 'mount://', found '/etc'"):
        service.mount({**args, "options": {"source": "/etc"}})


def test_mount_point_stays_below_the_mount_root(make: Make, tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "mounts"
    outside.mkdir()
    root.mkdir()
    (root / "boot").symlink_to(outside)
    service = make("mounts/org.osbuild.ext4", "Ext4Mount")
    with pytest.raises(RuntimeError, match="special device /dev/none does not exist"):
        service.mount({"source": "/dev/none", "target": "/boot/efi", "root": str(root), "options": {}})
    assert service.mountpoint.startswith(f"{root}/")
    assert os.listdir(outside) == []


def test_a_partition_is_taken_from_where_its_node_is(tmp_path: Path) -> None:
    """The host's /dev may have the disk alone, as a container's does: the device service made the other node."""
    info = SimpleNamespace(name="org.osbuild.ext4", path="/nowhere")
    disk = Device("disk", info, None, {})  # type: ignore[arg-type]
    devices = DeviceManager(None, tmp_path, tmp_path)  # type: ignore[arg-type]
    devices.devices["disk"] = {"path": "null"}
    sources = [
        MountManager(devices, tmp_path)._source(Mount("root", info, disk, partition, "/", {}))  # type: ignore[arg-type]
        for partition in (None, 2)
    ]
    assert sources == ["/dev/null", f"{tmp_path}/nullp2"]
