# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The pipeline ``os``: packages unpacked and configured, then the blueprint's wishes, one stage each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from ..blueprint import User
from ..containers import ContainerImage
from ..manifest import CurlItem, Manifest, Stage, files_input
from ..packages import Package
from .access import certificate_stages
from .aptconfig import apt_config
from .bootstrap import system_stages
from .containers import container_stages
from .definition import Definition
from .firewall import firewall_stages
from .initramfs import initramfs_stage
from .kernelargs import SERIAL_SPEED, kernel_arguments
from .kernelinstall import command_line_stage
from .layout import Layout, Mount
from .localisation import keyboard, locale_names
from .openscap import scap_check
from .ostree import prepare_stages
from .system import enabled_units, hostname, system_files, unit_name
from .treework import cleanup_stages, network_stages, overlay_stages, script_stages

_FILES = "org.osbuild.debian.files"


def _naming(definition: Definition) -> Iterable[Stage]:
    wanted = definition.customizations
    if name := hostname(definition):
        yield Stage("org.osbuild.hostname", {"hostname": name})
    if wanted.locale.languages:
        yield Stage("org.osbuild.debian.locale", {"languages": locale_names(wanted.locale.languages)})
    if wanted.locale.keyboard:
        layout, variant = keyboard(wanted.locale.keyboard)
        options = {"layout": layout}
        if variant:
            options["variant"] = variant
        yield Stage("org.osbuild.debian.keyboard", options)
    zone = wanted.timezone.timezone or ("UTC" if definition.image_type.services else None)
    if zone:
        yield Stage("org.osbuild.timezone", {"zone": zone})
        if definition.distribution.timezone_file:
            yield Stage("org.osbuild.debian.timezone", {"zone": zone})


def _user(user: User) -> dict[str, Any]:
    result: dict[str, Any] = {}
    existing = user.name == "root"
    if user.home or not existing:
        result["home"] = user.home or f"/home/{user.name}"
    if user.shell or not existing:
        # useradd's own default is /bin/sh, which on Debian is no shell to sit in front of.
        result["shell"] = user.shell or "/bin/bash"
    if user.groups:
        result["groups"] = list(dict.fromkeys("sudo" if name == "wheel" else name for name in user.groups))
    for key in ("description", "password", "key", "uid", "gid", "expiredate"):
        value = getattr(user, key)
        if value is not None:
            result[key] = value
    if user.force_password_reset:
        result["force_password_reset"] = True
    return result


def _accounts(definition: Definition) -> Iterable[Stage]:
    wanted = definition.customizations
    if wanted.groups:
        groups = {one.name: {} if one.gid is None else {"gid": one.gid} for one in wanted.groups}
        # A group that a package made already is what was asked for.
        yield Stage("org.osbuild.groups", {"groups": groups, "force": True})
    if wanted.users:
        yield Stage("org.osbuild.users", {"users": {one.name: _user(one) for one in wanted.users}})


def _owned(path: str, mode: int | None, user: str | int | None, group: str | int | None) -> dict[str, Any]:
    result: dict[str, Any] = {"path": path}
    if mode is not None:
        result["mode"] = f"{mode:04o}"
    if user is not None:
        result["user"] = user
    if group is not None:
        result["group"] = group
    return result


def _files(definition: Definition, manifest: Manifest, layout: Layout | None) -> Iterable[Stage]:
    """All files and directories in one stage; content travels as inline sources."""
    wanted = definition.customizations
    directories: list[dict[str, Any]] = []
    if layout is not None:
        mountpoints = sorted(one.mountpoint for one in layout.partitions if one.mountpoint not in ("", "/"))
        # /tmp keeps the mode it has; a mount point that the packages lack is made.
        directories += [
            {"path": path, "ensure_parents": True, "mode": "1777" if path in ("/tmp", "/var/tmp") else "0755"}
            for path in mountpoints
        ]
    for directory in wanted.directories:
        item = _owned(directory.path, directory.mode, directory.user, directory.group)
        if directory.ensure_parents:
            item["ensure_parents"] = True
        directories.append(item)
    files: list[dict[str, Any]] = []
    for own in system_files(definition, layout):
        item = {"path": own.path, "mode": own.mode, "ensure_parents": True}
        files.append({**item, "source": manifest.add_inline(own.text.encode())})
    for file in wanted.files:
        item = _owned(file.path, file.mode, file.user, file.group)
        source = file.checksum or manifest.add_inline(file.data)
        if file.uri:
            manifest.add_curl([CurlItem(source, file.uri)])
        files.append({**item, "ensure_parents": True, "source": source})
    options: dict[str, Any] = {}
    if directories:
        options["directories"] = directories
    if files:
        options["files"] = files
    if options:
        inputs = {"files": files_input({item["source"]: {} for item in files})} if files else {}
        yield Stage(_FILES, options, inputs=inputs)


def _services(definition: Definition) -> Iterable[Stage]:
    services = definition.customizations.services
    options: dict[str, Any] = {}
    if enabled := enabled_units(definition):
        options["enabled_services"] = enabled
    if services.disabled:
        options["disabled_services"] = [unit_name(name) for name in services.disabled]
    if services.masked:
        options["masked_services"] = [unit_name(name) for name in services.masked]
    if options:
        yield Stage("org.osbuild.systemd", options)


