#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys

import osbuild.api

from stages.forge import intree, text, unitfile

DIRECTORIES = {"usr": "/usr/lib/sysusers.d", "etc": "/etc/sysusers.d"}
FIELDS = ("type", "name", "id", "gecos", "home", "shell")
# sysusers.d(5): a member line names the group there, a range line the range.
ID_NEEDED = {"m": "the group to join", "r": "the range of ids"}


def spell(field, value):
    """Return `value` as a field of the line: all but gecos are quoted only where a blank would end them."""
    if value == "-":
        return value
    if field == "gecos" or not value or any(char.isspace() for char in value):
        return f'"{value}"'
    return value


def line(index, entry):
    where = f"config.entries[{index}]"
    for field, value in entry.items():
        if field not in FIELDS:
            raise ValueError(f"{where} has the unknown field {field!r}, known are {', '.join(FIELDS)}")
        if not isinstance(value, str):
            raise ValueError(f"{where}.{field} must be a string, found {value!r}")
        text.line(f"{where}.{field}", value)
    if entry["type"] in ID_NEEDED and entry.get("id", "-") == "-":
        raise ValueError(f"{where}.id must be {ID_NEEDED[entry['type']]} for the type {entry['type']}, found nothing")
    if entry["type"] != "r" and entry["name"] == "-":
        raise ValueError(f"{where}.name must be a name for the type {entry['type']}, '-' is for the type r only")
    return " ".join(spell(field, entry.get(field, "-")) for field in FIELDS) + "\n"


def main(args):
    config = args["options"]["config"]
    if not config["entries"]:
        raise ValueError("'entries' is required")
    name = text.file_name("config.filename", config["filename"])
    content = "".join(line(index, entry) for index, entry in enumerate(config["entries"]))
    directory = intree.resolve(args["tree"], DIRECTORIES[config.get("path-prefix", "usr")])
    unitfile.write(os.path.join(directory, name), content)
    return 0

if __name__ == "__main__":
    sys.exit(main(osbuild.api.arguments()))
