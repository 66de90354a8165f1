# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""What an image type is; which there are stands in :mod:`.catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..blueprint import BootLoader

#: What kind of system the image holds: just the packages asked for; one for Windows' subsystem, which brings the
#: kernel; one that boots from a disk; one that boots from a disk and is updated as a whole by OSTree; one that boots from
#: a read-only medium and keeps changes in memory.
System = Literal["tree", "wsl", "disk", "ostree", "live"]

# Outputs that are a disk, whatever is around it.
_PARTITIONED = frozenset({"disk", "convert", "gce", "ova"})


@dataclass(frozen=True)
class ImageType:
    """One form that an image can have.

    :param name: what users write.
    :param summary: what it is, as a sentence.
    :param filename: the file that is built; empty where it is a directory.
    :param export: pipeline that holds it.
    :param mime_type: media type of the file.
    :param output: which function of :mod:`.outputs` lays out the pipelines after the system's.
    :param settings: its parameters.
    :param system: kind of system in it.
    :param boot_loader: the default one of a disk.
    :param cloud_kernel: whether the default kernel is the one for virtual machines.
    :param datasources: cloud-init's data sources; empty: no cloud-init.
    :param packages: what the system gets beyond what its kind does.
    :param build_packages: what the build root needs beyond what every tree does.
    """

    name: str
    summary: str
    filename: str
    export: str
    mime_type: str
    output: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    system: System = "tree"
    boot_loader: BootLoader = "grub"
    cloud_kernel: bool = False
    datasources: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def bootable(self) -> bool:
        """Whether a machine can start from it, which takes a kernel."""
        return self.system in ("disk", "ostree", "live")

    @property
    def disk(self) -> bool:
        """Whether the system boots from a disk that it may change."""
        return self.system in ("disk", "ostree")

    @property
    def partitioned(self) -> bool:
        """Whether it is such a disk with partitions itself."""
        return self.disk and self.output in _PARTITIONED

    @property
    def ostree(self) -> bool:
        """Whether OSTree updates the system."""
        return self.system == "ostree"

    @property
    def services(self) -> bool:
        """Whether systemd runs in it."""
        return self.system != "tree"
