# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a finished tree can do without, by topic. Paths are those of the entered tree; `*` and `**` as in glob."""

from __future__ import annotations

import glob
import os
import shutil
import stat

#: Removed with all that is below.
REMOVED = {
    "caches": (
        "/var/cache/apt/*.bin", "/var/cache/apt/archives/*", "/var/cache/debconf/*-old", "/var/cache/ldconfig/aux-cache",
        "/var/cache/man/*", "/var/cache/fontconfig/*", "/var/cache/dictionaries-common/*.old", "/root/.cache",
    ),
    "apt-lists": ("/var/lib/apt/lists/*",),
    "backups": (
        "/var/lib/dpkg/*-old", "/var/backups/*", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
        "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock", "/etc/**/*.dpkg-old", "/etc/**/*.dpkg-dist", "/etc/**/*.ucf-old",
        "/etc/**/*.ucf-dist",
    ),
    "seeds": (
        "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/var/lib/urandom/random-seed",
        "/boot/efi/loader/random-seed", "/efi/loader/random-seed",
    ),
    "temporary-files": ("/tmp/*", "/tmp/.*", "/var/tmp/*", "/var/tmp/.*"),
    "host-keys": ("/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub"),
    "state": (
        "/root/.bash_history", "/root/.lesshst", "/root/.viminfo", "/root/.wget-hsts", "/var/lib/dhcp/*.leases",
        "/var/lib/dhcpcd/*.lease*", "/var/lib/NetworkManager/*.lease", "/var/lib/NetworkManager/secret_key",
        "/var/lib/cloud/*", "/var/lib/systemd/timers/*", "/var/lib/systemd/catalog/database.tmp",
        "/etc/udev/rules.d/70-persistent-net.rules", "/var/spool/cron/crontabs/.*",
    ),
    "bytecode": ("/usr/**/__pycache__", "/opt/**/__pycache__"),
    "man": ("/usr/share/man/*",),
    "info": ("/usr/share/info/*",),
    "lintian": ("/usr/share/lintian/*", "/usr/share/linda/*"),
}
#: What is done without being asked.
DEFAULTS = ("logs", "caches", "apt-lists", "backups", "seeds", "temporary-files", "state", "machine-id")
TOPICS = ("logs", "machine-id", "docs", *REMOVED)
#: apt's own directories, which it wants to find.
_KEPT = ("/var/lib/apt/lists/partial", "/var/lib/apt/lists/auxfiles", "/var/cache/apt/archives/partial")
#: Records of logins, which programs append to only if they are there.
_RECORDS = ("wtmp", "btmp", "lastlog", "faillog")
_MACHINE_ID = "/etc/machine-id"
#: What licences ask to be passed on.
_LICENCES = ("copyright", "copyright.gz")


def _inside(path: str) -> bool:
    """Whether no directory on the way is a link: what lies behind one belongs to another path."""
    return os.path.realpath(os.path.dirname(path)) == os.path.dirname(os.path.normpath(path))


def remove(path: str) -> None:
    """Remove a file, link or directory of the entered tree; apt's own directories are only emptied."""
    if path in _KEPT:
        for name in os.listdir(path):
            remove(f"{path}/{name}")
    elif stat.S_ISDIR(os.lstat(path).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def matching(patterns: tuple[str, ...] | list[str]) -> list[str]:
    found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True, include_hidden=True) if _inside(path)}
    # Not what goes with its directory.
    return [path for path in sorted(found) if not any(parent in found for parent in _parents(path))]


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(2, len(parts))]


def _logs() -> None:
    """Empty /var/log: directories stay, and records of logins stay as empty files."""
    if os.path.realpath("/var/log") != "/var/log":
        return
    for folder, _ignored, names in os.walk("/var/log", topdown=False):
        for name in names:
            path = os.path.join(folder, name)
            if folder == "/var/log" and name in _RECORDS and stat.S_ISREG(os.lstat(path).st_mode):
                os.truncate(path, 0)
            else:
                os.unlink(path)
    for path in glob.glob("/var/log/journal/*"):
        remove(path)


def _docs() -> None:
    """Empty /usr/share/doc of all but copyright files; links between packages' directories stay."""
    if os.path.realpath("/usr/share/doc") != "/usr/share/doc":
        return
    for folder, folders, names in os.walk("/usr/share/doc", topdown=False):
        for name in names:
            if name not in _LICENCES:
                os.unlink(os.path.join(folder, name))
        for name in folders:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and not os.listdir(path):
                os.rmdir(path)


def _machine_id() -> None:
    """An empty /etc/machine-id, which systemd fills, and no copy of it."""
    if os.path.isdir("/etc"):
        if os.path.lexists(_MACHINE_ID):
            os.unlink(_MACHINE_ID)
        with open(_MACHINE_ID, "xb") as file:
            os.fchmod(file.fileno(), 0o644)
    for path in matching(["/var/lib/dbus/machine-id"]):
        if not os.path.islink(path):
            os.unlink(path)


def clean(topics: set[str]) -> None:
    """Clean the entered tree of these topics."""
    for topic, act in (("logs", _logs), ("docs", _docs), ("machine-id", _machine_id)):
        if topic in topics:
            act()
    for topic, patterns in REMOVED.items():
        if topic in topics:
            for path in matching(patterns):
                remove(path)


def keep_locales(kept: list[str]) -> None:
    """Remove translations of all languages but `kept` ("de", "pt_BR"; "de" keeps "de_AT" too)."""
    plain = {name.partition(".")[0] for name in kept}
    for path in matching(["/usr/share/locale/*", "/usr/share/man/*"]):
        name = os.path.basename(path)
        # Neither files such as locale.alias, nor the pages in English.
        if os.path.islink(path) or not os.path.isdir(path) or name.startswith("man"):
            continue
        base = name.partition(".")[0].partition("@")[0]
        if name not in plain and base not in plain and base.partition("_")[0] not in plain:
            remove(path)
