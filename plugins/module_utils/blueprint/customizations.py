# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations]``, but for accounts (:mod:`.accounts`) and ``[customizations.debian]`` (:mod:`.debian`)."""

from __future__ import annotations

import re
from typing import get_args

from .accounts import LAST_ID, NAME, NAME_RULE, check_ids, read_groups, read_users
from .debian import read_debian
from .disk import read_disk, read_size
from .fields import Table, is_integer, kind, show, unique
from .model import (
    Customizations,
    Directory,
    File,
    Filesystem,
    Iso,
    Kernel,
    Locale,
    PartitioningMode,
    Services,
    Timezone,
)
from .paths import check_nodes, mountpoint_problem, node_problem
from .unsupported import empty, known_below, refuse

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
_MODE = re.compile(r"0?[0-7]{3}")
_MODES: tuple[PartitioningMode, ...] = get_args(PartitioningMode)
_ID = re.compile(r"\d+")


def read_customizations(table: Table | None, blueprint: str, warnings: list[str]) -> Customizations:
    if table is None:
        return Customizations()
    refuse(table.content, table.path)
    for key in known_below(table.path):
        table.take(key)
    users = read_users(table, blueprint)
    check_ids(users)
    files, directories = _files(table), _directories(table)
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
        key = "size" if item.has("size") and not item.has("minsize") else "minsize"
        if item.has("minsize") and item.has("size"):
            raise item.error("size", "is another word for minsize; give only one of them")
        found.append(Filesystem(mountpoint, read_size(item, key)))
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


def _path(table: Table) -> str:
    path = table.required("path", table.text("path"))
    problem = node_problem(path)
    if problem:
        raise table.error("path", f"{show(path)} {problem}")
    return path


def _owner(table: Table, key: str) -> str | int | None:
    value = table.take(key)
    if value is None or value == "":
        return None
    if is_integer(value) or (isinstance(value, str) and _ID.fullmatch(value)):
        number = int(value)
        if not 0 <= number <= LAST_ID:
            raise table.error(key, f"{number} is out of range 0..{LAST_ID}")
        return number
    if not isinstance(value, str):
        raise table.error(key, f"must be a name or a numeric id, found {kind(value)}")
    return table.check_text(key, value, NAME, NAME_RULE)


def _mode(table: Table) -> int | None:
    value = table.text("mode", _MODE, "three octal digits, with or without a leading zero, in a string ('0644')")
    return None if value is None else int(value, 8)


def _directories(table: Table) -> tuple[Directory, ...]:
    found = []
    for item in table.tables("directories"):
        node = Directory(
            path=_path(item),
            user=_owner(item, "user"),
            group=_owner(item, "group"),
            mode=_mode(item),
            ensure_parents=item.boolean("ensure_parents"),
        )
        found.append(node)
        item.close()
    return tuple(found)


def _files(table: Table) -> tuple[File, ...]:
    found = []
    for item in table.tables("files"):
        if item.has("uri"):
            if item.has("data"):
                raise item.error("uri", "data and uri exclude each other")
            raise item.error("uri", "not supported yet: files fetched from a URI; use data")
        node = File(
            path=_path(item),
            user=_owner(item, "user"),
            group=_owner(item, "group"),
            mode=_mode(item),
            data=(item.text("data") or "").encode("utf-8"),
        )
        found.append(node)
        item.close()
    return tuple(found)
