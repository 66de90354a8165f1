# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``customizations.debian.cleanup``, ``.dpkg`` and ``.unattended_upgrades``."""

from __future__ import annotations

import re

from .debianmodel import Cleanup, Dpkg, UnattendedUpgrades
from .describe import YES, section
from .fields import Table

_PATTERN = re.compile(r"/[^\x00-\x1f\x7f]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:_[A-Z]{2})?(?:@[a-z]+)?")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]+")
_MAIL = re.compile(r"[^\s\"\\]+")
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|now")
_DAYS = 3650

FIELDS = (
    *section(
        "customizations.debian",
        ("cleanup", YES, "boolean or table", "Clean the finished tree; true: as by default."),
        ("unattended_upgrades", YES, "boolean or table", "Package unattended-upgrades, upgrading daily."),
    ),
    *section(
        "customizations.debian.cleanup",
        ("logs", YES, "boolean", "Empty /var/log; true by default, as all up to `state`."),
        ("caches", YES, "boolean", "Caches of apt, debconf and others."),
        ("apt_lists", YES, "boolean", "apt's lists of packages."),
        ("backups", YES, "boolean", "Backup copies of databases and configuration files."),
        ("seeds", YES, "boolean", "Random seeds and credentials' secrets."),
        ("temporary_files", YES, "boolean", "/tmp and /var/tmp."),
        ("state", YES, "boolean", "Histories, leases and the like."),
        ("docs", YES, "boolean", "/usr/share/doc but for copyright files; false by default, as all that follow."),
        ("man", YES, "boolean", "Manual pages."),
        ("info", YES, "boolean", "Info pages."),
        ("lintian", YES, "boolean", "What only package checks need."),
        ("bytecode", YES, "boolean", "Python's compiled files."),
        ("keep_locales", YES, "array of languages", "Remove translations into all others."),
        ("paths", YES, "array of patterns", "Further paths to remove."),
    ),
    *section(
        "customizations.debian.dpkg",
        ("path_exclude", YES, "array of patterns", "Paths that packages do not bring, also later on."),
        ("path_include", YES, "array of patterns", "Exceptions of these."),
        ("hold", YES, "array of packages", "Packages that stay at their version."),
    ),
    *section(
        "customizations.debian.unattended_upgrades",
        ("enabled", YES, "boolean", "By default true."),
        ("update_interval", YES, "days", "Between updates of package lists."),
        ("upgrade_interval", YES, "days", "Between upgrades."),
        ("clean_interval", YES, "days", "Between removals of old downloads."),
        ("origins", YES, "array of patterns", "What to upgrade from, instead of Debian's list."),
        ("blacklist", YES, "array of regular expressions", "Packages never upgraded."),
        ("reboot", YES, "boolean", "Reboot when an upgrade asks for it."),
        ("reboot_time", YES, "`HH:MM` or `now`", "When."),
        ("reboot_with_users", YES, "boolean", "Although somebody is logged in."),
        ("remove_unused", YES, "boolean", "Remove dependencies that are not needed any more."),
        ("mail", YES, "address", "Where reports go."),
        ("mail_report", YES, "`always`, `only-on-error`, `on-change`", "When."),
        ("minimal_steps", YES, "boolean", "Upgrade in steps that a shutdown can interrupt."),
    ),
)


def _switch(table: Table, key: str) -> bool | None:
    """A table's place may hold a boolean; None for a table."""
    value = table.content.get(key)
    if isinstance(value, bool):
        table.take(key)
        return value
    return None


def read_cleanup(table: Table) -> Cleanup | None:
    switch = _switch(table, "cleanup")
    inner = table.table("cleanup") if switch is None else None
    if inner is None:
        return Cleanup() if switch else None
    flags = {
        key: inner.flag(key)
        for key in (
            "logs", "caches", "apt_lists", "backups", "seeds", "temporary_files", "state",
            "docs", "man", "info", "lintian", "bytecode",
        )
    }  # fmt: skip
    found = Cleanup(
        **flags,
        keep_locales=inner.texts("keep_locales", _LANGUAGE, "a language such as de or pt_BR"),
        paths=inner.texts("paths", _PATTERN, "an absolute path, with * and **"),
    )
    inner.close()
    return found


def read_dpkg(table: Table | None) -> Dpkg:
    if table is None:
        return Dpkg()
    rule = "a pattern of absolute paths"
    found = Dpkg(
        path_exclude=table.texts("path_exclude", _PATTERN, rule),
        path_include=table.texts("path_include", _PATTERN, rule),
        hold=table.texts("hold", _PACKAGE, "the name of a package"),
    )
    if found.path_include and not found.path_exclude:
        raise table.error("path_include", f"holds exceptions of {table.at('path_exclude')}, which is empty")
    table.close()
    return found


def read_unattended_upgrades(table: Table) -> UnattendedUpgrades | None:
    switch = _switch(table, "unattended_upgrades")
    inner = table.table("unattended_upgrades") if switch is None else None
    if inner is None:
        return UnattendedUpgrades() if switch else None
    found = UnattendedUpgrades(
        enabled=inner.boolean("enabled", default=True),
        update_interval=inner.integer("update_interval", 0, _DAYS),
        upgrade_interval=inner.integer("upgrade_interval", 0, _DAYS),
        clean_interval=inner.integer("clean_interval", 0, _DAYS),
        origins=inner.texts("origins", _ONE_LINE, "one line, as of Unattended-Upgrade::Origins-Pattern"),
        blacklist=inner.texts("blacklist", _ONE_LINE, "a regular expression"),
        reboot=inner.flag("reboot"),
        reboot_time=inner.text("reboot_time", _TIME, "a time such as 02:30, or now"),
        reboot_with_users=inner.flag("reboot_with_users"),
        remove_unused=inner.flag("remove_unused"),
        mail=inner.text("mail", _MAIL, "an address"),
        mail_report=inner.choice("mail_report", ("always", "only-on-error", "on-change")),
        minimal_steps=inner.flag("minimal_steps"),
    )
    inner.close()
    return found
