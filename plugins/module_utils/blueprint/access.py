# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.sshd]``, ``.installer``, ``.cacerts`` and ``.openscap``."""

from __future__ import annotations

import re

from .accounts import NAME
from .certificates import read_certificates
from .describe import MAP, YES, section
from .fields import Table, kind, show
from .paths import canonical
from .sectionmodel import Installer, Openscap, Sshd
from .unsupported import empty, refuse

_ROOT_LOGIN = ("yes", "no", "prohibit-password", "forced-commands-only")
_SUDOER = re.compile(rf"%?(?:{NAME.pattern})")
_PROFILE = re.compile(r"(?:xccdf_[A-Za-z0-9.-]+_profile_)?[A-Za-z0-9_.-]+")
_RULE = re.compile(r"(?:xccdf_[A-Za-z0-9.-]+_rule_)?[A-Za-z0-9_.-]+")
_SSG = "xccdf_org.ssgproject.content"

FIELDS = (
    *section(
        "customizations.sshd",
        ("password_authentication", YES, "boolean", "Whether passwords are taken; /etc/ssh/sshd_config.d/10-image.conf, as all of these."),
        ("kbd_interactive_authentication", YES, "boolean", "Whether keyboard-interactive logins (PAM) are."),
        ("client_alive_interval", YES, "seconds, 0 for never", "Silence after which the client is asked for a sign of life."),
        ("permit_root_login", YES, "boolean, `prohibit-password`, `forced-commands-only`", "Whether and how root may log in."),
    ),
    *section(
        "customizations.installer",
        ("unattended", MAP, "boolean", "Refused for every image type without an installer, which today are all."),
        (
            "sudo-nopasswd", MAP, "array of users, and groups as `%name`",
            "They use sudo without a password: a file in /etc/sudoers.d. `%wheel` means `%sudo`. Also "
            "`sudo_nopasswd`.",
        ),
        ("sudo_nopasswd", MAP, "as `sudo-nopasswd`", "Another spelling of it."),
    ),
    *section(
        "customizations.cacerts",
        (
            "pem_certs", YES, "array of certificates (PEM)",
            "Authorities to trust: /usr/local/share/ca-certificates and update-ca-certificates.",
        ),
    ),
    *section(
        "customizations.openscap",
        (
            "profile_id", MAP, "id, or its end such as `standard`",
            "Profile that the first boot evaluates and remediates; that the datastream has it is checked while "
            "building.",
        ),
        (
            "datastream", MAP, "absolute path in the image",
            "Needed: Debian has no data for its own release in that release. Below /usr/share/xml/scap/ssg/content "
            "package ssg-debian is added.",
        ),
        ("tailoring.selected", MAP, "array of rules", "Rules to add to the profile."),
        ("tailoring.unselected", MAP, "array of rules", "Rules to leave out of it."),
        ("json_tailoring.profile_id", MAP, "id", "Profile of a JSON tailoring."),
        (
            "json_tailoring.filepath", MAP, "absolute path in the image",
            "The JSON tailoring; package openscap-utils turns it into XCCDF at the first boot.",
        ),
    ),
)  # fmt: skip


def read_sshd(table: Table | None) -> Sshd | None:
    if table is None:
        return None
    found = Sshd(
        password_authentication=table.flag("password_authentication"),
        kbd_interactive_authentication=table.flag("kbd_interactive_authentication"),
        client_alive_interval=table.integer("client_alive_interval", 0, 2**31 - 1),
        permit_root_login=_root_login(table),
    )
    table.close()
    return None if found == Sshd() else found


def _root_login(table: Table) -> str | None:
    value = table.take("permit_root_login")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in _ROOT_LOGIN:
        return str(value) if value else None
    raise table.error("permit_root_login", f"must be true, false, {' or '.join(_ROOT_LOGIN[2:])}, found {kind(value)}")


def read_installer(table: Table | None) -> Installer | None:
    if table is None:
        return None
    refuse(table)
    key = table.either("sudo-nopasswd", "sudo_nopasswd")
    names = []
    for name in table.texts(key, _SUDOER, "a user, or a group with % before its name"):
        mapped = "%sudo" if name == "%wheel" else name
        if mapped != name:
            table.warn(key, "group 'wheel' is 'sudo' on Debian")
        names.append(mapped)
    found = Installer(table.boolean("unattended"), tuple(dict.fromkeys(names)))
    table.close()
    return None if found == Installer() else found


def read_cacerts(table: Table | None) -> tuple[str, ...]:
    if table is None:
        return ()
    found = read_certificates(table, "pem_certs")
    table.close()
    return found


def _path(table: Table, key: str) -> str:
    path = table.text(key) or ""
    if path and (problem := canonical(path)):
        raise table.error(key, f"{show(path)} {problem}")
    return path


def _full(name: str, what: str) -> str:
    return name if name.startswith("xccdf_") else f"{_SSG}_{what}_{name}"


def read_openscap(table: Table | None) -> Openscap | None:
    if table is None or empty(table.content):
        return None
    refuse(table)
    json_tailoring = table.table("json_tailoring")
    tailoring = table.table("tailoring")
    if json_tailoring is not None and tailoring is not None:
        raise table.error("json_tailoring", f"{table.at('tailoring')} and json_tailoring exclude one another")
    profile = table.text("profile_id", _PROFILE, "the id of a profile of the datastream")
    file = wanted = ""
    if json_tailoring is not None:
        file = json_tailoring.required("filepath", _path(json_tailoring, "filepath") or None)
        wanted = json_tailoring.required("profile_id", json_tailoring.text("profile_id", _PROFILE, "the id of a profile"))
        json_tailoring.close()
    selected: tuple[str, ...] = ()
    unselected: tuple[str, ...] = ()
    if tailoring is not None:
        selected = tuple(_full(one, "rule") for one in tailoring.texts("selected", _RULE, "the id of a rule"))
        unselected = tuple(_full(one, "rule") for one in tailoring.texts("unselected", _RULE, "the id of a rule"))
        tailoring.close()
        for one in unselected:
            if one in selected:
                raise tailoring.error("unselected", f"'{one}' is also in {tailoring.at('selected')}")
    found = Openscap(
        profile_id=_full(table.required("profile_id", profile or None), "profile"),
        datastream=_path(table, "datastream"),
        selected=selected,
        unselected=unselected,
        tailoring_file=file,
        tailored_profile=wanted,
    )
    table.close()
    return found
