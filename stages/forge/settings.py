# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings in a file of lines `name = value`, changed in place: comments, order, owner and mode stay."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def change(text: str, wanted: Mapping[str, str], separator: str) -> str:
    """Return `text` with each line that sets a name of `wanted` replaced, and lines for the names it lacks appended."""
    missing = dict(wanted)
    result = []
    for line in text.splitlines(keepends=True):
        name, found, _value = line.partition("=")
        name = name.strip()
        if found and name in wanted:
            missing.pop(name, None)
            line = f"{name}{separator}{wanted[name]}\n"
        result.append(line)
    if missing and result and not result[-1].endswith("\n"):
        result[-1] += "\n"
    result += [f"{name}{separator}{value}\n" for name, value in missing.items()]
    return "".join(result)


def change_file(path: str, wanted: Mapping[str, str], separator: str) -> None:
    """Do that to the file `path`, which must exist."""
    with open(path, "r+", encoding="utf8") as file:
        text = change(file.read(), wanted, separator)
        file.seek(0)
        file.truncate()
        file.write(text)
