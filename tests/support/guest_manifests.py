# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of tiny trees that are written to devices of the kernel, and read back from them into the pipeline `tree`.

Their stages run with the guest's own programs: no build pipeline.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

Item = dict[str, Any]
DISK = "disk.img"
UUID = "0f3a3b9e-4d0c-4b6e-9b0e-00000000000{}"
PASSPHRASE, KEY = "while building", b"the user's own\n"
PBKDF = {"method": "argon2id", "memory": 32768, "iterations": 4, "parallelism": 1}
GPT_ESP, GPT_LINUX = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


def stage(name: str, options: Item | None = None, devices: Item | None = None, mounts: list[Item] | None = None, **more: Any) -> Item:
    found: Item = {"type": f"org.osbuild.{name}", **more}
    found |= {key: value for key, value in (("options", options), ("devices", devices), ("mounts", mounts)) if value is not None}
    return found


def loop(start: int = 0, mib: int = 0, **more: Any) -> Item:
    """A loop device; *start* and *mib* in MiB, 0 for all of the file."""
    part = {"start": start * 2048, "size": mib * 2048} if mib else {}
    return {"type": "org.osbuild.loopback", "options": {"filename": DISK, **part, **more}}


def volume(name: str, parent: str, **more: Any) -> Item:
    return {"type": "org.osbuild.lvm2.lv", "parent": parent, "options": {"volume": name, **more}}


def luks(parent: str, passphrase: str = PASSPHRASE) -> Item:
    return {"type": "org.osbuild.luks2", "parent": parent, "options": {"passphrase": passphrase}}


def mount(filesystem: str, source: str, target: str = "/", **more: Any) -> Item:
    name = "root" if target == "/" else target.strip("/").replace("/", "-")
    return {"name": name, "type": f"org.osbuild.{filesystem}", "source": source, "target": target, **more}


def pipeline_input(name: str) -> Item:
    return {"tree": {"type": "org.osbuild.tree", "origin": "org.osbuild.pipeline", "references": [f"name:{name}"]}}


def inline(name: str, content: bytes) -> tuple[Item, Item]:
    """An input with one file, and what the manifest needs for it."""
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    item = {"encoding": "base64", "data": base64.b64encode(content).decode()}
    return (
        {name: {"type": "org.osbuild.files", "origin": "org.osbuild.source", "references": [checksum]}},
        {"sources": {"org.osbuild.inline": {"items": {checksum: item}}}},
    )


def truncate(mib: int) -> Item:
    return stage("truncate", {"filename": DISK, "size": f"{mib}M"})


def write(devices: Item, mounts: list[Item]) -> Item:
    """Copy the tiny tree to what is mounted."""
    paths = [{"from": "input://tree/", "to": "mount://root/"}]
    return stage("copy", {"paths": paths}, devices, mounts, inputs=pipeline_input("source"))


def whole(image: list[Item], devices: Item, mounts: list[Item], extra: Item | None = None) -> Item:
    """A manifest: the tiny tree, the disk *image*, and `tree` with the disk and, at /out, what *devices* and *mounts* show of it."""
    paths = [{"path": "/etc"}, {"path": "/data", "mode": 0o700}, {"path": "/boot"}, {"path": "/efi"}]
    source = [stage("mkdir", {"paths": [*paths, {"path": "/data/below"}]}), stage("hostname", {"hostname": "tiny"})]
    back = [
        stage("copy", {"paths": [{"from": f"input://tree/{DISK}", "to": f"tree:///{DISK}"}]}, inputs=pipeline_input("image")),
        stage("mkdir", {"paths": [{"path": "/out"}]}),
        stage("copy", {"paths": [{"from": "mount://root/", "to": "tree:///out/"}]}, devices, mounts),
    ]
    names = {"source": source, "image": image, "tree": back}
    # The runner that prepares nothing: what Debian's does before each stage takes an emulated processor half a minute.
    pipelines = [{"name": name, "runner": "org.osbuild.linux", "stages": stages} for name, stages in names.items()]
    return {"version": "2", "pipelines": pipelines, **(extra or {})}


