# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Run programs of the entered tree: complete environment, output passed on as it comes and kept for messages."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from .errors import StageError

#: Lines of output a message may quote.
TAIL = 12


@dataclass
class Finished:
    """Exit status and the last lines of output."""

    status: int
    tail: list[str]

    def quoted(self) -> str:
        """The output for the end of a sentence."""
        text = " / ".join(line.strip() for line in self.tail if line.strip())
        return f"; its output: {text}" if text else ", without output"


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What maintainer scripts see: nothing of the host but the build's epoch, plus `extra`."""
    result = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "TZ": "UTC",
        "DEBIAN_FRONTEND": "noninteractive",
        "DEBCONF_NONINTERACTIVE_SEEN": "true",
        "DEBCONF_NOWARNINGS": "yes",
    }
    if "SOURCE_DATE_EPOCH" in os.environ:
        result["SOURCE_DATE_EPOCH"] = os.environ["SOURCE_DATE_EPOCH"]
    result.update(extra)
    return result


def _start(
    argv: Sequence[str], program: str, env: Mapping[str, str], stdin: IO[bytes], directory: str | None = None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv), executable=program, env=dict(env), stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, cwd=directory,
        )
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        raise StageError(f"{program} of the tree cannot run on this machine ({os.uname().machine}): it is built for another "
                         "architecture, or no program at all") from None


def run(
    argv: Sequence[str], env: Mapping[str, str], *, line: Callable[[str], None] | None = None, quiet: bool = False,
    text: str = "", directory: str | None = None,
) -> Finished:
    """Run `argv` in a session of its own, with `text` as its input, in `directory`; `line` sees each line of its output (both streams).

    FileNotFoundError when the tree has no such program; StageError when it is none for this machine.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    program = argv[0]
    if "/" not in program:
        found = next((f"{place}/{program}" for place in env["PATH"].split(":") if os.access(f"{place}/{program}", os.X_OK)),
                     None)
        if found is None:
            raise FileNotFoundError(program)
        program = found
    given = os.memfd_create("input")
    os.write(given, text.encode("utf-8", "surrogateescape"))
    os.lseek(given, 0, os.SEEK_SET)
    with open(given, "rb") as stdin, _start(argv, program, env, stdin, directory) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            said = raw.decode("utf-8", "replace").rstrip("\n")
            tail.append(said)
            if not quiet:
                sys.stdout.write(said + "\n")
            if line is not None:
                line(said)
    sys.stdout.flush()
    return Finished(process.returncode, list(tail))
