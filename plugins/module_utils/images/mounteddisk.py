# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""File systems on devices of the build host's kernel: what volume groups, LUKS and btrfs subvolumes take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..blueprint import Encryption
from ..manifest import CurlItem, Device, Manifest, Stage, files_input, tree_input
from ..manifest import Mount as StageMount
from .definition import Definition
from .layout import SECTOR, Layout, Mount, Partition

# Unlocks the container only while the image is made: the last stage replaces it by the user's key. It is no secret,
# since before that there is nothing in the image that is not in the manifest as well.
_BUILD_PASSPHRASE = "unlocked while building"
_TREE = "tree"
# What is known to everyone is not worth a costly derivation, which each stage that opens the container would pay for.
_BUILD_PBKDF = {"method": "pbkdf2", "iterations": 1000}
# Argon2id as cryptsetup(8) would choose on a small machine; measured values would differ from build to build.
_PBKDF = {"method": "argon2id", "memory": 524288, "iterations": 4, "parallelism": 2}


def _loop(partition: Partition, filename: str) -> Device:
    options = {"filename": filename, "start": partition.first_sector, "size": partition.sectors, "sector-size": SECTOR}
    return Device("org.osbuild.loopback", {**options, "lock": True})


def _chain(partition: Partition, filename: str, name: str) -> dict[str, Device]:
    """Devices down to what holds the content, the last of them called *name*."""
    if not partition.luks:
        return {name: _loop(partition, filename)}
    outer = f"{name}-partition"
    return {
        outer: _loop(partition, filename),
        name: Device("org.osbuild.luks2", {"passphrase": _BUILD_PASSPHRASE}, parent=outer),
    }


def _device(mount: Mount, filename: str, name: str) -> dict[str, Device]:
    if not mount.volume:
        return _chain(mount.partition, filename, name)
    group = f"{name}-group"
    volume = Device("org.osbuild.lvm2.lv", {"volume": mount.volume}, parent=group)
    return {**_chain(mount.partition, filename, group), name: volume}


def _containers(layout: Layout, filename: str) -> Iterator[Stage]:
    for partition in layout.partitions:
        if partition.luks:
            options = {"passphrase": _BUILD_PASSPHRASE, "uuid": partition.luks, "label": "root", "pbkdf": _BUILD_PBKDF}
            yield Stage("org.osbuild.luks2.format", options, devices={"device": _loop(partition, filename)})
        if partition.group:
            volumes = [{"name": one.name, "size": f"{one.size}B"} for one in partition.volumes]
            devices = _chain(partition, filename, "device")
            yield Stage("org.osbuild.lvm2.create", {"volumes": volumes}, devices=devices)
            yield Stage("org.osbuild.lvm2.metadata", {"vg_name": partition.group}, devices=devices)


def _format(mount: Mount, filename: str) -> Stage:
    options: dict[str, Any] = {"uuid": mount.fs_id}
    if mount.label:
        options["label"] = mount.label
    stage = "mkswap" if mount.filesystem == "swap" else f"mkfs.{mount.filesystem}"
    return Stage(f"org.osbuild.{stage}", options, devices=_device(mount, filename, "device"))


def _mounted(layout: Layout, filename: str) -> tuple[dict[str, Device], list[StageMount], list[Mount]]:
    """Devices and mounts of all file systems that take part in the copy, parents first."""
    devices: dict[str, Device] = {}
    mounts: list[StageMount] = []
    found = [one for one in layout.mounts if one.filesystem not in ("swap", "vfat")]
    for number, mount in enumerate(found):
        # Several subvolumes are mounted from one device, several volumes lie in one group.
        shared = next((name for name, one in devices.items() if one == _device(mount, filename, name).get(name)), "")
        name = shared or f"device{number}"
        if not shared:
            parts = _device(mount, filename, name)
            if mount.volume:
                parts = _share_group(devices, parts, name)
            devices |= parts
        options = {"subvol": mount.subvolume} if mount.subvolume else {}
        target = mount.mountpoint
        mounts.append(StageMount(f"mount{number}", f"org.osbuild.{mount.filesystem}", name, target, options=options))
    return devices, mounts, found


def _share_group(devices: dict[str, Device], parts: dict[str, Device], name: str) -> dict[str, Device]:
    """Lets a further volume use the group that is open already: the same loop device cannot be locked twice."""
    group = parts[f"{name}-group"]
    known = next((key for key, one in devices.items() if key.endswith("-group") and one.type == group.type), None)
    if known is None:
        return parts
    return {name: Device(parts[name].type, parts[name].options, parent=known)}


def _subvolumes(layout: Layout, filename: str) -> Iterator[Stage]:
    for partition in layout.partitions:
        if partition.filesystem != "btrfs":
            continue
        # The volume itself, not one of its subvolumes.
        top = Mount("/", "btrfs", partition.fs_id, partition)
        yield Stage(
            "org.osbuild.btrfs.subvol",
            {"subvolumes": [{"name": f"/{one.name}"} for one in partition.volumes]},
            devices=_device(top, filename, "device"),
            mounts=[StageMount("volume", "org.osbuild.btrfs", "device", "/")],
        )


def _key_stage(partition: Partition, encryption: Encryption, filename: str, manifest: Manifest) -> Stage:
    """Lets the user's key, and it alone, open the container; it is read from a file on the build host."""
    manifest.add_curl([CurlItem(encryption.key_checksum, f"file://{encryption.key_file}")])
    return Stage(
        "org.osbuild.debian.luks-key",
        {"passphrase": _BUILD_PASSPHRASE, "pbkdf": _PBKDF},
        inputs={"key": files_input({encryption.key_checksum: {}})},
        devices={"device": _loop(partition, filename)},
    )


def mounted_stages(definition: Definition, layout: Layout, manifest: Manifest, tree: str, filename: str) -> Iterator[Stage]:
    """All file systems of *layout* but FAT, made on devices and filled with the tree of the pipeline *tree*."""
    yield from _containers(layout, filename)
    seen: set[str] = set()
    for mount in layout.mounts:
        if mount.filesystem != "vfat" and mount.fs_id not in seen:
            seen.add(mount.fs_id)
            label = mount.partition.label if mount.subvolume else mount.label
            yield _format(Mount(mount.mountpoint, mount.filesystem, mount.fs_id, mount.partition, mount.volume, label=label), filename)
    yield from _subvolumes(layout, filename)
    devices, mounts, found = _mounted(layout, filename)
    [root] = [one.name for one, mount in zip(mounts, found, strict=True) if mount.mountpoint == "/"]
    yield Stage(
        "org.osbuild.copy",
        {"paths": [{"from": f"input://{_TREE}/", "to": f"mount://{root}/"}]},
        inputs={_TREE: tree_input(tree)},
        devices=devices,
        mounts=mounts,
    )
    encryption = definition.customizations.debian.encryption
    for partition in layout.partitions:
        if partition.luks and encryption is not None:
            yield _key_stage(partition, encryption, filename, manifest)
