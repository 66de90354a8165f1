# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""OSTree sysroots in a directory: deployments, their boot entries, their /var. Source: ostree-admin(1), ostree.repo-config(5)."""

from __future__ import annotations

import configparser
import glob
import os
import stat
import subprocess

from . import intree, mounts, ostreerepo
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

#: What is made of a deployment's tmpfiles.d before the first boot: where users and administrators keep things, and the
#: package database. The rest of /var appears at boot.
VAR_PREFIXES = (
    "/var/home", "/var/roothome", "/var/lib/dpkg", "/var/lib/rpm", "/var/opt", "/var/srv", "/var/usrlocal", "/var/mnt",
    "/var/media", "/var/spool", "/var/spool/mail",
)


def check(root: str) -> str:
    """Return `root` if none of the places ostree writes to leads elsewhere: it follows links. StageError."""
    for path in ("ostree", "ostree/repo", "ostree/deploy", "boot", "boot/loader/entries"):
        place = os.path.join(root, path)
        if os.path.lexists(place) and not intree.is_below(root, place):
            raise StageError(f"/{path} is a link that leads out of the sysroot")
    return root


def kernel_arguments(kernel_opts: Iterable[str], rootfs: Mapping[str, str] | None, root_first: bool = False) -> list[str]:
    """Options of `ostree admin deploy` for the kernel's arguments, in this order; repeated ones stay."""
    words = [f"--karg-append={option}" for option in kernel_opts]
    if rootfs:
        key = "uuid" if "uuid" in rootfs else "label"
        root = f"--karg-append=root={key.upper()}={rootfs[key]}"
        words = [root, *words] if root_first else [*words, root]
    return words


def mount_points(root: str, items: Iterable[tuple[str, int]]) -> None:
    """Make directories (path, mode) for the file systems that will be mounted there."""
    for path, mode in items:
        place = intree.resolve(root, path)
        if os.path.lexists(place) and not os.path.isdir(place):
            raise StageError(f"mounts: {path} exists in the tree and is no directory")
        os.makedirs(place, exist_ok=True)
        os.chmod(place, mode)


def deploy(root: str, osname: str, refspec: str, kargs: Sequence[str], origin: str | None = None) -> None:
    """Deploy `refspec`, which is in the sysroot's repository; origin: path of a file that says where it comes from."""
    extra = [f"--origin-file={origin}"] if origin else []
    ostreerepo.run("admin", "deploy", refspec, *kargs, *extra, f"--sysroot={check(root)}", f"--os={osname}")
    if wants_bootprefix(root):
        prefix_boot_entries(root)


def wants_bootprefix(root: str) -> bool:
    """Whether the repository's configuration asks for /boot in boot entries (sysroot.bootprefix)."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read(os.path.join(root, "ostree/repo/config"), encoding="utf8")
    return config.get("sysroot", "bootprefix", fallback="false").strip() == "true"


def prefix_boot_entries(root: str) -> None:
    """Give paths in boot entries the /boot in front that older libostree (2022.7 is one) does not write."""
    entries = os.path.join(root, "boot/loader/entries")
    for name in sorted(os.listdir(entries)) if os.path.isdir(entries) else ():
        path = os.path.join(entries, name)
        if not name.endswith(".conf") or not stat.S_ISREG(os.lstat(path).st_mode):
            continue
        with open(path, encoding="utf8") as file:
            lines = file.read().splitlines(keepends=True)
        changed = []
        for line in lines:
            key, blank, value = line.partition(" ")
            bare = key in ("linux", "initrd", "devicetree", "fdtdir") and value.startswith("/") and not value.startswith("/boot/")
            changed.append(f"{key}{blank}/boot{value}" if bare else line)
        if changed != lines:
            with open(path, "w", encoding="utf8") as file:
                file.writelines(changed)


def deployment(root: str, option: Mapping[str, Any]) -> tuple[str, str, str]:
    """Stateroot, commit and directory (below `root`) of a deployment that an option names. StageError if there is none."""
    from osbuild.util import ostree

    try:
        osname, ref, serial = ostree.parse_deployment_option(check(root), option)
        path = os.path.relpath(ostree.deployment_path(root, osname, ref, int(serial)), root)
    except (ValueError, RuntimeError) as error:
        raise StageError(f"deployment: {error}") from None
    place = intree.resolve(root, path)
    if not os.path.isdir(place):
        raise StageError(f"deployment: there is no {os.path.basename(path)} of {osname!r} in the sysroot")
    return osname, os.path.basename(path).rpartition(".")[0], place


def origin(place: str) -> str:
    """The text of a deployment's origin file."""
    with open(f"{place}.origin", encoding="utf8") as file:
        return file.read()


def fill_var(root: str, osname: str, place: str, prefixes: Sequence[str] = VAR_PREFIXES) -> None:
    """Make what the deployment's tmpfiles.d says about `prefixes`, in the stateroot's /var."""
    var, target = os.path.join(root, "ostree/deploy", osname, "var"), os.path.join(place, "var")
    for path in (var, target):
        if os.path.islink(path) or not os.path.isdir(path):
            raise StageError(f"/{os.path.relpath(path, root)} is no directory; a deployment needs it")
    mounts.own_namespace()
    mounts.mount(var, target, None, mounts.BIND)
    try:
        words = [f"--prefix={prefix}" for prefix in prefixes]
        status = subprocess.run(["systemd-tmpfiles", "--create", "--boot", f"--root={place}", *words], check=False).returncode
    finally:
        mounts.umount(target)
    # sysexits.h, see systemd-tmpfiles(8): 65 is a line that names an unknown user, which is left out.
    if status not in (0, 65):
        raise StageError(f"systemd-tmpfiles failed with exit status {status} in the deployment's /var")


def deployments(root: str) -> list[str]:
    """Directories of all deployments below `root`."""
    found = glob.glob("ostree/deploy/*/deploy/*.[0-9]*", root_dir=root)
    return sorted(path for name in found if os.path.isdir(path := os.path.join(root, name)) and not os.path.islink(path))
