# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The one place that runs ostree(1)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import OstreeError, SignatureError

CHECKSUM = re.compile(r"[0-9a-f]{64}")

_TAIL = 2000
# Words of libostree, and what they mean for somebody who did not call it; the first that is found counts.
_SIGNATURE = (
    ("no signatures found", "the commit is not signed, and the remote demands signatures"),
    ("BAD signature", "the signature does not fit the commit: it was altered after signing, or damaged"),
    ("public key not found", "the commit is signed, but by none of the keys that the remote trusts"),
    ("expired", "the key that signed the commit has expired"),
    ("revoked", "the key that signed the commit was revoked"),
    ("Can't check signature", "the commit's signature cannot be checked with the keys that the remote trusts"),
    ("no signatures", "the commit is not signed, and the remote demands signatures"),
)
_SPEAKS_OF_SIGNATURES = re.compile(r"GPG|[Ss]ignature")
_BINDING = re.compile(r"Commit has no requested ref .(?P<ref>[^\u2018\u2019'\"]+?). in ref binding metadata")


def environment() -> dict[str, str]:
    """Messages in English and dates in UTC, whatever the host's language."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def error_line(stderr: str) -> str:
    """What ostree says went wrong, on one line."""
    _ignored, found, text = stderr.rpartition("error: ")
    lines = [line.strip() for line in (text if found else stderr)[-_TAIL:].splitlines() if line.strip()]
    return "; ".join(lines) or "it gave no reason"


def explain(stderr: str) -> OstreeError:
    """The exception for what ostree wrote to standard error."""
    line = error_line(stderr)
    if _SPEAKS_OF_SIGNATURES.search(line):
        for words, meaning in _SIGNATURE:
            if words in line:
                return SignatureError(f"signature refused: {meaning} ({line})")
    if binding := _BINDING.search(line):
        return OstreeError(
            f"the commit was not made for ref {binding['ref']}; promote it with the module ostree_ref, which makes a commit "
            f"of the same content for that ref ({line})"
        )
    return OstreeError(line)


def program() -> str:
    """Path of ostree(1)."""
    found = shutil.which("ostree")
    if found is None:
        raise OstreeError("there is no program ostree on this host; install the package ostree")
    return found


def attempt(
    arguments: Sequence[str], repo: Path | None = None, sysroot: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ostree and return what came of it, whatever that is.

    :param arguments: the words before any ``--repo`` or ``--sysroot``.
    """
    argv = [program(), *arguments]
    argv += [f"--repo={repo}"] if repo is not None else []
    argv += [f"--sysroot={sysroot}"] if sysroot is not None else []
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment(),
        check=False,
    )


def run(*arguments: str, repo: Path | None = None, sysroot: Path | None = None) -> str:
    """Standard output of ostree.

    :raises OstreeError: it failed; SignatureError when a signature was the reason.
    """
    done = attempt(arguments, repo, sysroot)
    if done.returncode:
        raise explain(done.stderr)
    return done.stdout


def features() -> tuple[str, frozenset[str]]:
    """Version of ostree, and what it was built with."""
    text = run("--version")
    version = re.search(r"Version: '?([^'\s]+)", text)
    return version[1] if version else "", frozenset(re.findall(r"^\s+- (\S+)$", text, re.MULTILINE))


def has_admin_command(name: str) -> bool:
    """Whether ``ostree admin NAME`` exists: Debian 12 has neither set-default nor rollback."""
    return re.search(rf"^  {re.escape(name)}\s", run("admin", "--help"), re.MULTILINE) is not None
