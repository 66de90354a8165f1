# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""apt's configuration as files: deb822 sources, pins, snippets. Source: sources.list(5), apt_preferences(5), apt.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import StageError
from .keyrings import DIRECTORIES, armoured, check_name

#: What an armoured key needs to be found again: where, and under which suffix.
_KEYS = DIRECTORIES["keyrings"]
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9/_.+*?-]*(::[A-Za-z0-9/_.+*?-]+)*(::)?")


def _one_line(what: str, value: str) -> str:
    if not value or value != value.strip() or any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise StageError(f"{what} is {value!r}; it must be one line, neither empty nor with blanks at its ends")
    return value


def _words(what: str, values: Sequence[str]) -> str:
    for value in values:
        if not value or any(char.isspace() for char in value):
            raise StageError(f"{what} holds {value!r}, which is not one word")
    return " ".join(values)


def _source_stanza(source: Mapping[str, Any]) -> tuple[str, dict[str, bytes]]:
    """One stanza, and the key file it needs."""
    name = check_name("source name", source["name"])
    what = f"source {name}"
    suites, components = source["suites"], source.get("components", [])
    flat = [suite for suite in suites if suite.endswith("/")]
    if flat and components:
        raise StageError(f"{what}: suite {flat[0]!r} is a path, which allows no components")
    if not components and len(flat) != len(suites):
        raise StageError(f"{what}: components are missing; they may be so only for suites that end with '/'")
    if "key" in source and "signed-by" in source:
        raise StageError(f"{what}: only one of key and signed-by is allowed")
    files: dict[str, bytes] = {}
    lines = []
    if not source.get("enabled", True):
        lines.append("Enabled: no")
    lines += [
        f"Types: {_words(what + ': types', source.get('types', ['deb']))}",
        f"URIs: {_words(what + ': uris', source['uris'])}",
        f"Suites: {_words(what + ': suites', suites)}",
    ]
    if components:
        lines.append(f"Components: {_words(what + ': components', components)}")
    if source.get("architectures"):
        lines.append(f"Architectures: {_words(what + ': architectures', source['architectures'])}")
    if "key" in source:
        path = f"{_KEYS}/{name}.asc"
        files[path] = armoured(f"key of {what}", source["key"])
        lines.append(f"Signed-By: /{path}")
    elif "signed-by" in source:
        path = _one_line(f"{what}: signed-by", source["signed-by"])
        if not path.startswith("/") or ".." in path.split("/"):
            raise StageError(f"{what}: signed-by is {path!r}; an absolute path without '..' is allowed")
        lines.append(f"Signed-By: {path}")
    if source.get("trusted"):
        lines.append("Trusted: yes")
    return "\n".join(lines) + "\n", files


def source_files(sources: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Files below the tree for the option `sources`: one .sources per name, several stanzas where names repeat."""
    stanzas: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for source in sources:
        stanza, keys = _source_stanza(source)
        for path, content in keys.items():
            if files.setdefault(path, content) != content:
                raise StageError(f"source {source['name']} is given with two different keys")
        stanzas.setdefault(source["name"].removesuffix(".sources"), []).append(stanza)
    for name, texts in stanzas.items():
        files[f"etc/apt/sources.list.d/{name}.sources"] = "\n".join(texts).encode("utf-8")
    return files


def pin_files(pins: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Files below the tree for the option `pins`: one .pref per name."""
    stanzas: dict[str, list[str]] = {}
    for pin in pins:
        name = check_name("pin file name", pin.get("name", "osbuild")).removesuffix(".pref")
        if "." in name:
            raise StageError(f"pin file name {name!r} has a dot; apt would leave the file out")
        what = f"pin of {pin['package']!r}"
        lines = []
        if "explanation" in pin:
            lines.append(f"Explanation: {_one_line(what + ': explanation', pin['explanation'])}")
        lines += [
            f"Package: {_one_line(what + ': package', pin['package'])}",
            f"Pin: {_one_line(what + ': pin', pin['pin'])}",
            f"Pin-Priority: {pin['priority']}",
        ]
        if pin["priority"] == 0:
            raise StageError(f"{what}: priority 0 has no meaning to apt; any other whole number is allowed")
        stanzas.setdefault(name, []).append("\n".join(lines) + "\n")
    return {f"etc/apt/preferences.d/{name}.pref": "\n".join(texts).encode("utf-8") for name, texts in stanzas.items()}


def _setting(what: str, name: str, value: Any) -> str:
    if not _OPTION.fullmatch(name):
        raise StageError(f"{what}: {name!r} is no option name of apt.conf(5), such as 'APT::Install-Recommends'")
    if isinstance(value, list):
        single = name.removesuffix("::")
        return "".join(_setting(what, f"{single}::", item) for item in value)
    text = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    if '"' in text or any(ord(char) < 32 for char in text):
        raise StageError(f"{what}: the value {text!r} of {name} holds a quote or a line break")
    return f'{name} "{text}";\n'


def config_files(snippets: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Files below the tree for the option `config`: one file of apt.conf.d per snippet."""
    files: dict[str, bytes] = {}
    for snippet in snippets:
        name = check_name("configuration name", snippet["name"])
        stem = name.removesuffix(".conf")
        if "." in stem or "+" in stem:
            raise StageError(f"configuration name {name!r} has a dot or plus; apt would leave the file out")
        if ("content" in snippet) == ("options" in snippet):
            raise StageError(f"configuration {name}: exactly one of content and options is allowed")
        if "content" in snippet:
            text = snippet["content"]
            if not text.endswith("\n"):
                text += "\n"
        else:
            text = "".join(_setting(f"configuration {name}", key, value) for key, value in snippet["options"].items())
        path = f"etc/apt/apt.conf.d/{name}"
        if path in files:
            raise StageError(f"configuration {name} is given twice")
        files[path] = text.encode("utf-8")
    return files