def group(volumes: list[Item], devices: Item, name: str) -> list[Item]:
    metadata = {"vg_name": name, "creation_host": "builder", "creation_time": "1700000000", "description": "by a test"}
    return [stage("lvm2.create", {"volumes": volumes}, devices), stage("lvm2.metadata", metadata, devices)]


def lvm() -> Item:
    """Two volumes of one group, in whose names the device mapper doubles the dashes."""
    disk = {"device": loop()}
    devices = {"pv": loop(), "root": volume("root-lv", "pv"), "data": volume("data", "pv")}
    mounts = [mount("ext4", "root"), mount("xfs", "data", "/data")]
    image = [
        truncate(512),
        *group([{"name": "root-lv", "size": "64M"}, {"name": "data", "extents": "100%FREE"}], disk, "tiny-vg"),
        stage("mkfs.ext4", {"uuid": UUID.format(1)}, {"pv": loop(), "device": volume("root-lv", "pv")}),
        stage("mkfs.xfs", {"uuid": UUID.format(2)}, {"pv": loop(), "device": volume("data", "pv")}),
        write(devices, mounts),
    ]
    return whole(image, devices, mounts)


def table(*parts: tuple[int, int, str]) -> Item:
    """A GPT; parts are (start, size, type), both in MiB."""
    partitions = [{"start": start * 2048, "size": size * 2048, "type": kind, "uuid": UUID.format(5 + number)}
                  for number, (start, size, kind) in enumerate(parts)]  # fmt: skip
    return stage("sfdisk", {"label": "gpt", "uuid": UUID.format(0), "partitions": partitions}, {"device": loop()})


def lvm_partition() -> Item:
    """The group lies on the second partition of a device whose partitions the kernel reads."""
    devices = {"disk": loop(partscan=True), "root": volume("root", "disk", vg_partnum=2)}
    mounts = [mount("ext4", "root")]
    image = [
        truncate(160),
        table((1, 16, GPT_LINUX), (32, 100, GPT_LINUX)),
        *group([{"name": "root", "size": "64M"}], {"device": loop(32, 100)}, "partvg"),
        stage("mkfs.ext4", {"uuid": UUID.format(1)}, {"disk": loop(partscan=True), "device": volume("root", "disk", vg_partnum=2)}),
        write(devices, mounts),
    ]
    return whole(image, devices, mounts)


def format_luks(devices: Item) -> Item:
    options = {"passphrase": PASSPHRASE, "uuid": UUID.format(3), "label": "secret", "pbkdf": PBKDF}
    return stage("luks2.format", options, devices)


def encrypted() -> Item:
    """A container that the user's key alone opens in the end."""
    outer = {"outer": loop()}
    inner = {**outer, "device": luks("outer")}
    mounts = [mount("ext4", "device")]
    key, extra = inline("key", KEY)
    image = [
        truncate(96),
        format_luks({"device": loop()}),
        stage("mkfs.ext4", {"uuid": UUID.format(1)}, inner),
        write(inner, mounts),
        stage("debian.luks-key", {"passphrase": PASSPHRASE, "pbkdf": PBKDF}, {"device": loop()}, inputs=key),
    ]
    return whole(image, {"outer": loop(), "device": luks("outer", KEY.decode().strip())}, mounts, extra)


def encrypted_group() -> Item:
    """Volumes in a container."""
    inner = {"outer": loop(), "device": luks("outer")}
    devices = {"outer": loop(), "pv": luks("outer"), "root": volume("root", "pv"), "data": volume("data", "pv")}
    mounts = [mount("ext4", "root"), mount("ext4", "data", "/data")]
    image = [
        truncate(192),
        format_luks({"device": loop()}),
        *group([{"name": "root", "size": "64M"}, {"name": "data", "size": "64M"}], inner, "inner"),
        *(stage("mkfs.ext4", {"uuid": UUID.format(number)}, {"outer": loop(), "pv": luks("outer"), "device": volume(name, "pv")})
          for number, name in enumerate(("root", "data"), 1)),
        write(devices, mounts),
    ]  # fmt: skip
    return whole(image, devices, mounts)


