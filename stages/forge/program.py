# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Run programs of the build root: a missing one is named together with the Debian package that has it."""

from __future__ import annotations

import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run(argv: Sequence[str], package: str, *, secret: str | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run `argv`, its output going to the log; `secret` is written to its standard input and nowhere else.

    Raises RuntimeError if there is no such program, CalledProcessError if it fails.
    """
    try:
        if secret is None:
            subprocess.run(list(argv), stdin=subprocess.DEVNULL, env=env, check=True)
        else:
            subprocess.run(list(argv), input=secret.encode("utf8", "surrogateescape"), env=env, check=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"the build root has no {argv[0]}: add the Debian package {package} to it") from error
