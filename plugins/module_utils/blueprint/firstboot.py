# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.firstboot]``."""

from __future__ import annotations

import re
from typing import Literal

from .certificates import read_certificates
from .describe import MAP, YES, section
from .fields import Table, unique
from .sectionmodel import FirstbootScript
from .unsupported import never

_TYPES: tuple[Literal["custom", "aap"], ...] = ("custom", "aap")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
_URL = re.compile(r"https://[^\s\"'\\$`]+")
_SECRET = re.compile(r"[\x21-\x7e]+")

FIELDS = section(
    "customizations.firstboot.scripts[]",
    ("type", MAP, "`custom` or `aap`", "`satellite` is refused: it registers with Red Hat Satellite."),
    ("name", YES, "[A-Za-z0-9_-]", "Part of the unit's name, `firstboot-NAME.service`; by default type and number."),
    ("contents", YES, "text", "The script of `custom`; without `#!` a shell script."),
    ("job_template_url", YES, "https URL", "Provisioning callback of a job template, for `aap`; package curl."),
    ("host_config_key", YES, "text", "Its key, for `aap`. It stands in the manifest, and in the image for root alone."),
    ("cacerts", YES, "array of certificates (PEM)", "Who has signed the controller's certificate, for `aap`."),
    (
        "ignore_failure", YES, "boolean",
        "Go on, and do not try again, when it fails. Otherwise what follows waits, and it runs again at the next "
        "boot.",
    ),
    ("after", YES, "array of units", "Units to start it after."),
    ("before", YES, "array of units", "Units to start it before."),
)


def read_firstboot(table: Table | None) -> tuple[FirstbootScript, ...]:
    if table is None:
        return ()
    found = tuple(_script(item, number) for number, item in enumerate(table.tables("scripts")))
    table.close()
    return unique(found, lambda script: script.name, table.at("scripts"), "name")


def _script(table: Table, number: int) -> FirstbootScript:
    if table.content.get("type") == "satellite":
        raise never(table.at("type"), "registration with Red Hat Satellite has no client in Debian", "type custom")
    type_: Literal["custom", "aap"] = table.required("type", table.choice("type", _TYPES))
    name = table.text("name", _NAME, "1 to 64 of [A-Za-z0-9_-], the first a letter or digit") or f"{type_}-{number}"
    contents, url, key = "", "", ""
    cacerts: tuple[str, ...] = ()
    if type_ == "custom":
        contents = table.required("contents", table.text("contents"))
        if "\0" in contents or not contents.strip():
            raise table.error("contents", "must be a script, found nothing or a zero byte")
    else:
        url = table.required("job_template_url", table.text("job_template_url", _URL, "an https URL"))
        key = _key(table)
        cacerts = read_certificates(table, "cacerts")
        table.warn("host_config_key", "stands in the manifest as it is; in the image only root can read it")
    script = FirstbootScript(
        type_, name, contents, url, key, cacerts,
        ignore_failure=table.boolean("ignore_failure"),
        after=table.texts("after", _UNIT, "a systemd unit name"),
        before=table.texts("before", _UNIT, "a systemd unit name"),
    )  # fmt: skip
    table.close()
    return script


def _key(table: Table) -> str:
    """No message may show it."""
    value = table.required("host_config_key", table.take("host_config_key"))
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise table.error("host_config_key", "must be a string of printable characters without blanks")
    return value
