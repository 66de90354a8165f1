# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The pipeline ``os``: packages unpacked and configured, then the blueprint's wishes, one stage each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..blueprint import User
from ..manifest import Manifest, Stage, files_input
from ..packages import Package, Source
from .definition import Definition
from .initramfs import initramfs_stage
from .kernelargs import SERIAL_SPEED, kernel_arguments
from .kernelinstall import command_line_stage
from .layout import Layout, Mount
from .localisation import keyboard, locale_names
from .system import enabled_units, hostname, system_files, unit_name

# Where the package debian-archive-keyring, which apt depends on, has Debian's keys, and how newer hosts name it.
_DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEBIAN_KEYRINGS = ("", _DEBIAN_KEYRING, "/usr/share/keyrings/debian-archive-keyring.pgp")

# What org.osbuild.debootstrap calls a variant that it need not check.
_VARIANTS = {"minbase": "minbase", "standard": "standard", "buildd": "buildd", "essential": "essential", "none": "custom"}



def debootstrap(definition: Definition, packages: Sequence[Package], variant: str, architecture: str = "") -> Stage:
    """A first system from packages, in an empty tree."""
    references: dict[str, dict[str, Any]] = {}
    for package in packages:
        metadata: dict[str, Any] = {
            "deb.name": package.name,
            "deb.version": package.version,
            "deb.architecture": package.architecture,
        }
        if package.auto:
            metadata["deb.auto"] = True
        references[f"sha256:{package.sha256}"] = metadata
    return Stage(
        "org.osbuild.debootstrap",
        {
            "suite": definition.distribution.suite,
            "architecture": architecture or definition.architecture.name,
            "variant": _VARIANTS[variant],
        },
        inputs={"packages": files_input(references)},
    )


def _apt_source(source: Source, name: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "name": name,
        "uris": list(source.uris),
        "suites": list(source.suites),
        "components": list(source.components),
    }
    if source.architectures:
        result["architectures"] = list(source.architectures)
    if source.signed_by.lstrip().startswith("-----BEGIN"):
        result["key"] = source.signed_by
    elif source.trusted and not source.signed_by:
        result["trusted"] = True
    else:
        result["signed-by"] = _DEBIAN_KEYRING if source.signed_by in _DEBIAN_KEYRINGS else source.signed_by
    return result


def _of_the_host(uri: str) -> bool:
    return uri.startswith(("file:", "copy:", "cdrom:"))


def image_sources(definition: Definition) -> list[Source]:
    """Sources for the image's own apt: the given ones and the blueprint's, without directories of the building host."""
    every = (*definition.sources, *(one for one in definition.customizations.debian.sources))
    result: list[Source] = []
    for source in every:
        uris = tuple(uri for uri in source.uris if not _of_the_host(uri))
        if uris and (kept := replace(source, uris=uris)) not in result:
            result.append(kept)
    return result


def source_warnings(definition: Definition) -> list[str]:
    """What the user should know about the image's apt configuration."""
    result = []
    for source in (*definition.sources, *definition.customizations.debian.sources):
        if any(_of_the_host(uri) for uri in source.uris):
            result.append(f"source {source.label}: is a directory of this host, so the image is not configured with it")
        for keyring in source.signed_by.split(",") if source.signed_by.startswith("/") else ():
            if not keyring.strip().startswith("/usr/share/keyrings/debian-archive-"):
                result.append(
                    f"source {source.label}: the image's apt will look for the keyring {keyring.strip()}; "
                    "give the armoured key itself unless a package brings that file"
                )
    return result


def _apt_config(definition: Definition) -> Iterable[Stage]:
    debian = definition.customizations.debian
    sources = []
    taken: set[str] = set()
    for source in image_sources(definition):
        base = source.name or "-".join(source.suites[:1]) or "source"
        base = "".join(char if char.isalnum() or char in "-_." else "-" for char in base).strip("/-.") or "source"
        name, number = base, 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        sources.append(_apt_source(source, name))
    options: dict[str, Any] = {}
    if sources:
        options["sources"] = sources
    if debian.pins:
        options["pins"] = [
            {"name": "image", "package": pin.package, "pin": pin.pin, "priority": pin.priority} for pin in debian.pins
        ]
    if options:
        yield Stage("org.osbuild.apt.config", options)


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
    for own in system_files(definition):
        item = {"path": own.path, "mode": own.mode, "ensure_parents": True}
        files.append({**item, "source": manifest.add_inline(own.text.encode())})
    for file in wanted.files:
        item = _owned(file.path, file.mode, file.user, file.group)
        files.append({**item, "ensure_parents": True, "source": manifest.add_inline(file.data)})
    options: dict[str, Any] = {}
    if directories:
        options["directories"] = directories
    if files:
        options["files"] = files
    if options:
        inputs = {"files": files_input({item["source"]: {} for item in files})} if files else {}
        yield Stage("org.osbuild.debian.files", options, inputs=inputs)


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


def _fstab(layout: Layout) -> Stage:
    # A verified root is mounted by the initial ram disk, as it is.
    mounts = [one for one in layout.mounts if not (layout.hashes and one.mountpoint == "/")]
    return Stage("org.osbuild.fstab", {"filesystems": [_fstab_entry(one) for one in mounts]})


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
    if layout.boot.mountpoint != "/":
        options["boot-fs-uuid"] = layout.boot.fs_id
    return Stage("org.osbuild.debian.grub", options)


def _wsl(definition: Definition) -> Iterable[Stage]:
    yield Stage("org.osbuild.wsl.conf", {"boot": {"systemd": True}})
    # The first start logs in as the first ordinary user, whom the blueprint may bring.
    yield Stage(
        "org.osbuild.wsl-distribution.conf",
        {"oobe": {"default_uid": 1000, "default_name": definition.blueprint.name}, "shortcut": {"enabled": True}},
    )


def os_stages(
    definition: Definition, manifest: Manifest, packages: Sequence[Package], layout: Layout | None
) -> tuple[Stage, ...]:
    """All stages of the system's tree; *layout* is None for an image without a disk."""
    stages = [debootstrap(definition, packages, definition.customizations.debian.variant)]
    stages += _apt_config(definition)
    stages += _naming(definition)
    stages += _accounts(definition)
    # After the accounts, whose names may own files; before the services, whose units may be among the files.
    stages += _files(definition, manifest, layout)
    stages += _services(definition)
    if definition.image_type.system == "wsl":
        stages += _wsl(definition)
    if definition.image_type.services:
        stages.append(Stage("org.osbuild.machine-id", {"first-boot": "no"}))
    if layout is not None:
        stages.append(_fstab(layout))
        stages += _crypttab(layout)
        stages += initramfs_stage(definition)
        if definition.boot_loader == "grub":
            stages.append(_grub(definition, layout))
        elif not layout.hashes:
            stages.append(command_line_stage(definition, layout))
    return tuple(stages)
