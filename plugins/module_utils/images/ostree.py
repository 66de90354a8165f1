# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From the prepared tree to a commit, and from a commit to the root of a disk that boots it.

The commit depends on the blueprint and its packages only: what belongs to one disk (its UUID, the remote) is given to
the deployment, so a disk and the server that updates it agree on the commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..blueprint import OSTree
from ..manifest import PIPELINE, PREFIX, SOURCE, CurlItem, Input, Manifest, OSTreeItem, Stage, files_input, tree_input
from .definition import Definition
from .kernelargs import SERIAL_SPEED, kernel_arguments
from .layout import Layout
from .wishes import root_partition, wanted_partitions

COMMIT = "ostree-commit"
DEPLOYMENT = "deployment"
#: Where :func:`commit_stages` puts the repository in its tree.
REPOSITORY = "/repo"

_SYSROOT = "/ostree/repo"
# A disk unpacks its objects: compressing them well would be time for nothing.
_FAST = 1


def settings(definition: Definition) -> OSTree:
    return definition.customizations.debian.ostree or OSTree()


def commit_ref(definition: Definition) -> str:
    """The ref of the commit; the blueprint's, else ``debian/<release>/<architecture>/<name>``."""
    release = definition.distribution.version_id or definition.distribution.suite
    name = definition.blueprint.name.lstrip("-.") or "image"
    return settings(definition).ref or f"debian/{release}/{definition.architecture.name}/{name}"


def prepare_stages(definition: Definition) -> Iterator[Stage]:
    """The end of the system's tree: the form that it has in a commit."""
    if "initramfs-tools" not in definition.customizations.debian.exclude:
        # The initial ram disk is made where there is no root to look at, so it is told what it has to check.
        root = root_partition(wanted_partitions(definition))
        yield Stage("org.osbuild.debian.initramfs", {"initramfs-tools": {"root-filesystems": [root.fs_type]}})
    options = {}
    if definition.architecture.boot_loader.bios:
        options["serial"] = f"--unit=0 --speed={SERIAL_SPEED}"
    yield Stage("org.osbuild.debian.ostree.generator", options)
    yield Stage("org.osbuild.ostree.preptree", {})


def _input(reference: str, origin: str, ref: str = "") -> Input:
    return Input("org.osbuild.ostree", origin, {reference: {"ref": ref} if ref else {}})


def commit_stages(definition: Definition, manifest: Manifest, tree: str) -> tuple[Stage, ...]:
    """An archive repository with the commit of the pipeline *tree*."""
    wanted, blueprint = settings(definition), definition.blueprint
    options: dict[str, Any] = {"ref": commit_ref(definition), "os_version": blueprint.version}
    options["subject"] = f"{blueprint.name} {blueprint.version}"
    inputs = {"tree": tree_input(tree)}
    if definition.image_type.partitioned:
        options["compression-level"] = _FAST
    if wanted.parent:
        manifest.add_ostree([OSTreeItem(wanted.parent.commit, wanted.parent.url, wanted.parent.gpg_keys)])
        inputs["previous"] = _input(wanted.parent.commit, SOURCE)
    if wanted.sign:
        manifest.add_curl([CurlItem(wanted.sign.gpg_key_checksum, f"file://{wanted.sign.gpg_key_file}")])
        inputs["keys"] = files_input({wanted.sign.gpg_key_checksum: {}})
        gpg = {"key": f"input://keys/{wanted.sign.gpg_key_checksum}"}
        if wanted.sign.gpg_key_id:
            gpg["id"] = wanted.sign.gpg_key_id
        options["sign"] = {"gpg": gpg}
    return (Stage("org.osbuild.ostree.commit", options, inputs=inputs),)


def _config(**values: Any) -> Stage:
    return Stage("org.osbuild.ostree.config", {"repo": _SYSROOT, "config": {"sysroot": values}})


def _remotes(wanted: OSTree) -> Iterator[Stage]:
    remote = wanted.remote
    if remote is None:
        return
    item: dict[str, Any] = {"name": remote.name, "url": remote.url}
    if remote.gpg_keys:
        item["gpgkeys"] = list(remote.gpg_keys)
    if remote.gpg_key_paths:
        item["gpgkeypaths"] = list(remote.gpg_key_paths)
    yield Stage("org.osbuild.ostree.remotes", {"repo": _SYSROOT, "remotes": [item]})


def _in_sysroot(wanted: OSTree, mountpoint: str) -> str:
    """Where a directory of the running system is on its root file system."""
    var = mountpoint == "/var" or mountpoint.startswith("/var/")
    return f"/ostree/deploy/{wanted.osname}{mountpoint}" if var else mountpoint


def sysroot_layout(definition: Definition, layout: Layout) -> Layout:
    """*layout* with the places of a sysroot for mount points: what its file systems are filled from."""
    wanted = settings(definition)
    moved = (replace(one, mountpoint=_in_sysroot(wanted, one.mountpoint)) for one in layout.partitions)
    return replace(layout, partitions=tuple(moved))


def deployment_stages(definition: Definition, layout: Layout, fstab: Stage | None) -> tuple[Stage, ...]:
    """The root of a disk with the commit deployed; *fstab* is what the deployment mounts, None for nothing."""
    wanted, ref = settings(definition), commit_ref(definition)
    which = {"deployment": {"default": True}}
    first: dict[str, Any] = {"bootloader": "none", "bootprefix": layout.boot.mountpoint == "/"}
    if definition.distribution.ostree_readonly_key:
        first["readonly"] = True
    stages = [
        Stage("org.osbuild.ostree.init-fs"),
        Stage("org.osbuild.ostree.os-init", {"osname": wanted.osname}),
        _config(**first),
        *_remotes(wanted),
    ]
    options: dict[str, Any] = {
        "osname": wanted.osname,
        # The deployment is a read-only mount, the file system below it has to be writable.
        "kernel_opts": ["rw", *kernel_arguments(definition).split()],
        "rootfs": {"uuid": layout.root.fs_id},
    }
    if places := [_in_sysroot(wanted, one.mountpoint) for one in layout.mounts if one.mountpoint.startswith("/var")]:
        options["mounts"] = places
    if wanted.remote:
        options["remote"] = wanted.remote.name
    commits = _input(f"{PREFIX}{COMMIT}", PIPELINE, ref)
    stages.append(Stage("org.osbuild.ostree.deploy", options, inputs={"commits": commits}))
    if fstab is not None:
        stages.append(Stage(fstab.type, {**fstab.options, "ostree": which}))
    platforms = list(definition.architecture.boot_loader.platforms)
    stages.append(Stage("org.osbuild.debian.ostree.grub", {**which, "platforms": platforms}))
    # Only now: before, deploying would have called the generator of the build root.
    stages.append(_config(bootloader="grub2"))
    return tuple(stages)
