# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations]``: its simple keys, and what has no file of its own."""

from __future__ import annotations

import re
from typing import get_args

from .access import read_cacerts, read_installer, read_openscap, read_sshd
from .accounts import check_ids, read_groups, read_users
from .containers import read_storage
from .debian import read_debian
from .describe import MAP, YES, section
from .disk import read_disk, read_size
from .fields import Table, show, unique
from .firewall import read_firewall
from .firstboot import read_firstboot
from .model import (
    Customizations,
    Filesystem,
    Iso,
    Kernel,
    Locale,
    PartitioningMode,
    Services,
    Timezone,
)
from .nodes import read_directories, read_files
from .paths import check_nodes, mountpoint_problem
from .repositories import read_repositories
from .unsupported import empty, refuse

# hostname(7): labels of RFC 1123; the kernel's limit is 64.
_HOSTNAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_KERNEL = re.compile(r"kernel|kernel-rt|linux-image-[a-z0-9][a-z0-9.+-]*|(?!kernel-)[a-z0-9][a-z0-9.+-]*")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
# d-characters (ECMA-119, 7.4.1), and the hyphen that everybody allows.
_VOLUME = re.compile(r"[A-Z0-9_-]{0,32}")
_TIMEZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_HOST = re.compile(r"[A-Za-z0-9.:_-]+")
_LANGUAGE = re.compile(r"(?:C|POSIX|[a-z]{2,3}(?:_[A-Z]{2})?)(?:\.[A-Za-z0-9-]+)?(?:@[a-z0-9]+)?")
_KEYBOARD = re.compile(r"[A-Za-z0-9_-]+")
# systemd.unit(5)
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
_MODES: tuple[PartitioningMode, ...] = get_args(PartitioningMode)


FIELDS = section(
    "customizations",
    ("hostname", YES, "hostname(7)", "/etc/hostname, and 127.0.1.1 in /etc/hosts."),
    ("kernel.name", MAP, "`kernel`, `kernel-rt`, package or flavour", "Kernel package: `cloud-amd64` is linux-image-cloud-amd64."),
    (
        "kernel.append", MAP, "one line",
        "Words for the kernel's command line, whatever starts it: grub, systemd-boot or a unified kernel image.",
    ),
    ("timezone.timezone", YES, "name of the tz database", "/etc/localtime, and /etc/timezone up to Debian 12."),
    ("timezone.ntpservers", MAP, "array of hosts", "For systemd-timesyncd, or chrony if `packages` has it."),
    ("locale.languages", YES, "array of locales", "Package locales generates them; the first is LANG."),
    ("locale.keyboard", YES, "layout", "/etc/default/keyboard; names of console keymaps are translated."),
    ("services.enabled", YES, "array of units", "Enabled, also by a preset."),
    ("services.disabled", YES, "array of units", "Disabled; a preset keeps packages from enabling them again."),
    ("services.masked", YES, "array of units", "Masked."),
    (
        "filesystem[].mountpoint", YES, "/, /boot, and /data, /home, /opt, /srv, /tmp, /usr, /var and below",
        "A partition, or volume as `partitioning_mode` says.",
    ),
    ("filesystem[].minsize", YES, "bytes or `10 GiB`", "Its least size. Also `size`, `min_size`."),
    ("filesystem[].size", YES, "as `minsize`", "Another word for it."),
    ("filesystem[].min_size", YES, "as `minsize`", "The Cloud API's spelling of it."),
    ("partitioning_mode", YES, "`raw`, `lvm`, `auto-lvm`, `btrfs`", "auto-lvm: LVM where there are further mount points."),
    ("iso.volume_id", YES, "1 to 32 of A-Z, 0-9, _ and -", "For live media."),
    ("iso.publisher", YES, "one line", "For live media."),
    ("iso.application_id", YES, "one line", "For live media."),
)  # fmt: skip


