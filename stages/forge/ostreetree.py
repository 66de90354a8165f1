# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""A Debian tree in the form a deployment has: https://ostreedev.github.io/ostree/adapting-existing/ on Debian's terms.

All paths are those of the entered tree.
"""

from __future__ import annotations

import glob
import os

from . import ostreevar
from .errors import StageError
from .ostreeboot import write
from .root import empty

#: Places that become links, and where to.
LINKS = {
    "/home": "var/home", "/srv": "var/srv", "/opt": "var/opt", "/mnt": "var/mnt", "/root": "var/roothome",
    "/media": "run/media", "/usr/local": "../var/usrlocal", "/ostree": "sysroot/ostree",
}
#: Of these, the ones whose files are the packages' own.
_PACKAGED = {"/opt": "/usr/lib/opt", "/usr/local": "/usr/lib/usrlocal"}
_RUNTIME = ("/dev", "/proc", "/run", "/sys")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
TMPFILES = "/usr/lib/tmpfiles.d/zz-ostree-var.conf"
SYSUSERS = "/usr/lib/sysusers.d/00-ostree-accounts.conf"
_SYSUSERS_UNIT = "/usr/lib/systemd/system/systemd-sysusers.service.d/ostree.conf"
_SYSTEM_IDS = range(1, 1000)


def check() -> None:
    """StageError for a tree that cannot be prepared; nothing is changed."""
    if os.path.lexists("/usr/etc"):
        raise StageError("the tree has /usr/etc, so it was prepared before; this stage runs once")
    for name in ("etc", "usr", "var"):
        if os.path.islink(f"/{name}") or not os.path.isdir(f"/{name}"):
            raise StageError(f"/{name} of the tree is no directory; a system needs it")
    for name in _MERGED:
        if os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}"):
            raise StageError(f"/{name} of the tree is a directory; OSTree needs a merged /usr, with /{name} as link (package usrmerge)")
    for path, target in LINKS.items():
        if os.path.islink(path) and os.readlink(path) != target:
            raise StageError(f"{path} of the tree is a link to {os.readlink(path)!r}; it has to become one to {target!r}")
        if os.path.lexists(path) and not os.path.islink(path) and not os.path.isdir(path):
            raise StageError(f"{path} of the tree is no directory")
    for folder, _ignored, files in os.walk("/media"):
        if files:
            raise StageError(f"{folder}/{files[0]}: /media is made anew at each boot, so a tree cannot have files there")


def accounts() -> list[str]:
    """Lines of sysusers.d(5) with the numbers that system users and groups have in this tree.

    A machine whose /etc/passwd was changed keeps its own, so it gets users that a later commit adds only this way.
    """
    users, groups = (_rows(f"/etc/{name}", size) for name, size in (("passwd", 7), ("group", 4)))
    lines = [f"g {row[0]} {row[2]}" for row in groups if int(row[2]) in _SYSTEM_IDS]
    numbers = {row[2] for row in groups}
    system = [row for row in users if int(row[2]) in _SYSTEM_IDS and row[3] in numbers]
    for name, _ignored, uid, gid, gecos, home, shell in system:
        text = '"' + gecos.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"' if gecos else "-"
        lines.append(f"u {name} {uid}:{gid} {text} {home.replace('%', '%%') or '-'} {shell or '-'}")
    known = {row[0] for row in system}
    lines += [f"m {member} {row[0]}" for row in groups for member in row[3].split(",") if member in known]
    return lines


def _rows(path: str, size: int) -> list[list[str]]:
    try:
        with open(path, encoding="utf8") as file:
            rows = [line.rstrip("\n").split(":") for line in file]
    except FileNotFoundError:
        return []
    return [row for row in rows if len(row) == size and row[2].isdigit()]


def fstab() -> None:
    """Take the root file system out of /etc/fstab: the kernel's command line names it, and / is the deployment."""
    if not os.path.isfile("/etc/fstab"):
        return
    with open("/etc/fstab", encoding="utf8") as file:
        lines = file.readlines()
    kept = [line for line in lines if line.lstrip().startswith("#") or line.split()[1:2] != ["/"]]
    if kept != lines:
        with open("/etc/fstab", "w", encoding="utf8") as file:
            file.writelines(kept)


def rearrange(tmp_is_dir: bool) -> None:
    """Move what a deployment has elsewhere; the tree is committed as it is afterwards."""
    write(SYSUSERS, "".join(f"{line}\n" for line in accounts()))
    if os.path.isdir("/usr/lib/systemd/system"):
        # The condition compares times of /usr and /etc, and in a deployment all times of /usr are the same.
        write(_SYSUSERS_UNIT, "[Unit]\nConditionNeedsUpdate=\n")
    ostreevar.drop()
    lines = ostreevar.Lines()
    ostreevar.keep_dpkg(lines)
    for path, target in LINKS.items():
        _to_link(path, target, lines)
    lines.copied("/var", "/var")
    write(TMPFILES, "".join(f"{line}\n" for line in lines.lines))
    print(f"{len(lines.lines)} lines in {TMPFILES} make what was in /var and the local places")
    empty("/var")
    for path in ("/boot", "/sysroot", *_RUNTIME):
        os.makedirs(path, exist_ok=True)
        empty(path)
    os.chmod("/sysroot", 0o755)
    for path in ("/vmlinuz", "/vmlinuz.old", "/initrd.img", "/initrd.img.old"):
        if os.path.islink(path):
            os.unlink(path)
    empty("/tmp")
    if not tmp_is_dir:
        if os.path.isdir("/tmp") and not os.path.islink("/tmp"):
            os.rmdir("/tmp")
        if not os.path.lexists("/tmp"):
            os.symlink("sysroot/tmp", "/tmp")
    _settle_etc()


def _to_link(path: str, target: str, lines: ostreevar.Lines) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        if path == "/ostree" and os.listdir(path):
            raise StageError("/ostree of the tree is not empty; it becomes a link to the sysroot's")
        there = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if there.startswith("/var/"):
            found = os.stat(path)
            lines.add(there, "d", f"{found.st_mode & 0o7777:04o} {found.st_uid} {found.st_gid} -")
            if path in _PACKAGED:
                lines.linked(path, there, _PACKAGED[path])
            else:
                lines.copied(path, there)
        empty(path)
        os.rmdir(path)
    if not os.path.lexists(path):
        os.symlink(target, path)


def _settle_etc() -> None:
    for name in ("passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-", ".pwd.lock", ".updated"):
        if os.path.lexists(f"/etc/{name}"):
            os.unlink(f"/etc/{name}")
    for path in glob.glob("/etc/ssh/ssh_host_*_key*"):
        print(f"warning: {path} will be the same on every machine", flush=True)
    fstab()
    # Empty, so that each machine makes its own.
    write("/etc/machine-id", "", 0o444)
    os.rename("/etc", "/usr/etc")
