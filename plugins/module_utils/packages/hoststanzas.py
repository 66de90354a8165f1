# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Read a host's apt sources: sources.list(5) in both its forms, without python3-apt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# "deb [option=value …] uri suite component…"
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<rest>\S.*)")
_OPTION = re.compile(r"([A-Za-z-]+)[+-]?=(\S*)")
_FALSE = ("no", "false", "without", "off", "disable", "0")
_TRUE = ("yes", "true", "with", "on", "enable", "1")


@dataclass(frozen=True)
class Stanza:
    """One enabled binary source as the host has it; ``where`` names file and line for messages."""

    where: str
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False
    check_valid_until: bool = True


def read_stanzas(root: Path) -> tuple[Stanza, ...]:
    """All enabled ``deb`` sources in apt's order: sources.list, then sources.list.d by name."""
    base = root / "etc/apt"
    files = [base / "sources.list"]
    parts = base / "sources.list.d"
    if parts.is_dir():
        # apt takes these two suffixes and no other; so do we (".disabled", ".save" and ".bak" are switched off).
        files += sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))
    found: list[Stanza] = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # not there, a dangling link, or not for us
        read = _deb822 if path.suffix == ".sources" else _one_line
        found += read(text, str(path))
    return tuple(found)


def _one_line(text: str, path: str) -> Iterator[Stanza]:
    for number, line in enumerate(text.splitlines(), start=1):
        hit = _ONE_LINE.fullmatch(line.split("#", 1)[0].strip())
        if hit is None:
            continue
        options = {name.lower(): value for name, value in _OPTION.findall(hit["options"] or "")}
        words = hit["rest"].split()
        if len(words) < 2:
            continue
        yield Stanza(
            where=f"{path}:{number}",
            uris=(words[0],),
            suites=(words[1],),
            components=tuple(words[2:]),
            signed_by=options.get("signed-by", ""),
            trusted=options.get("trusted", "").lower() in _TRUE,
            check_valid_until=options.get("check-valid-until", "").lower() not in _FALSE,
        )


def _deb822(text: str, path: str) -> Iterator[Stanza]:
    for number, fields in _paragraphs(text):
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "").lower() in _FALSE:
            continue
        uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
        if not uris or not suites:
            continue
        yield Stanza(
            where=f"{path}:{number}",
            uris=tuple(uris),
            suites=tuple(suites),
            components=tuple(fields.get("components", "").split()),
            signed_by=fields.get("signed-by", ""),
            trusted=fields.get("trusted", "").lower() in _TRUE,
            check_valid_until=fields.get("check-valid-until", "").lower() not in _FALSE,
        )


def _paragraphs(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Stanzas as (first line, fields); comment lines do not end a stanza, even inside a folded field."""
    fields: dict[str, str] = {}
    start = 0
    names: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield start, fields
            fields, names = {}, []
        elif line[0] in " \t":
            if names:
                # A lone dot is an empty line, as in an armoured key.
                content = "" if line.strip() == "." else line.strip()
                fields[names[-1]] = f"{fields[names[-1]]}\n{content}".lstrip("\n")
        elif ":" in line:
            if not fields:
                start = number
            name, _ignored, value = line.partition(":")
            names.append(name.strip().lower())
            fields[names[-1]] = value.strip()
