# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Lorax templates: scripts that rearrange a tree for an installer. They need the package mako (python3-mako)."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import shutil
import subprocess

import mako.template

from .path import join_abs, resolve_in
from .replace import replace, rglob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


def render_template(path: str | os.PathLike[str], args: Mapping[str, Any]) -> list[list[str]]:
    """Render the template `path` with `args`; returns its lines as lists of words, without blank ones and comments.

    Raises ValueError for a line whose quotes do not match, and what mako raises.
    """
    text: str = mako.template.Template(filename=os.fspath(path)).render(**args)
    # A backslash at the end of a line continues it.
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


class Script:
    """The commands `script` (lists of words), to be run once by calling the object.

    `install` takes its files from the tree `build`; everything else is about `tree`. Paths are absolute from these, and
    patterns where that makes sense. A command that begins with ``-`` may fail. Raises ValueError for an unknown command,
    OSError, subprocess.CalledProcessError.
    """

    def __init__(
        self, script: Sequence[Sequence[str]], build: str | os.PathLike[str], tree: str | os.PathLike[str]
    ) -> None:
        self.script = script
        self.build = os.fspath(build)
        self.tree = os.fspath(tree)
        self.commands: dict[str, Callable[..., None]] = {
            "append": self.append,
            "mkdir": self.mkdir,
            "move": self.move,
            "install": self.install,
            "remove": self.remove,
            "replace": self.replace,
            "runcmd": self.runcmd,
            "symlink": self.symlink,
            "systemctl": self.systemctl,
            "removepkg": self.removepkg,
            "removefrom": self.removefrom,
            "removekmod": self.removekmod,
        }

    def __call__(self) -> None:
        for words in self.script:
            name, *args = words
            ignore = name.startswith("-")
            command = self.commands.get(name.lstrip("-"))
            if command is None:
                raise ValueError(f"Unknown command: '{name.lstrip('-')}'")
            print(" ".join(words))
            try:
                command(*args)
            except Exception as error:
                if not ignore:
                    raise
                print(f"ignored: {error}")

    def _below(self, path: str) -> str:
        """Where `path` is in the tree: its directory without links that lead out, itself as it is."""
        directory, name = os.path.split(os.path.normpath("/" + path))
        return join_abs(resolve_in(self.tree, directory), name)

    def _matches(self, pattern: str) -> list[str]:
        return [self._below(os.path.relpath(path, self.tree)) for path in rglob(join_abs(self.tree, pattern))]

    def append(self, filename: str, *data: str) -> None:
        with open(resolve_in(self.tree, filename), "a", encoding="utf-8") as file:
            file.write(" ".join(data) + "\n")

    def mkdir(self, *dirs: str) -> None:
        for name in dirs:
            os.makedirs(resolve_in(self.tree, name), exist_ok=True)

    def move(self, src: str, dst: str) -> None:
        shutil.move(self._below(src), resolve_in(self.tree, dst))

    def install(self, src: str, dst: str) -> None:
        target = resolve_in(self.tree, dst)
        for path in rglob(join_abs(self.build, src), fatal=True):
            subprocess.run(["cp", "-a", "--reflink=auto", "--", path, target], check=True)

    def remove(self, *files: str) -> None:
        for pattern in files:
            for path in self._matches(pattern):
                _remove(path)

    def replace(self, pat: str, repl: str, *files: str) -> None:
        found = False
        for pattern in files:
            for path in glob.iglob(join_abs(self.tree, pattern)):
                found = True
                replace(resolve_in(self.tree, os.path.relpath(path, self.tree)), [(pat, repl)])
        if not found:
            raise OSError(f"nothing matching {' '.join(files)}")

    def runcmd(self, *cmd: str) -> None:
        subprocess.run(["chroot", self.tree, *cmd], check=True)

    def symlink(self, target: str, dest: str) -> None:
        path = self._below(dest)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.symlink(target, path)

    def systemctl(self, verb: str, *units: str) -> None:
        if verb not in ("enable", "disable", "mask"):
            raise ValueError(f"systemctl: '{verb}' is not one of enable, disable, mask")
        self.runcmd("systemctl", "--no-reload", verb, *units)

    def removepkg(self, *pkgs: str) -> None:
        """Remove the files of packages, not their entries in the database."""
        for pkg in pkgs:
            for name in self._files_of(pkg):
                _remove(self._below(name), directories=False)

    def removefrom(self, pkg: str, *globs: str) -> None:
        """Remove those files of a package that match; with ``--allbut`` the others."""
        import fnmatch

        words = list(globs)
        keep = "--allbut" in words
        patterns = [word for word in words if word != "--allbut"]
        if not patterns:
            raise ValueError("removefrom needs a pattern")
        for name in self._files_of(pkg):
            matched = any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
            if matched is not keep:
                _remove(self._below(name), directories=False)

    def removekmod(self, *globs: str) -> None:
        """Remove kernel modules below ``/lib/modules/*`` whose path matches; those after ``--allbut`` stay."""
        import fnmatch

        words = list(globs)
        split = words.index("--allbut") if "--allbut" in words else len(words)
        wanted, spared = words[:split], words[split + 1 :]
        found = False
        for top in glob.glob(join_abs(self.tree, "/lib/modules/*/kernel")):
            for directory, _ignored, files in os.walk(top):
                for name in files:
                    path = os.path.join(directory, name)
                    relative = os.path.relpath(path, top)
                    if not any(fnmatch.fnmatch(relative, f"*{pattern}*") for pattern in wanted):
                        continue
                    found = True
                    if not any(fnmatch.fnmatch(relative, f"*{pattern}*") for pattern in spared):
                        os.unlink(self._below(os.path.relpath(path, self.tree)))
        if not found:
            raise OSError(f"no kernel module matches {' '.join(wanted)}")

    def _files_of(self, pkg: str) -> list[str]:
        """What the tree's own package manager says is in a package: dpkg's, else RPM's."""
        dpkg = os.path.isdir(join_abs(self.tree, "/var/lib/dpkg"))
        query = ["dpkg-query", f"--root={self.tree}", "-L", pkg] if dpkg else ["rpm", "--root", self.tree, "-ql", pkg]
        result = subprocess.run(query, stdout=subprocess.PIPE, text=True, check=True)
        return [line for line in result.stdout.splitlines() if line.startswith("/") and line != "/."]


def _remove(path: str, *, directories: bool = True) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        if directories:
            shutil.rmtree(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
