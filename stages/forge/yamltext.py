# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""YAML from stage options: mappings in block style with sorted keys, lists in flow style."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

# What a parser of YAML 1.1 takes for something else than a string.
_OTHER = re.compile(
    r"(?i:y|n|yes|no|true|false|on|off|null|~)|<<|=|"
    r"[-+]?[0-9][0-9_]*|[-+]?0b[01_]+|[-+]?0x[0-9a-fA-F_]+|"
    r"[-+]?(?:[0-9][0-9_]*)?\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.(?i:inf)|\.(?i:nan)|[-+]?[0-9][0-9_.]*[eE][-+]?[0-9]+|"
    r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|"
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"
)
_SPECIAL = re.compile(r"[^\x20-\x7e]")
_INDICATORS = "#,[]{}&*!|>'\"%@`"
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\0": r"\0"}


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _is_plain(text: str, flow: bool) -> bool:
    if not text or text != text.strip() or _OTHER.fullmatch(text):
        return False
    if text[0] in _INDICATORS or (text[0] in "-?:" and (len(text) == 1 or text[1] == " " or flow)):
        return False
    if text.startswith(("---", "...")) or ": " in text or " #" in text or text.endswith(":"):
        return False
    return not flow or not any(char in text for char in ",?[]{}:")


def _string(text: str, flow: bool) -> str:
    if _SPECIAL.search(text):
        return '"' + _SPECIAL.sub(_escape, text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    return text if _is_plain(text, flow) else "'" + text.replace("'", "''") + "'"


def _number(value: float) -> str:
    text = repr(value)
    # A parser of YAML 1.1 wants a point in the mantissa.
    return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text


def _flow(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(key, True)}: {_flow(value[key])}" for key in sorted(value)) + "}"
    return _string(value, True)


def _block(data: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key in sorted(data):
        value = data[key]
        name = indent + _string(key, False)
        if isinstance(value, dict) and value:
            yield f"{name}:\n"
            yield from _block(value, indent + "  ")
        else:
            yield f"{name}: {_string(value, False) if isinstance(value, str) else _flow(value)}\n"


def dump(data: Mapping[str, Any]) -> str:
    """Return `data`, made of what JSON knows, as a YAML document. Strings are never folded."""
    return "".join(_block(data, ""))
