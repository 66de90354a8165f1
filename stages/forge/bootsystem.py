# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a boot loader is told about the system in a tree: kernels, names, arguments (Boot Loader Specification)."""

from __future__ import annotations

import os
import platform
import re
from collections import namedtuple

from . import intree, uki
from .kernels import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# version: as `uname -r` says; linux, initrd: where the files are.
Kernel = namedtuple("Kernel", "version linux initrd")

# Debian architecture -> architecture in names of EFI programs (UEFI specification 3.5.1.1).
SUFFIXES = {"amd64": "x64", "i386": "ia32", "arm64": "aa64", "riscv64": "riscv64"}
_NATIVE = {"x86_64": "x64", "i686": "ia32", "aarch64": "aa64", "riscv64": "riscv64"}

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


def _names(tree: str, directory: str) -> list[str]:
    place = intree.resolve(tree, directory)
    return os.listdir(place) if os.path.isdir(place) else []


def kernels(tree: str) -> list[Kernel]:
    """Kernels of the tree, newest first: those of /boot, and those below /usr where OSTree wants them.

    Raises FileNotFoundError naming what is missing.
    """
    prefix = "vmlinuz-"
    pairs = {
        version: [f"/usr/lib/modules/{version}/vmlinuz", f"/usr/lib/modules/{version}/initramfs.img"]
        for version in _names(tree, "/usr/lib/modules")
    }
    for name in _names(tree, "/boot"):
        if name.startswith(prefix) and name != prefix:
            version = name[len(prefix):]
            pairs[version] = [f"/boot/{name}", f"/boot/initrd.img-{version}"]
    found = []
    for version in sorted(pairs, key=natural, reverse=True):
        linux, initrd = (intree.resolve(tree, path) for path in pairs[version])
        if not os.path.isfile(linux):
            continue
        if not os.path.isfile(initrd):
            raise FileNotFoundError(f"the tree has a kernel but no initial ram disk {pairs[version][1]}")
        found.append(Kernel(version, linux, initrd))
    if not found:
        raise FileNotFoundError("the tree has no kernel /boot/vmlinuz-*; is a linux-image package installed?")
    return found


def versions(tree: str) -> list[str]:
    """Versions of the kernels in /boot, whether or not they have an initial ram disk, newest first."""
    prefix = "vmlinuz-"
    found = [name[len(prefix):] for name in _names(tree, "/boot") if name.startswith(prefix) and name != prefix]
    return sorted(found, key=natural, reverse=True)


def chosen(tree: str, wanted: str) -> list[Kernel]:
    """Kernels by the option `kernels`: newest, all, or one version."""
    found = kernels(tree)
    if wanted == "all":
        return found
    if wanted == "newest":
        return found[:1]
    matching = [kernel for kernel in found if kernel.version == wanted]
    if not matching:
        raise ValueError(f"kernels: must be newest, all or one of {', '.join(kernel.version for kernel in found)}; found {wanted!r}")
    return matching


def suffix(kernel: Kernel, architecture: str | None) -> str:
    """Architecture in names of EFI programs: as asked for, or that of the kernel. Raises ValueError if they differ."""
    of_kernel = uki.machine(kernel.linux)
    if architecture is None:
        return of_kernel or _NATIVE.get(platform.machine(), platform.machine())
    if of_kernel not in (None, SUFFIXES[architecture]):
        raise ValueError(f"architecture: kernel {kernel.version} is for {of_kernel}, found {architecture}")
    return SUFFIXES[architecture]


def os_release_file(tree: str) -> str:
    """Where the tree's os-release is."""
    for path in _OS_RELEASE:
        place = intree.resolve(tree, path)
        if os.path.isfile(place):
            return place
    raise FileNotFoundError(f"the tree has neither {' nor '.join(_OS_RELEASE)}; Debian's package base-files ships them")


def os_release(tree: str) -> dict[str, str]:
    """The tree's os-release(5)."""
    with open(os_release_file(tree), encoding="utf-8") as file:
        pairs = [line.strip().partition("=") for line in file if "=" in line and not line.startswith("#")]
    return {key: value.strip("\"'") for key, _ignored, value in pairs}


def entry_token(tree: str, wanted: str | None) -> str:
    """What names of boot entries begin with: as wanted, or /etc/kernel/entry-token, or ID of os-release."""
    if wanted is None:
        try:
            with open(intree.resolve(tree, "/etc/kernel/entry-token"), encoding="utf-8") as file:
                wanted = file.readline().strip()
        except FileNotFoundError:
            pass
    token = wanted or os_release(tree).get("ID", "linux")
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"entry-token must be letters, digits and ._+~-, beginning with a letter or digit; found {token!r}")
    return token


def command_line(options: Mapping[str, Any]) -> str:
    """Kernel arguments by the options root-fs-uuid and kernel-opts."""
    root = f"root=UUID={options['root-fs-uuid']} ro" if "root-fs-uuid" in options else ""
    return " ".join(filter(None, [root, options.get("kernel-opts", "").strip()]))


def find(tree: str, path: str, package: str) -> str:
    """Where a file of a package is in the tree. Raises FileNotFoundError naming both."""
    place = intree.resolve(tree, path)
    if not os.path.isfile(place):
        raise FileNotFoundError(f"the tree has no file {path}; Debian's package {package} ships it")
    return place