def read_customizations(table: Table | None, blueprint: str) -> Customizations:
    if table is None:
        return Customizations()
    refuse(table)
    users = read_users(table, blueprint)
    check_ids(users)
    files, directories = read_files(table), read_directories(table)
    check_nodes(files, directories)
    debian = table.table("debian")
    found = Customizations(
        hostname=table.text("hostname", _HOSTNAME, "a host name as in hostname(7)", longest=64),
        kernel=_kernel(table),
        users=users,
        groups=read_groups(table),
        timezone=_timezone(table),
        locale=_locale(table),
        services=_services(table),
        filesystem=_filesystem(table),
        disk=read_disk(table.table("disk")),
        partitioning_mode=_partitioning_mode(table),
        directories=directories,
        files=files,
        iso=_iso(table),
        firewall=read_firewall(table.table("firewall")),
        openscap=read_openscap(table.table("openscap")),
        repositories=read_repositories(table),
        cacerts=read_cacerts(table.table("cacerts")),
        containers_storage=read_storage(table.table("containers-storage")),
        firstboot=read_firstboot(table.table("firstboot")),
        sshd=read_sshd(table.table("sshd")),
        installer=read_installer(table.table("installer")),
        debian=read_debian(debian),
    )
    table.close()
    return found


def _kernel(table: Table) -> Kernel:
    inner = table.table("kernel")
    if inner is None:
        return Kernel()
    rule = "'kernel', 'kernel-rt', a package linux-image-… or the flavour in such a name (other kernel-… are Fedora's)"
    name = inner.text("name", _KERNEL, rule)
    kernel = Kernel(
        name=None if name in (None, "", "kernel") else name,
        append=inner.text("append", _ONE_LINE, "one line") or None,
    )
    inner.close()
    return kernel


def _timezone(table: Table) -> Timezone:
    inner = table.table("timezone")
    if inner is None:
        return Timezone()
    found = Timezone(
        timezone=inner.text("timezone", _TIMEZONE, "a name of the tz database, such as Europe/Berlin"),
        ntpservers=inner.texts("ntpservers", _HOST, "a host name or address"),
    )
    inner.close()
    return found


def _locale(table: Table) -> Locale:
    inner = table.table("locale")
    if inner is None:
        return Locale()
    found = Locale(
        languages=inner.texts("languages", _LANGUAGE, "a locale name, such as de_DE.UTF-8"),
        keyboard=inner.text("keyboard", _KEYBOARD, "a keyboard layout, such as de"),
    )
    inner.close()
    return found


def _services(table: Table) -> Services:
    inner = table.table("services")
    if inner is None:
        return Services()
    rule = "a systemd unit name"
    found = Services(
        enabled=inner.texts("enabled", _UNIT, rule),
        disabled=inner.texts("disabled", _UNIT, rule),
        masked=inner.texts("masked", _UNIT, rule),
    )
    inner.close()
    for unit in found.enabled:
        for key, others in (("disabled", found.disabled), ("masked", found.masked)):
            if unit in others:
                raise inner.error(key, f"'{unit}' is also in {inner.at('enabled')}")
    return found


def _filesystem(table: Table) -> tuple[Filesystem, ...]:
    found = []
    for item in table.tables("filesystem"):
        mountpoint = item.required("mountpoint", item.text("mountpoint"))
        problem = mountpoint_problem(mountpoint)
        if problem:
            raise item.error("mountpoint", f"{show(mountpoint)} {problem}")
        found.append(Filesystem(mountpoint, read_size(item, item.either("minsize", "size", "min_size"))))
        item.close()
    return unique(tuple(found), lambda entry: entry.mountpoint, table.at("filesystem"), "mount point")


def _partitioning_mode(table: Table) -> PartitioningMode:
    mode = table.choice("partitioning_mode", _MODES) or "raw"
    if table.has("disk") and not empty(table.content["disk"]):
        for other in ("filesystem", "partitioning_mode"):
            if not empty(table.content.get(other)):
                raise table.error(other, f"{table.at('disk')} and {other} exclude one another")
    return mode


def _iso(table: Table) -> Iso:
    inner = table.table("iso")
    if inner is None:
        return Iso()
    found = Iso(
        volume_id=inner.text("volume_id", _VOLUME, "1 to 32 of A-Z, 0-9, _ and -") or "",
        publisher=inner.text("publisher", _ONE_LINE, "one line", longest=128) or "",
        application_id=inner.text("application_id", _ONE_LINE, "one line", longest=128) or "",
    )
    inner.close()
    return found
