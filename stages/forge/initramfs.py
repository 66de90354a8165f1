# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""One initramfs per kernel at the end, instead of one per kernel script and one more per trigger.

While packages are configured `update-initramfs` is covered by a script that only writes down what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from . import command, cover
from .errors import StageError
from .root import SCRATCH

_PROGRAM = "/usr/sbin/update-initramfs"
_REAL = f"{SCRATCH}/update-initramfs"
_COVER = f"{SCRATCH}/later"
_REQUESTS = f"{SCRATCH}/initramfs.requests"

_SCRIPT = f"""#!/bin/sh
# Answers what asks (--version, --help) and what deletes; writes down what creates or updates.
for word; do
    case "$word" in
        -c|-u) printf '%s\\n' "$*" >>{_REQUESTS}; echo "update-initramfs: later, once for all"; exit 0 ;;
    esac
done
exec {_REAL} "$@"
"""


def _requests() -> list[list[str]]:
    """What to run: every image asked for once; an update of what is made anyway is left out."""
    try:
        with open(_REQUESTS, encoding="utf-8") as file:
            asked = [line.split() for line in file]
    except FileNotFoundError:
        return []
    created = []
    for words in asked:
        if "-c" in words and words not in created:
            created.append(words)
    return created or [["-u"] if "-k" not in asked[-1] else asked[-1]]


@contextmanager
def covered() -> Iterator[None]:
    """Over the body images are only asked for; `make` makes them. Nothing at all in a tree without initramfs-tools.

    The body must not replace the program itself, so nothing that brings it is unpacked there.
    """
    with cover.covered(_PROGRAM, _SCRIPT, _COVER, _REAL):
        yield


def make(env: Mapping[str, str]) -> None:
    """Make what was asked for while `covered`. Raises StageError when an image cannot be made."""
    for words in _requests():
        finished = command.run(["update-initramfs", *words], env)
        if finished.status:
            raise StageError(f"update-initramfs {' '.join(words)} failed with exit status {finished.status}"
                             f"{finished.quoted()}")


@contextmanager
def deferred(env: Mapping[str, str]) -> Iterator[None]:
    """Defer initramfs images over the body, which unpacks nothing, then make them. Raises StageError when one cannot be made."""
    with covered():
        yield
    make(env)
