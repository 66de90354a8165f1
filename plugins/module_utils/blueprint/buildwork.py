# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``customizations.debian.debconf``, ``.scripts`` and ``.overlays``: what happens to the tree while it is built."""

from __future__ import annotations

import re
from typing import Literal

from .debianmodel import Answer, Overlay, Script
from .describe import YES, Row, section
from .fields import Table, kind, show
from .nodes import checksum
from .paths import canonical

_TYPES = ("string", "boolean", "select", "multiselect", "note", "text", "password", "title", "error")
_WORD = re.compile(r"[^#\s]\S*")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
_URL = re.compile(r"(?:https?://[^\s/]+/|file:///)[^\s]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATTERN = re.compile(r"[/*][^\x00-\x1f\x7f]*")
_OWNERS: tuple[Literal["root", "keep"], ...] = ("root", "keep")
_SHELLS = ("auto", "bash", "sh")

_ANSWER: tuple[Row, ...] = (
    ("owner", YES, "package", "Package that asks."),
    ("question", YES, "name such as `tzdata/Areas`", "Its question."),
    ("type", YES, ", ".join(f"`{one}`" for one in _TYPES), "Type of the question, by default string."),
    ("value", YES, "text, boolean or integer", "The answer, set before the package is configured. Passwords stand in the manifest."),
)
FIELDS = (
    *section("customizations.debian.debconf[]", *_ANSWER),
    *section(
        "customizations.debian",
        ("preseed", YES, "as `debconf`, or text as of debconf-set-selections(1)", "Another word for `debconf`."),
    ),
    *section(
        "customizations.debian.scripts[]",
        (
            "commands", YES, "array of shell commands",
            "Run in the tree at the end of the build, without network, as root. A plain string in place of the "
            "table is one command.",
        ),
        ("script", YES, "text", "A script instead of commands."),
        ("label", YES, "one line", "What messages call it."),
        ("shell", YES, "`auto`, `bash`, `sh`", "Which shell; by default bash if there is one."),
        ("environment", YES, "table of strings", "Environment variables."),
    ),
    *section(
        "customizations.debian.overlays[]",
        (
            "url", YES, "`file://` on the building host, or an http or https URL",
            "A tar archive to lay over the tree, before files and scripts. Directories have no checksum: make an "
            "archive of them.",
        ),
        ("sha256", YES, "64 hex digits", "Its checksum."),
        ("checksum", YES, "`sha256:HEX`, `sha384:HEX`, `sha512:HEX`", "The same in another spelling."),
        ("source", YES, "absolute path", "Directory of the archive to take, by default all."),
        ("destination", YES, "absolute path", "Where in the tree, by default /."),
        ("owner", YES, "`root`, `keep`", "Whom it belongs to, by default root."),
        ("exclude", YES, "array of patterns that begin with `/` or `*`", "What to leave out."),
    ),
)  # fmt: skip


def read_answers(table: Table) -> tuple[Answer, ...]:
    key = table.either("debconf", "preseed")
    if not isinstance(table.content.get(key), str):
        return tuple(map(_answer, table.tables(key)))
    found = []
    for number, line in enumerate(str(table.take(key)).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split(None, 3)
        if len(words) < 3 or words[2] not in _TYPES:
            raise table.error(key, f"line {number} is not of the form OWNER QUESTION TYPE VALUE, debconf-set-selections(1)")
        if words[0] == "d-i":
            raise table.error(key, f"line {number} is for Debian's installer, which no image runs; owner must be a package")
        found.append(Answer(words[0], words[1], words[2], words[3].rstrip() if len(words) > 3 else ""))
    return tuple(found)


def _answer(table: Table) -> Answer:
    owner = table.required("owner", table.text("owner", _WORD, "the name of a package"))
    if owner == "d-i":
        raise table.error("owner", "d-i is Debian's installer, which no image runs; must be a package")
    value = table.required("value", table.take("value"))
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not _ONE_LINE.fullmatch(value):
        # It may be a password.
        raise table.error("value", "must be one line of text, a boolean or an integer")
    found = Answer(
        owner,
        table.required("question", table.text("question", _WORD, "the name of a question, such as tzdata/Areas")),
        table.choice("type", _TYPES) or "string",
        value,
    )
    table.close()
    return found


def read_scripts(table: Table) -> tuple[Script, ...]:
    value = table.take("scripts")
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise table.error("scripts", f"must be an array of commands or tables, found {kind(value)}")
    found = []
    for number, item in enumerate(value):
        where = f"scripts[{number}]"
        if isinstance(item, str):
            item = {"commands": [item]}
        found.append(_script(Table(item, table.at(where), table.warnings), number))
    return tuple(found)


def _script(table: Table, number: int) -> Script:
    commands, script = table.texts("commands"), table.text("script") or ""
    if bool(commands) == bool(script):
        raise table.error("commands", "exactly one of commands and script is allowed")
    for text in (*commands, script):
        if "\0" in text or (commands and not text.strip() and text is not script):
            raise table.error("commands" if commands else "script", "must be text without zero bytes, and not empty")
    environment: list[tuple[str, str]] = []
    inner = table.table("environment")
    for name in sorted(inner.content) if inner is not None else ():
        if inner is not None:
            inner.check_text(name, name, _VARIABLE, "the name of a variable")
            environment.append((name, inner.text(name) or ""))
    found = Script(
        label=table.text("label", _ONE_LINE, "one line") or f"script {number + 1}",
        commands=commands,
        script=script,
        environment=tuple(environment),
        shell=table.choice("shell", _SHELLS) or "auto",
    )
    table.close()
    return found


def read_overlays(table: Table) -> tuple[Overlay, ...]:
    return tuple(map(_overlay, table.tables("overlays")))


def _overlay(table: Table) -> Overlay:
    url = table.required("url", table.text("url", _URL, "a file:///, http:// or https:// URL of a tar archive"))
    digest = checksum(table)
    if not digest:
        raise table.error("sha256", f"is required: the SHA-256 of what {show(url)} has")
    if url.endswith("/"):
        raise table.error("url", f"{show(url)} is a directory, which has no checksum; make a tar archive of it")
    paths = {}
    for key in ("source", "destination"):
        paths[key] = table.text(key) or "/"
        if problem := canonical(paths[key]):
            raise table.error(key, f"{show(paths[key])} {problem}")
    exclude = table.texts("exclude", _PATTERN, "a pattern that begins with / or *")
    found = Overlay(url, digest, **paths, owner=table.choice("owner", _OWNERS) or "root", exclude=exclude)
    table.close()
    return found
