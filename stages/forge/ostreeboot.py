# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The kernel of a tree for OSTree: where libostree looks for it, with an initramfs that enters the deployment.

All paths are those of the entered tree.
"""

from __future__ import annotations

import os
import shlex

from . import command
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODULES = "/usr/lib/modules"
PREPARE_ROOT = "/usr/lib/ostree/ostree-prepare-root"
CONFIG = "/usr/lib/ostree/prepare-root.conf"
HOOK = "/usr/share/initramfs-tools/hooks/ostree"
SCRIPT = "/usr/share/initramfs-tools/scripts/local-bottom/ostree"
_DRIVERS = "/etc/initramfs-tools/modules"

_HOOK = f"""#!/bin/sh
# initramfs-tools(7): bring what enters the OSTree deployment.
case "$1" in prereqs) exit 0 ;; esac
. /usr/share/initramfs-tools/hook-functions
copy_exec {PREPARE_ROOT}
if [ -e {CONFIG} ]; then
    copy_file config {CONFIG}
fi
"""

# In local-bottom: at init-bottom, udev's script has moved /dev away. The initramfs may have no grep (klibc).
_SCRIPT = f"""#!/bin/sh
# initramfs-tools(7): make the deployment that ostree= names the root file system.
case "$1" in prereqs) exit 0 ;; esac
read -r arguments </proc/cmdline
case " $arguments " in
    *" ostree="*) {PREPARE_ROOT} "$rootmnt" ;;
esac
"""


def find_kernel(wanted: str | None) -> str:
    """The release of the tree's kernel. StageError unless there is exactly one, or the `wanted` one."""
    names = sorted(os.listdir(MODULES)) if os.path.isdir(MODULES) else []
    found = [name for name in names if image(name)]
    if wanted is not None:
        if wanted not in found:
            raise StageError(f"kernel: the tree has no kernel {wanted!r}; it has {', '.join(found) or 'none'}")
        return wanted
    if not found:
        raise StageError(
            "the tree has no kernel (/boot/vmlinuz-RELEASE with /usr/lib/modules/RELEASE); install one, or set bootable to false"
        )
    if len(found) > 1:
        raise StageError(f"the tree has several kernels, {', '.join(found)}; a commit boots one, so name it with the option kernel")
    return found[0]


def image(release: str) -> str | None:
    """Where the kernel `release` is, None if there is none."""
    for path in (f"{MODULES}/{release}/vmlinuz", f"/boot/vmlinuz-{release}", f"/boot/vmlinux-{release}"):
        if os.path.isfile(path) and not os.path.islink(path):
            return path
    return None


def generator(arguments: Sequence[str]) -> str:
    """What makes the tree's initramfs, `initramfs-tools` or `dracut`. StageError where `arguments` do not fit it."""
    if not os.path.exists(PREPARE_ROOT):
        raise StageError(f"the tree has no {PREPARE_ROOT}, which enters the deployment at boot; install the package ostree-boot")
    if os.path.exists("/usr/sbin/mkinitramfs"):
        drivers(arguments)
        return "initramfs-tools"
    if os.path.exists("/usr/bin/dracut"):
        return "dracut"
    raise StageError("the tree has neither initramfs-tools nor dracut; one of them makes the initramfs")


def drivers(arguments: Sequence[str]) -> list[str]:
    """The kernel modules that dracut's `arguments` add. StageError for arguments without counterpart in initramfs-tools."""
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if word in ("--no-hostonly", "-N", "--reproducible", "--verbose", "-v"):
            continue  # how initramfs-tools works anyway
        if option not in ("--add-drivers", "--force-drivers"):
            raise StageError(
                f"initramfs-args: {word!r} is an argument of dracut, but the tree makes its initramfs with initramfs-tools; "
                "that takes --add-drivers and --no-hostonly, for others install dracut in place of initramfs-tools"
            )
        found += shlex.split(value if equals else next(words, ""))
    return found


def write(path: str, text: str, mode: int = 0o644) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    # Names in the tree may be of any encoding.
    with open(path, "x", encoding="utf8", errors="surrogateescape") as file:
        file.write(text)
    os.chmod(path, mode)


def configure(readonly: bool) -> None:
    """Write the configuration that the initramfs and the deployed system read: ostree-prepare-root(1)."""
    write(CONFIG, f"[sysroot]\nreadonly={str(readonly).lower()}\n")


def make_initramfs(release: str, kind: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Make initramfs.img beside the modules of `release`. StageError if that fails or it cannot enter a deployment."""
    target = f"{MODULES}/{release}/initramfs.img"
    if kind == "dracut":
        words = ["dracut", "--force", "--no-hostonly", "--reproducible", "--add", "ostree", *arguments, "--kver", release, target]
    else:
        write(HOOK, _HOOK, 0o755)
        write(SCRIPT, _SCRIPT, 0o755)
        if names := drivers(arguments):
            with open(_DRIVERS, "a", encoding="utf8") as file:
                file.writelines(f"{name}\n" for name in names)
        words = ["mkinitramfs", "-o", target, release]
    finished = command.run(words, env)
    if finished.status or not os.path.isfile(target):
        raise StageError(f"{words[0]} failed with exit status {finished.status}{finished.quoted()}")
    lister = "lsinitramfs" if kind == "initramfs-tools" else "lsinitrd"
    listed: list[str] = []
    command.run([lister, target], env, line=listed.append, quiet=True)
    if not any(line.endswith("ostree-prepare-root") for line in listed):
        raise StageError("the initramfs that was made does not hold ostree-prepare-root, so it could not enter a deployment")


def move_kernel(release: str) -> None:
    """Put the kernel and what belongs to it beside its modules, where libostree takes it from."""
    found = image(release)
    assert found is not None
    os.rename(found, f"{MODULES}/{release}/vmlinuz")
    for name in ("config", "System.map"):
        path = f"/boot/{name}-{release}"
        if os.path.isfile(path) and not os.path.islink(path):
            os.rename(path, f"{MODULES}/{release}/{name}")