def encrypted_btrfs() -> Item:
    """Subvolumes in a container, each mounted for itself."""
    inner = {"outer": loop(), "device": luks("outer")}
    mounts = [mount("btrfs", "device", options={"subvol": "@"}), mount("btrfs", "device", "/data", options={"subvol": "@data"})]
    image = [
        truncate(256),
        format_luks({"device": loop()}),
        stage("mkfs.btrfs", {"uuid": UUID.format(1)}, inner),
        stage("btrfs.subvol", {"subvolumes": [{"name": "/@"}, {"name": "/@data"}]}, inner, [mount("btrfs", "device")]),
        write(inner, mounts),
    ]
    return whole(image, inner, mounts)


ESP_AND_ROOT = table((1, 40, GPT_ESP), (48, 80, GPT_LINUX))


def partitions() -> Item:
    """File systems on partitions of one device, named by number."""
    disk = {"disk": loop(partscan=True)}
    mounts = [mount("ext4", "disk", partition=2), mount("fat", "disk", "/efi", partition=1)]
    image = [
        truncate(136),
        ESP_AND_ROOT,
        stage("mkfs.fat", {"volid": "12345678"}, {"device": loop(1, 40)}),
        stage("mkfs.ext4", {"uuid": UUID.format(1)}, {"device": loop(48, 80)}),
        write(disk, mounts),
    ]
    return whole(image, disk, mounts)


def systemd_boot() -> Item:
    """bootctl installs to an EFI system partition that is mounted, with none of its checks relaxed."""
    found = partitions()
    disk = {"disk": loop(partscan=True)}
    mounts = [mount("ext4", "disk", partition=2), mount("fat", "disk", "/efi", partition=1)]
    release, extra = inline("release", b"ID=tiny\n")
    (checksum,) = release["release"]["references"]
    system = {"from": f"input://release/{checksum}", "to": "mount://root/etc/os-release"}
    found["pipelines"][1]["stages"] += [
        stage("copy", {"paths": [system]}, disk, mounts, inputs=release),
        stage("bootctl.install.root", {"root": "mount://root/", "random-seed": "no"}, disk, mounts),
    ]
    return {**found, **extra}


def failing() -> Item:
    """Fails in the middle, with all that there is in use."""
    found = encrypted_group()
    found["pipelines"][1]["stages"][-1]["options"]["paths"][0]["from"] = "input://tree/missing"
    return found


def verity() -> Item:
    """A file system and its hashes."""
    devices = {"data_device": loop(1, 16), "hash_device": loop(20, 4)}
    image = [
        truncate(32),
        stage("mkfs.ext4", {"uuid": UUID.format(1)}, {"device": loop(1, 16)}),
        write({"root": loop(1, 16)}, [mount("ext4", "root")]),
        stage("dmverity", {"root_hash_file": "root.hash"}, devices),
    ]
    found = whole(image, {"root": loop(1, 16)}, [mount("ext4", "root", options={"readonly": True, "norecovery": True})])
    root_hash = {"paths": [{"from": "input://tree/root.hash", "to": "tree:///root.hash"}]}
    found["pipelines"][2]["stages"].append(stage("copy", root_hash, inputs=pipeline_input("image")))
    return found


GOOD = {
    "lvm": lvm,
    "lvm-partition": lvm_partition,
    "encrypted": encrypted,
    "encrypted-group": encrypted_group,
    "encrypted-btrfs": encrypted_btrfs,
    "partitions": partitions,
    "systemd-boot": systemd_boot,
    "verity": verity,
}
ALL = {**GOOD, "failing": failing}
# What of the tiny tree has the mode of a file system of its own.
MOUNTED_APART = ("lvm", "encrypted-group", "encrypted-btrfs")

# The device mapper checks each block of the file system against the hashes; run where the results of `verity` lie.
OPEN_VERITY = f"""
set -eu
cd ../verity/out/tree
data=$(losetup --show -f -r -o 1M --sizelimit 16M {DISK})
hashes=$(losetup --show -f -r -o 20M --sizelimit 4M {DISK})
veritysetup open "$data" tiny "$hashes" "$(cat root.hash)"
mkdir -p /run/tiny
mount -o ro /dev/mapper/tiny /run/tiny
cat /run/tiny/etc/hostname
umount /run/tiny
veritysetup close tiny
losetup -d "$data" "$hashes"
"""
