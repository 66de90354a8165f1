# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""From the system's tree to the file that is asked for: the pipelines after ``os``, one function per kind of output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..manifest import Input, Manifest, Stage, pipeline_file_input, tree_input
from ..packages import Package
from .commitserver import container_config, server_stages
from .definition import Definition
from .disk import RAW, disk_stages
from .iso import iso_pipelines
from .layout import Layout
from .ospipeline import fstab
from .ostree import COMMIT, DEPLOYMENT, commit_stages, deployment_stages, sysroot_layout

#: Name and stages of a pipeline; all are built in the build root.
Pipelines = list[tuple[str, tuple[Stage, ...]]]

_OS = "os"

# Of zstd's levels the one after which the size hardly falls but the time multiplies.
_SQUASHFS_LEVEL = 9


@dataclass(frozen=True)
class Context:
    """What an output is made from; *layout* is None for an image without a disk, *sets* are all resolved packages."""

    definition: Definition
    layout: Layout | None
    manifest: Manifest
    sets: Mapping[str, Sequence[Package]]

    @property
    def filename(self) -> str:
        return self.definition.image_type.filename

    @property
    def export(self) -> str:
        return self.definition.image_type.export

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.definition.image_type.settings

    @property
    def commit(self) -> tuple[str, tuple[Stage, ...]]:
        """The pipeline with the repository."""
        return COMMIT, commit_stages(self.definition, self.manifest, _OS)

    @property
    def disk(self) -> Pipelines:
        """The pipeline ``image``, which holds the disk as a raw file, after those that its content takes."""
        if self.layout is None:
            raise ValueError(f"image type {self.definition.image_type.name} has a disk output but no layout")
        filename = self.filename if self.export == "image" else RAW
        if not self.definition.image_type.ostree:
            return [("image", disk_stages(self.definition, self.layout, self.manifest, _OS, filename))]
        sysroot = sysroot_layout(self.definition, self.layout)
        return [
            self.commit,
            (DEPLOYMENT, deployment_stages(self.definition, self.layout, fstab(self.layout, root=False))),
            ("image", disk_stages(self.definition, sysroot, self.manifest, DEPLOYMENT, filename, boot_files=_OS)),
        ]


def _tar_stage(filename: str, tree: Input, **options: Any) -> Stage:
    """Owners by number, since names are those of the system inside."""
    return Stage("org.osbuild.tar", {"filename": filename, "numeric-owner": True, **options}, inputs={"tree": tree})


def _tar(context: Context) -> Pipelines:
    stage = _tar_stage(context.filename, tree_input(_OS), **{"root-node": "include"}, **context.settings)
    return [(context.export, (stage,))]


def _wsl(context: Context) -> Pipelines:
    # The members' names begin without "./": Windows' own importer is older than tar's habits.
    stage = _tar_stage(context.filename, tree_input(_OS), **{"root-node": "omit"}, **context.settings)
    return [(context.export, (stage,))]


def _directory(_context: Context) -> Pipelines:
    return []


def _squashfs(context: Context) -> Pipelines:
    options = {"filename": context.filename, "compression": {"method": "zstd", "level": _SQUASHFS_LEVEL}}
    return [(context.export, (Stage("org.osbuild.squashfs", options, inputs={"tree": tree_input(_OS)}),))]


def _erofs(context: Context) -> Pipelines:
    # lz4hc is what every kernel and every version of mkfs.erofs knows.
    options = {
        "filename": context.filename,
        "compression": {"method": "lz4hc", "level": 9},
        "uuid": context.definition.uuid("erofs"),
    }
    return [(context.export, (Stage("org.osbuild.erofs", options, inputs={"tree": tree_input(_OS)}),))]


def _oci(context: Context) -> Pipelines:
    blueprint = context.definition.blueprint
    options = {
        "architecture": context.definition.architecture.oci,
        "filename": context.filename,
        "config": {
            "Cmd": ["/bin/bash"],
            "Labels": {"org.opencontainers.image.title": blueprint.name, "org.opencontainers.image.version": blueprint.version},
        },
    }
    if variant := context.definition.architecture.oci_variant:
        options["variant"] = variant
    return [(context.export, (Stage("org.osbuild.oci-archive", options, inputs={"base": tree_input(_OS)}),))]


def _raw(context: Context) -> Pipelines:
    return context.disk


def _converted(context: Context, filename: str) -> Stage:
    options = {"filename": filename, "format": dict(context.settings)}
    return Stage("org.osbuild.qemu", options, inputs={"image": pipeline_file_input("image", RAW)})


def _convert(context: Context) -> Pipelines:
    return [*context.disk, (context.export, (_converted(context, context.filename),))]


def _gce(context: Context) -> Pipelines:
    # Google Compute Engine takes only GNU's old tar format, with the disk under this name and without extensions.
    plain = {"format": "oldgnu", "compression": "gzip", "sparse": True, "acls": False, "selinux": False, "xattrs": False}
    stage = _tar_stage(context.filename, tree_input("image"), paths=[RAW], **plain)
    return [*context.disk, (context.export, (stage,))]


def _ova(context: Context) -> Pipelines:
    name = "image"
    parts = (_converted(context, f"{name}.vmdk"), Stage("org.osbuild.ovf", {"vmdk": f"{name}.vmdk"}))
    # The description has to be the archive's first member (Open Virtualization Format Specification, 5.2).
    options = {
        "paths": [f"{name}.ovf", f"{name}.mf", f"{name}.vmdk"],
        "format": "ustar",
        "compression": "auto",
        "acls": False,
        "selinux": False,
        "xattrs": False,
    }
    return [*context.disk, ("ovf", parts), (context.export, (_tar_stage(context.filename, tree_input("ovf"), **options),))]


def _iso(context: Context) -> Pipelines:
    return iso_pipelines(context.definition, _OS)


def _ostree_directory(context: Context) -> Pipelines:
    return [context.commit]


def _ostree_archive(context: Context) -> Pipelines:
    # Objects are compressed already.
    stage = _tar_stage(context.filename, tree_input(COMMIT), **{"root-node": "omit"})
    return [context.commit, (context.export, (stage,))]


def _ostree_container(context: Context) -> Pipelines:
    server = server_stages(context.definition, context.manifest, context.sets["server"])
    options = container_config(context.definition) | {"filename": context.filename}
    stage = Stage("org.osbuild.oci-archive", options, inputs={"base": tree_input("server")})
    return [context.commit, ("server", server), (context.export, (stage,))]


_OUTPUTS: dict[str, Callable[[Context], Pipelines]] = {
    "convert": _convert,
    "directory": _directory,
    "disk": _raw,
    "erofs": _erofs,
    "gce": _gce,
    "iso": _iso,
    "oci": _oci,
    "ostree-archive": _ostree_archive,
    "ostree-container": _ostree_container,
    "ostree-directory": _ostree_directory,
    "ova": _ova,
    "squashfs": _squashfs,
    "tar": _tar,
    "wsl": _wsl,
}


def output_pipelines(
    definition: Definition, layout: Layout | None, manifest: Manifest, sets: Mapping[str, Sequence[Package]]
) -> Pipelines:
    """The pipelines that make the image type's file of the pipeline ``os``; the last one is exported."""
    return _OUTPUTS[definition.image_type.output](Context(definition, layout, manifest, sets))
