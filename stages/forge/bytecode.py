# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Byte code of Python packages at the end, by one process, instead of five processes for each package.

While packages are configured `py3compile` is covered by a script that writes down for which package it was called. At the
end the tree's own py3compile says which files these are, and one interpreter compiles them. Calls of another kind are run at
once.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from . import command, cover
from .errors import StageError
from .root import SCRATCH

_PROGRAM = "/usr/bin/py3compile"
_REAL = f"{SCRATCH}/py3compile"
_COVER = f"{SCRATCH}/py3compile.later"
_REQUESTS = f"{SCRATCH}/py3compile.requests"
_BATCH = f"{SCRATCH}/py3compile.batch"

_SCRIPT = f"""#!/bin/sh
case "$1" in
    -p) printf '%s\\0' "$@" >>{_REQUESTS}; printf '\\n' >>{_REQUESTS}; exit 0 ;;
esac
exec {_REAL} "$@"
"""

# What the program does with each file is kept: the name goes to an interpreter of the version it must be compiled by. Only
# that there is one for each call is not.
COMPILE = """
import subprocess, sys
name, requests = sys.argv[1:]
with open(name, encoding="utf-8") as file:
    program = {"__name__": "py3compile", "exit": sys.exit}
    exec(compile(file.read(), name, "exec"), program)
names = {}
def collect(version, optimize, workers):
    if not isinstance(version, str):
        version = program["vrepr"](version)
    wanted = names.setdefault((version, bool(optimize)), {})
    while True:
        wanted[(yield)] = None
program["py_compile"] = collect
with open(requests, encoding="utf-8", errors="surrogateescape") as file:
    calls = list(dict.fromkeys(tuple(line.split("\\0")[:-1]) for line in file))
failed = 0
for call in calls:
    program["STDINS"].clear()
    sys.argv = [name, *call]
    try:
        program["main"]()
    except SystemExit as end:
        if end.code:
            print("py3compile", *call, "failed with exit status", end.code)
            failed = 1
for (version, optimize), wanted in names.items():
    if wanted:
        argv = ["/usr/bin/python" + version, *(["-O"] if optimize else []), "-m", "py_compile", "-"]
        text = "".join(name + "\\n" for name in wanted)
        failed |= subprocess.run(argv, input=text.encode("utf-8")).returncode
sys.exit(failed)
"""


@dataclass
class Compiling:
    """The byte code that is being made."""

    process: subprocess.Popen[bytes] | None

    def finish(self) -> None:
        """Wait for it. StageError with the compiler's output when a file cannot be compiled."""
        if self.process is None:
            return
        said = self.process.communicate()[0].decode("utf-8", "replace")
        print(said, end="")
        if self.process.returncode:
            finished = command.Finished(self.process.returncode, said.splitlines()[-command.TAIL:])
            raise StageError(f"py3compile failed with exit status {finished.status}{finished.quoted()}")


@contextmanager
def deferred() -> Iterator[None]:
    """Defer byte code over the body; `start` makes it. Nothing at all in a tree without py3compile."""
    with cover.covered(_PROGRAM, _SCRIPT, _COVER, _REAL):
        yield


def start(env: Mapping[str, str]) -> Compiling:
    """Begin to make what was asked for while `deferred`."""
    if not os.path.exists(_REQUESTS):
        return Compiling(None)
    with open(_BATCH, "w", encoding="utf-8") as file:
        file.write(COMPILE)
    return Compiling(subprocess.Popen(
        ["python3", _BATCH, _PROGRAM, _REQUESTS], executable="/usr/bin/python3", env=dict(env), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ))
