# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures that are not shipped: archives of some of the host's own programs, from the lists of what is in them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

FIXTURES = ("miniroot", "buildroot")
# What the lists name after the recording host's Python.
RECORDED_PYTHON = "python3.11"


def needs(case: dict[str, Any]) -> str | None:
    """Which of the archives a recorded case needs."""
    found = re.search("|".join(FIXTURES), case.get("note", ""))
    return found[0] if found else None


def host_python() -> str:
    """The versioned name of /usr/bin/python3."""
    return os.path.basename(os.path.realpath("/usr/bin/python3"))


def libraries(programs: list[str]) -> set[str]:
    """What the dynamic linker loads for `programs`, where it is below /usr."""
    found = set()
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.MULTILINE):
            found.add(path if path.startswith("/usr/") else "/usr" + path)
    return found


def members(listing: Path) -> dict[str, str | None]:
    """Paths of the archive; the target for links, None for what is taken as it is on the host."""
    paths: dict[str, str | None] = {}
    programs = []
    for line in listing.read_text().splitlines():
        line = line.replace(RECORDED_PYTHON, host_python())
        if " -> " in line:
            link, target = line.split(" -> ")
            paths[link] = target
        elif " (" in line:
            top, _ignored, rest = line.partition(" (")
            left_out = re.search(r"but not: (.*)\)", rest)
            assert left_out is not None, line
            paths |= dict.fromkeys(modules(top, left_out[1].split()))
        elif line.endswith("/") or os.path.lexists(line):
            paths[line.rstrip("/")] = None
            if "/bin/" in line or "/sbin/" in line:
                programs.append(line)
        else:
            # Other releases have other libraries; those that its own programs want are found below. Nothing else may lack.
            assert ".so" in line, f"{listing.name} names {line}, which this host does not have"
    for path in libraries([*programs, *(path for path in paths if path.endswith(".so"))]):
        paths.setdefault(path, None)
    return paths


def modules(top: str, left_out: list[str]) -> list[str]:
    """Python's own modules below `top`, and their directories."""
    found = []
    skipped = re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in left_out))
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if name != "__pycache__" and not skipped.fullmatch(name)]
        wanted = [os.path.join(directory, name) for name in files if name.endswith((".py", ".so"))]
        if wanted:
            found += [directory.rstrip("/"), *wanted]
    return found


def pack(listing: Path, archive: Path) -> set[str]:
    """Write the archive: owner root, time 0. Returns the paths in it."""
    content = members(listing)
    # Whatever leads to a member is one.
    for path in list(content):
        while (path := os.path.dirname(path)) != "/":
            content.setdefault(path, None)
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(content):
            add(tar, path, content[path])
    return set(content)


def add(tar: tarfile.TarFile, path: str, target: str | None) -> None:
    member = tarfile.TarInfo("./" + path.lstrip("/"))
    if target is not None:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
        tar.addfile(member)
    elif os.path.isdir(path) or not os.path.exists(path):
        member.type, member.mode = tarfile.DIRTYPE, 0o1777 if path == "/tmp" else 0o755
        tar.addfile(member)
    else:
        # Libraries are listed by the names that programs know, which are links.
        data = Path(os.path.realpath(path)).read_bytes()
        member.size, member.mode = len(data), os.stat(path).st_mode & 0o7777
        tar.addfile(member, io.BytesIO(data))
