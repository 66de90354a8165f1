# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Signatures of commits: Ed25519 in the commit's detached metadata, GPG through ostree.

`ostree sign` takes a secret key as an argument, where every process can read it, or from a file only in releases that
Debian 12 does not have. The signature itself is simple, so it is made here and works with every ostree.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from . import gvariant, ostreerepo
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ed25519 import Key

ED25519 = "ostree.sign.ed25519"


def add_ed25519(repo: str, commit: str, key: Key) -> None:
    """Sign `commit`, which is in `repo`; other signatures stay."""
    if not any(ostreerepo.has_feature(name) for name in ("sign-ed25519", "libsodium")):
        print("warning: the ostree of the build root cannot verify Ed25519 signatures; one like it on a system could not either")
    path = os.path.join(repo, "objects", commit[:2], f"{commit[2:]}.commit")
    meta = f"{path}meta"
    entries: dict[str, bytes] = {}
    try:
        if os.path.exists(meta):
            with open(meta, "rb") as file:
                entries = gvariant.unpack_dictionary(file.read())
        signatures = gvariant.unpack_strings(entries[ED25519]) if ED25519 in entries else []
    except ValueError as error:
        raise StageError(f"the detached metadata of commit {commit} cannot be read: {error}") from None
    signature = key.sign(path)
    if signature in signatures:
        return
    entries[ED25519] = gvariant.pack_strings([*signatures, signature])
    new = f"{meta}.new"
    with open(new, "wb") as file:
        file.write(gvariant.pack_dictionary(entries))
    os.rename(new, meta)


@contextmanager
def gpg_home(keys: str) -> Iterator[tuple[str, list[str]]]:
    """A GnuPG home in memory with the secret keys of the file `keys`: its path and their fingerprints."""
    with tempfile.TemporaryDirectory(dir="/run" if os.path.ismount("/run") else None, prefix="gpg") as home:
        words = ["gpg", "--batch", "--no-tty", "--homedir", home]
        try:
            done = subprocess.run([*words, "--import", keys], capture_output=True, text=True, errors="replace", check=False)
            listed = subprocess.run(
                [*words, "--list-secret-keys", "--with-colons"], capture_output=True, text=True, errors="replace", check=False
            )
        except FileNotFoundError:
            raise StageError("the build root has no `gpg` program; install the packages gpg and gpg-agent there") from None
        try:
            lines = [line.split(":") for line in listed.stdout.splitlines()]
            # The fingerprint after a `sec` line is the primary key's, later ones are of subkeys.
            found = [after[9] for line, after in zip(lines, lines[1:], strict=False) if line[0] == "sec" and after[0] == "fpr"]
            if done.returncode != 0 or not found:
                reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
                raise StageError(f"sign.gpg.key: the file holds no usable secret key; gpg says: {reason}")
            yield home, found
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)
