# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of an ini file, changed in place: comments, blank lines, spelling and order stay as they are.

Names of settings are compared without case, those of sections with it. Where a section or a setting stands more than once,
the last one counts. A value ends before a blank and a semicolon, where a comment begins, and goes on over indented lines.
"""

from __future__ import annotations

import re

from .text import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SECTION = re.compile(r"\[([^\]]+)\]")
_SETTING = re.compile(r"(?P<head>(?P<name>[^\s:=\[#;][^:=]*?)\s*[:=][ \t]*)(?P<value>.*?)(?P<tail>\s+;.*|\s*)$")


class _Section:
    """Where a section lies: `end` is the line after its last setting, `settings` the lines (start, stop) of each."""

    def __init__(self, header: int) -> None:
        self.end = header + 1
        self.settings: dict[str, tuple[int, int]] = {}


def _scan(lines: list[str], source: str) -> dict[str, _Section]:
    sections: dict[str, _Section] = {}
    section: _Section | None = None
    name = None
    for number, content in enumerate(lines):
        text = content.strip()
        if not text or text[0] in "#;":
            continue
        header = _SECTION.match(content)
        setting = None if header else _SETTING.match(content)
        if header:
            section, name = _Section(number), None
            # What an earlier section of this name holds is not forgotten.
            section.settings = sections[header[1]].settings if header[1] in sections else {}
            sections[header[1]] = section
        elif section is None:
            raise ValueError(f"{source}: line {number + 1} stands before the first [section]")
        elif content[0] in " \t" and name is not None:
            section.settings[name] = (section.settings[name][0], number + 1)
            section.end = number + 1
        elif setting:
            name = setting["name"].lower()
            section.settings[name] = (number, number + 1)
            section.end = number + 1
        else:
            raise ValueError(f"{source}: line {number + 1} is neither a section nor a comment nor a setting name = value")
    return sections


def _change(lines: list[str], section: str, name: str, value: str, source: str) -> None:
    found = _scan(lines, source).get(section)
    if found is None:
        lines += ["", f"[{section}]", f"{name} = {value}"] if lines else [f"[{section}]", f"{name} = {value}"]
    elif name.lower() in found.settings:
        start, stop = found.settings[name.lower()]
        match = _SETTING.match(lines[start])
        assert match
        lines[start:stop] = [match["head"] + value + match["tail"]]
    else:
        lines.insert(found.end, f"{name} = {value}")


def change(text: str, wanted: Mapping[str, Mapping[str, str]], source: str = "the file") -> str:
    """Return `text` with the settings of `wanted`, by section, changed or added. Raises ValueError for what is no ini file.

    A section that is added ends without a line break, as osbuild has it.
    """
    lines = text.split("\n") if text else []
    _scan(lines, source)
    for section, settings in wanted.items():
        for name, value in settings.items():
            _change(lines, section, name, value, source)
    return "\n".join(lines)


def change_file(path: str, wanted: Mapping[str, Mapping[str, str]], source: str) -> None:
    """Do that to the file `path`, which is made if it is missing; `source` is what errors call it."""
    text = ""
    try:
        with open(path, encoding="utf8", newline="") as file:
            text = file.read()
    except FileNotFoundError:
        pass
    text = change(text, wanted, source)
    with open(path, "w", encoding="utf8", newline="") as file:
        file.write(text)


def spell(field: str, value: bool | int | str | list[str]) -> str:
    """Return how `value` is written: true and false, lists with commas. Raises ValueError naming `field`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return line(field, ", ".join(value) if isinstance(value, list) else str(value))
