# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Signatures of commits: GPG, and Ed25519 where ostree was built with it.

Secret keys stay in files that ostree and gpg read themselves.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import OstreeError, SignatureError
from .program import attempt, environment, error_line, explain, run
from .repository import Repository

_KEY_ID = re.compile(r"key ID ([0-9A-F]{8,40})")
_NOT_BUILT_IN = "Requested signature type is not implemented"


@dataclass(frozen=True)
class GpgKey:
    """A secret key in a GNUPGHOME; ``ids`` are the fingerprints of it and its subkeys."""

    home: Path
    fingerprint: str
    ids: frozenset[str] = field(default=frozenset())

    def made(self, key_id: str) -> bool:
        """Whether a signature of that key id is one of this key."""
        return any(one.endswith(key_id) for one in self.ids)


def gpg_key(home: Path, name: str | None = None) -> GpgKey:
    """The secret key of that name, id or fingerprint; without one the only secret key there is.

    :raises OstreeError: there is none, or which one is not clear.
    """
    program = shutil.which("gpg")
    if program is None:
        raise OstreeError("there is no program gpg on this host; install the package gpg")
    if not home.is_dir():
        raise OstreeError(f"gpg_home {home} is no directory")
    argv = [
        program,
        "--homedir",
        str(home),
        "--batch",
        "--with-colons",
        "--list-secret-keys",
        *([name] if name else []),
    ]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment(),
        check=False,
    )
    keys: list[list[str]] = []
    for line in done.stdout.splitlines():
        fields = line.split(":")
        if fields[0] == "sec":
            keys.append([])
        elif fields[0] == "fpr" and keys:
            keys[-1].append(fields[9])
    wanted = f"key {name}" if name else "key"
    if not keys:
        raise OstreeError(f"gpg_home {home} has no secret {wanted}")
    if len(keys) > 1:
        raise OstreeError(
            f"gpg_home {home} has {len(keys)} secret keys that fit; say which with gpg_key, by fingerprint"
        )
    return GpgKey(home, keys[0][0], frozenset(keys[0]))


def key_ids(repository: Repository, commit: str) -> list[str]:
    """Ids of the GPG keys that signed a commit, whether trusted or not."""
    return list(dict.fromkeys(_KEY_ID.findall(run("show", commit, repo=repository.path))))


def is_signed(repository: Repository, commit: str, key: GpgKey) -> bool:
    return any(key.made(one) for one in key_ids(repository, commit))


def sign(repository: Repository, commit: str, key: GpgKey) -> bool:
    """Add the key's signature; returns whether it was missing."""
    if is_signed(repository, commit, key):
        return False
    run("gpg-sign", f"--gpg-homedir={key.home}", commit, key.fingerprint, repo=repository.path)
    return True


def verify(repository: Repository, commit: str, remote: str) -> None:
    """Check a commit against the keys that a remote of the repository trusts.  Raises SignatureError."""
    done = attempt(["show", f"--gpg-verify-remote={remote}", commit], repository.path)
    if done.returncode:
        raise explain(done.stderr)
    if "Good signature" in done.stdout:
        return
    _ignored, found, text = done.stdout.partition("Found ")
    if not found:
        raise SignatureError(f"signature refused: commit {commit} is not signed")
    said = "; ".join(line.strip() for line in text.splitlines()[1:] if line.strip())
    raise SignatureError(f"signature refused: commit {commit} has no good signature: {said}")


def require_ed25519(repository: Repository, commit: str) -> None:
    """Raises OstreeError where this host's ostree cannot make Ed25519 signatures."""
    done = attempt(["sign", "--verify", "--sign-type=ed25519", commit], repository.path)
    if done.returncode and _NOT_BUILT_IN in done.stderr:
        raise OstreeError(
            "this host's ostree was built without Ed25519 (Debian 12 and 13 have it so); sign with GPG (gpg_home), which every "
            "client can verify"
        )


def sign_ed25519(repository: Repository, commit: str, key_file: Path) -> None:
    """Add the signature of the secret key in a file, base64 on one line."""
    if not key_file.is_file():
        raise OstreeError(f"ed25519_key_file {key_file} is no file")
    done = attempt(["sign", "--sign-type=ed25519", f"--keys-file={key_file}", commit], repository.path)
    if done.returncode:
        raise OstreeError(f"commit {commit} could not be signed with {key_file}: {error_line(done.stderr)}")
