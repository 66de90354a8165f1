# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a commit cannot carry, /var and the local places, as tmpfiles.d(5) lines that make it on the deployed system.

Directories become `d`, links `L`. A file of /var is copied from /usr/share/factory where it is missing (`C`), so changes
of the system stay. A file below /opt and /usr/local is the package's: it stays in /usr and is linked (`L+`), so
upgrades reach it. All paths are those of the entered tree.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat

from .errors import StageError

FACTORY = "/usr/share/factory"
DPKG = "/usr/lib/sysimage/dpkg"
#: Logs, caches and identities, which no two systems share.
_DROPPED = (
    "/var/lib/apt/lists/*", "/var/cache/apt/*", "/var/cache/ldconfig/*", "/var/cache/man/*", "/var/tmp/*", "/var/tmp/.*",
    "/var/cache/debconf/*-old", "/var/lib/dpkg/*-old", "/var/lib/dpkg/lock*", "/var/lib/dbus/machine-id",
    "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
)
_CREATING = frozenset("dDqQvfFwLCcbp")


def quote(text: str) -> str:
    """The path of a line: specifiers doubled, and what the parser would take apart in C's escapes."""
    text = text.replace("%", "%%")
    if text and not any(letter.isspace() or letter in "\"'\\" or not letter.isprintable() for letter in text):
        return text
    return '"' + "".join(
        f"\\{letter}" if letter in '"\\' else f"\\x{ord(letter):02x}" if ord(letter) < 32 or ord(letter) == 127 else letter
        for letter in text
    ) + '"'


def _own(found: os.stat_result) -> str:
    return f"{stat.S_IMODE(found.st_mode):04o} {found.st_uid} {found.st_gid} -"


def declared() -> set[str]:
    """Paths that the tree's own tmpfiles.d makes."""
    paths = set()
    for name in glob.glob("/usr/lib/tmpfiles.d/*.conf") + glob.glob("/etc/tmpfiles.d/*.conf"):
        with open(name, encoding="utf8", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) > 1 and words[0][0] in _CREATING and "!" not in words[0]:
                    paths.add(words[1].rstrip("/"))
    return paths


class Lines:
    """Collects the lines while the content moves away."""

    def __init__(self) -> None:
        self._known = declared()
        self.lines: list[str] = []

    def add(self, path: str, kind: str, rest: str, argument: str = "-") -> None:
        if path not in self._known:
            if "\n" in argument:
                raise StageError(f"{path!r} points to a name with a line break")
            # The argument is the rest of the line as it is, but for specifiers.
            self.lines.append(f"{kind} {quote(path)} {rest} {argument.replace('%', '%%')}")

    def copied(self, source: str, target: str) -> None:
        """Everything in the directory `source` is to be in `target`; files go to the factory."""
        self._walk(source, target, source, keep=False)

    def linked(self, source: str, target: str, home: str) -> None:
        """Everything in the directory `source` is to be in `target`; files go to `home` and are linked."""
        self._walk(source, target, source, keep=True, home=home)

    def _walk(self, source: str, target: str, top: str, keep: bool, home: str = "") -> None:
        for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
            place, there = entry.path, f"{target}/{entry.name}"
            if "\n" in entry.name:
                raise StageError(f"{place!r} has a line break in its name")
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                self.add(there, "d", _own(found))
                self._walk(place, there, top, keep, f"{home}/{entry.name}")
            elif stat.S_ISLNK(found.st_mode):
                self.add(there, "L", "- - - -", _target(place, top))
            elif stat.S_ISREG(found.st_mode):
                store = f"{home}/{entry.name}" if keep else f"{FACTORY}{there}"
                if os.path.lexists(store):
                    raise StageError(f"{place} has to move to {store}, which exists in the tree")
                os.makedirs(os.path.dirname(store), exist_ok=True)
                os.rename(place, store)
                if keep:
                    self.add(there, "L+", "- - - -", store)
                else:
                    self.add(there, "C", _own(found), store)
            # Sockets, pipes and nodes belong to a running system, which makes them anew.


def _target(link: str, top: str) -> str:
    """Where a link points to after its directory `top` moved: a relative way out of it becomes absolute."""
    target = os.readlink(link)
    place = os.path.normpath(os.path.join(os.path.dirname(link), target))
    return target if target.startswith("/") or place == top or place.startswith(f"{top}/") or top == "/var" else place


def drop() -> None:
    """Remove logs, caches and identities from /var."""
    for pattern in _DROPPED:
        for path in glob.glob(pattern):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
    for folder, _ignored, files in os.walk("/var/log"):
        for name in files:
            os.unlink(os.path.join(folder, name))


def keep_dpkg(lines: Lines) -> None:
    """Put the package database into /usr: it belongs to the commit."""
    if os.path.isdir("/var/lib/dpkg") and not os.path.islink("/var/lib/dpkg"):
        os.makedirs(os.path.dirname(DPKG), exist_ok=True)
        os.rename("/var/lib/dpkg", DPKG)
        lines.add("/var/lib/dpkg", "L", "- - - -", f"../..{DPKG}")
