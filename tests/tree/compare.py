# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""List a tree, or compare two: name, type, mode, owner, link target, device, SHA-256 and extended attributes.

usage: compare.py list TREE
       compare.py diff TREE TREE [--allowed FILE]

A line of FILE is "glob | reason"; paths below the tree that match a glob may differ ("*" crosses "/").
Exit status 0: equal but for what is allowed, 1: not.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFCHR: "chardev",
    stat.S_IFBLK: "blockdev", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True)
class Entry:
    """What is compared of one path. content: SHA-256, link target or device number; xattrs: sorted name=value (hex)."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: str
    xattrs: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.kind, f"{self.mode:04o}", f"{self.uid}:{self.gid}", self.content, *self.xattrs)).rstrip()


def _content(path: str, status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if stat.S_ISLNK(status.st_mode):
        return "-> " + os.readlink(path)
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return ""


def read_tree(tree: str | os.PathLike[str]) -> dict[str, Entry]:
    """Everything below `tree` by relative path; the tree's own directory is "."."""
    root = os.fspath(tree)
    found = {}

    def add(path: str) -> None:
        status = os.lstat(path)
        kind = _KINDS[stat.S_IFMT(status.st_mode)]
        xattrs = tuple(
            f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}"
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        )
        mode = 0 if kind == "link" else stat.S_IMODE(status.st_mode)
        relative = os.path.relpath(path, root)
        found[relative] = Entry(kind, mode, status.st_uid, status.st_gid, _content(path, status), xattrs)

    add(root)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            add(os.path.join(folder, name))
    return found


def read_allowed(path: str | os.PathLike[str]) -> list[str]:
    """The globs of an allowed list."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.split("|", 1)[0].strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def differences(
    first: dict[str, Entry], second: dict[str, Entry], allowed: Sequence[str] = ()
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """(path, entry in the first, entry in the second) of all that differs and is not allowed to, by path."""
    for path in sorted(first.keys() | second.keys()):
        one, two = first.get(path), second.get(path)
        if one != two and not any(fnmatch.fnmatchcase(path, glob) for glob in allowed):
            yield path, one, two


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="print one line per path")
    listing.add_argument("tree")
    diff = commands.add_parser("diff", help="print what differs")
    diff.add_argument("first")
    diff.add_argument("second")
    diff.add_argument("--allowed", help="file of globs that may differ")
    args = parser.parse_args(argv)
    if args.command == "list":
        for path, entry in sorted(read_tree(args.tree).items()):
            print(f"{path}\t{entry}")
        return 0
    first, second = read_tree(args.first), read_tree(args.second)
    allowed = read_allowed(args.allowed) if args.allowed else []
    found = list(differences(first, second, allowed))
    for path, one, two in found:
        print(f"{path}\n  - {one or 'absent'}\n  + {two or 'absent'}")
    every = len(list(differences(first, second)))
    print(f"{len(first)} and {len(second)} entries, {every} differ, {len(found)} of them are not allowed to")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
