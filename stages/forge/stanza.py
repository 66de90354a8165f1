# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Control stanzas: ordered fields with case-insensitive names. Source: deb822(5), deb-control(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .errors import StageError

_FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)")


class Stanza:
    """The fields of one stanza, in order, values with their continuation lines as written (without a final break)."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields
        self._index = {name.lower(): value for name, value in fields}

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()]

    def get(self, name: str, default: str = "") -> str:
        return self._index.get(name.lower(), default)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._index


def parse_stanza(text: str, label: str) -> Stanza:
    """The one stanza of a control file. StageError naming `label` and the line when it is malformed."""
    stanzas = list(parse_stanzas(text, label))
    if len(stanzas) != 1:
        raise StageError(f"{label} has {len(stanzas)} stanzas in its control file, exactly one is allowed")
    return stanzas[0]


def parse_stanzas(text: str, label: str) -> Iterator[Stanza]:
    """All stanzas of a file such as dpkg's status. StageError as in `parse_stanza`."""
    fields: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            if fields:
                yield Stanza(fields)
                fields = []
        elif line[0] in " \t":
            if not fields:
                raise StageError(f"{label}: line {number} of its control data continues no field")
            name, value = fields[-1]
            fields[-1] = (name, f"{value}\n{line}")
        elif line[0] == "#":
            continue
        else:
            match = _FIELD.fullmatch(line)
            if not match:
                raise StageError(f"{label}: line {number} of its control data is no field: {line[:60]!r}")
            fields.append((match[1], match[2]))
    if fields:
        yield Stanza(fields)
