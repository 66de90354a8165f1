# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Running a user's script: every command shown, the first that fails ends it, the failure in one sentence.

Source: bash(1) and dash(1), "set" and PS4.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import command
from .errors import StageError

_TRACE = re.compile(r"\++ line (\d+|\?): (.*)")
# bash does not take PS4 from the environment of root, so it is set before the script is read. Sourcing keeps its line
# numbers (Debian's dash has none); the name and the arguments are those of the call.
_PRELUDE = "PS4='+ line ${LINENO-?}: '; set -x; . \"$0\""
#: Options of the shells: end at failures and at unset variables, in bash in pipes too.
_STRICT = {"bash": ["-euo", "pipefail"], "sh": ["-eu"]}
_SHELL_LINE = re.compile(rb"#![ \t]*(?:/usr)?/bin/(?:env[ \t]+)?(bash|sh|dash)[ \t]*")


@dataclass(frozen=True)
class How:
    """Where and how: environment, working directory, shell ("bash", "sh" or "auto"), whether failures end the script."""

    env: Mapping[str, str]
    directory: str
    shell: str = "auto"
    strict: bool = True


def _find(shell: str) -> str:
    """Path of the shell, by the root directory of this process."""
    for name in ("bash", "sh") if shell == "auto" else (shell,):
        for folder in ("/usr/bin", "/bin"):
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
    raise StageError(f"option shell is {shell!r}, but there is no such shell where the script is to run")


def _ended(status: int) -> str:
    if status >= 0:
        return f"failed with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _run(what: str, argv: Sequence[str], how: How) -> None:
    last: list[tuple[str, str]] = []

    def line(text: str) -> None:
        if found := _TRACE.match(text):
            last[:] = [(found[1], found[2])]

    try:
        finished = command.run(argv, how.env, line=line, directory=how.directory)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise StageError(f"{what} cannot be started: {error.strerror or 'not found'} ({error.filename or argv[0]})") from None
    if finished.status:
        place = f" at line {last[0][0]} ({last[0][1]})".replace("line ? ", "the command ") if last else ""
        raise StageError(f"{what} {_ended(finished.status)}{place}{finished.quoted()}")


def run_commands(commands: Sequence[str], how: How) -> None:
    """Run each command in a shell of its own. StageError naming the first that fails."""
    shell = _find(how.shell)
    flags = [*_STRICT[os.path.basename(shell)], "-x"] if how.strict else ["-x"]
    for number, text in enumerate(commands, 1):
        _run(f"command {number} of {len(commands)} ({text.strip()!r})", [shell, *flags, "-c", text], how)


def run_script(what: str, path: str, arguments: Sequence[str], how: How) -> None:
    """Run the script at `path`: one of a shell by the shell, strictly, any other by the interpreter it names.

    what: how messages call it. StageError naming line and command of the failure where a shell shows them.
    """
    with open(path, "rb") as file:
        first = file.readline(256).rstrip(b"\r\n")
    found = _SHELL_LINE.fullmatch(first)
    if first.startswith(b"#!") and (not how.strict or not found):
        # As the kernel does it: the file's own first line says with what.
        os.chmod(path, 0o755)
        _run(what, [path, *arguments], how)
        return
    shell = _find(how.shell if found is None or how.shell != "auto" else found[1].decode().replace("dash", "sh"))
    flags = _STRICT[os.path.basename(shell)] if how.strict else []
    _run(what, [shell, *flags, "-c", _PRELUDE, path, *arguments], how)