def _fstab_entry(one: Mount) -> dict[str, Any]:
    passno = 0
    uuid = one.fs_id
    if one.filesystem == "swap":
        return {"uuid": uuid, "path": "none", "vfs_type": "swap", "options": "sw", "freq": 0, "passno": 0}
    if one.filesystem == "vfat":
        # The running system needs it only to update the boot loader, which is no reason not to come up.
        uuid, options = f"{uuid[:4]}-{uuid[4:]}", "umask=0077,nofail"
    elif one.mountpoint == "/" and not one.volume and not one.partition.luks:
        options = "x-systemd.growfs"
    else:
        options = "defaults"
    if one.filesystem == "ext4":
        # Others check themselves when they are mounted.
        passno = 1 if one.mountpoint == "/" else 2
        if one.mountpoint == "/":
            options = f"errors=remount-ro,{options}".removesuffix(",defaults")
    if one.subvolume:
        options = f"subvol={one.subvolume},{options}".removesuffix(",defaults")
    return {"uuid": uuid, "path": one.mountpoint, "vfs_type": one.filesystem, "options": options, "freq": 0, "passno": passno}


def fstab(layout: Layout, root: bool = True) -> Stage | None:
    """What the system mounts, with or without its root; None where that is nothing."""
    mounts = [one for one in layout.mounts if root or one.mountpoint != "/"]
    return Stage("org.osbuild.fstab", {"filesystems": [_fstab_entry(one) for one in mounts]}) if mounts else None


def _crypttab(layout: Layout) -> Iterable[Stage]:
    volumes = [
        {"volume": "root", "uuid": one.luks, "keyfile": "none", "options": "luks,discard,initramfs"}
        for one in layout.partitions
        if one.luks
    ]
    if volumes:
        yield Stage("org.osbuild.crypttab", {"volumes": volumes})


def _grub(definition: Definition, layout: Layout) -> Stage:
    boot = definition.architecture.boot_loader
    options: dict[str, Any] = {
        "root-fs-uuid": layout.root.fs_id,
        "kernel-opts": kernel_arguments(definition),
        "platforms": list(boot.platforms),
    }
    if boot.bios:
        options["serial"] = f"--unit=0 --speed={SERIAL_SPEED}"
    if layout.root.subvolume:
        options["root-subvolume"] = layout.root.subvolume
    if layout.boot.mountpoint != "/":
        options["boot-fs-uuid"] = layout.boot.fs_id
        if layout.boot.subvolume:
            options["boot-subvolume"] = layout.boot.subvolume
    return Stage("org.osbuild.debian.grub", options)


def _wsl(definition: Definition) -> Iterable[Stage]:
    yield Stage("org.osbuild.wsl.conf", {"boot": {"systemd": True}})
    # The first start logs in as the first ordinary user, whom the blueprint may bring.
    yield Stage(
        "org.osbuild.wsl-distribution.conf",
        {"oobe": {"default_uid": 1000, "default_name": definition.blueprint.name}, "shortcut": {"enabled": True}},
    )


def os_stages(
    definition: Definition,
    manifest: Manifest,
    packages: Sequence[Package],
    layout: Layout | None,
    containers: Sequence[ContainerImage] = (),
) -> tuple[Stage, ...]:
    """All stages of the system's tree; *layout* is None for an image without a disk.

    A system for OSTree is independent of the disk: what concerns that is given to its deployment.
    """
    if definition.image_type.ostree:
        layout = None
    stages = [*system_stages(definition, packages)]
    stages += apt_config(definition)
    stages += _naming(definition)
    stages += overlay_stages(definition, manifest)
    stages += _accounts(definition)
    stages += _of_the_image(definition, layout)
    # After the accounts, whose names may own files; before the services, whose units may be among the files. Whatever is made
    # before, a file of the blueprint has the last word.
    stages += _files(definition, manifest, layout)
    stages += certificate_stages(definition)
    stages += container_stages(definition, manifest, containers)
    stages += network_stages(definition)
    stages += firewall_stages(definition)
    stages += scap_check(definition)
    stages += _services(definition)
    # What the blueprint runs itself finds everything else in its place.
    stages += script_stages(definition)
    stages += cleanup_stages(definition)
    if definition.image_type.services:
        # Last, for what ran until now may have made one.
        stages.append(Stage("org.osbuild.machine-id", {"first-boot": "no"}))
    if definition.image_type.ostree:
        stages += prepare_stages(definition)
    elif layout is not None:
        stages += _crypttab(layout)
        stages += initramfs_stage(definition)
    return tuple(stages)


def _of_the_image(definition: Definition, layout: Layout | None) -> Iterable[Stage]:
    """What follows from the kind of the image and from its disk, and changes as seldom as these."""
    if definition.image_type.system == "wsl":
        yield from _wsl(definition)
    if layout is None:
        return
    # A verified root is mounted by the initial ram disk, as it is.
    mounts = fstab(layout, root=not layout.hashes)
    if mounts is not None:
        yield mounts
    if definition.boot_loader == "grub":
        yield _grub(definition, layout)
    elif not layout.hashes:
        yield command_line_stage(definition, layout)


def before_files(manifest: Manifest) -> str | None:
    """Type of the last stage before the blueprint's files, which change most often; None if no other stage is of its type."""
    pipelines = [[stage.type for stage in pipeline.stages] for pipeline in manifest.pipelines]
    for types in pipelines:
        for before, after in pairwise(types):
            if after == _FILES and sum(each.count(before) for each in pipelines) == 1:
                return before
    return None
