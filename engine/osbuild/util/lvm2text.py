# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The text format of LVM's metadata (lvm.conf(5) describes the same syntax): sections, numbers, strings, lists."""

from __future__ import annotations

import collections
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_TOKEN = re.compile(
    r"""(?:\s|\#[^\n]*)*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<float>[-+]?[0-9]+\.[0-9]*(?![A-Za-z0-9_.+-]))
      | (?P<int>[-+]?[0-9]+(?![A-Za-z0-9_.+-]))
      | (?P<name>[A-Za-z0-9_.+-]+)
      | (?P<sign>[={}\[\],])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.kind, self.word = "", ""
        self.advance()

    def advance(self) -> tuple[str, str]:
        """Return the current token's kind and text, and go to the next one."""
        current = self.kind, self.word
        match = _TOKEN.match(self.text, self.position)
        if match is None or match.lastgroup is None:
            raise self.error(f"found {self.text[self.position : self.position + 20]!r}")
        self.kind, self.word, self.position = match.lastgroup, match[match.lastgroup], match.end()
        return current

    def error(self, what: str) -> ValueError:
        line = self.text.count("\n", 0, self.position) + 1
        return ValueError(f"line {line} of the LVM metadata is malformed: {what}")

    def expect(self, kinds: tuple[str, ...], word: str = "") -> str:
        if self.kind not in kinds or (word and self.word != word):
            raise self.error(f"expected {word or ' or '.join(kinds)}, found '{self.word}'")
        return self.advance()[1]

    def section(self, closing: bool) -> dict[str, Any]:
        found: dict[str, Any] = collections.OrderedDict()
        while not (self.kind == "end" or (closing and self.word == "}" and self.kind == "sign")):
            key = self.expect(("name", "int", "float"))
            if self.kind == "sign" and self.word == "{":
                self.advance()
                found[key] = self.section(closing=True)
                self.expect(("sign",), "}")
            else:
                self.expect(("sign",), "=")
                found[key] = self.value()
        return found

    def value(self) -> Any:
        if self.kind == "sign" and self.word == "[":
            self.advance()
            items = []
            while not (self.kind == "sign" and self.word == "]"):
                items.append(self.value())
                if self.kind == "sign" and self.word == ",":
                    self.advance()
            self.advance()
            return items
        kind, word = self.kind, self.expect(("string", "int", "float"))
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
        return int(word) if kind == "int" else float(word)


def parse(text: str) -> dict[str, Any]:
    """Return the sections (ordered dicts) and values of `text`. Raises ValueError naming the line."""
    return _Parser(text).section(closing=False)


def dumps(data: Mapping[str, Any]) -> str:
    """Return `data` as text that LVM reads. Raises TypeError for values it has no notation for."""
    lines: list[str] = []
    _write(data, lines, 0)
    return "\n".join(lines) + "\n"


def _write(data: Mapping[str, Any], lines: list[str], depth: int) -> None:
    indent = "\t" * depth
    for key, value in data.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key} {{")
            _write(value, lines, depth + 1)
            lines.append(f"{indent}}}")
        else:
            lines.append(f"{indent}{key} = {_value(value)}")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"LVM metadata cannot hold {value!r}")
    return str(value)
