# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Remotes: where a repository pulls from, and whose signatures it believes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import OstreeError
from .program import run
from .repository import Repository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# A digest of the key files that were imported: what libostree keeps of them cannot be compared with a file.
_KEYS = "forge-keys"


@dataclass(frozen=True)
class Remote:
    """What a remote shall be; ``settings`` are further keys of its group in the config."""

    name: str
    url: str = ""
    gpg_verify: bool = True
    gpg_verify_summary: bool = False
    gpg_keys: tuple[Path, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str:
        return f'remote "{self.name}"'

    def wanted(self) -> dict[str, str]:
        def word(value: bool) -> str:
            return "true" if value else "false"

        found = {
            "url": self.url,
            "gpg-verify": word(self.gpg_verify),
            "gpg-verify-summary": word(self.gpg_verify_summary),
            **self.settings,
        }
        return found | ({_KEYS: _digest(self.gpg_keys)} if self.gpg_keys else {})


def _digest(paths: tuple[Path, ...]) -> str:
    made = hashlib.sha256()
    for path in paths:
        try:
            made.update(path.read_bytes())
        except OSError as exc:
            raise OstreeError(f"gpg_keys: {path} cannot be read: {exc.strerror}") from exc
    return made.hexdigest()


def names(repository: Repository) -> list[str]:
    return [name[8:-1] for name in repository.settings() if name.startswith('remote "')]


def keyring(repository: Repository, name: str) -> Path:
    return repository.path / f"{name}.trustedkeys.gpg"


def check(remote: Remote) -> Remote:
    """The remote.  Raises OstreeError when it cannot work."""
    if _NAME.fullmatch(remote.name) is None:
        raise OstreeError(f"remotes: '{remote.name}' is no name for a remote; use letters, digits and ._-")
    if not re.match(r"(https?|file)://", remote.url):
        raise OstreeError(
            f"remotes: url of {remote.name} is '{remote.url}'; it must begin with http://, https:// or file://"
        )
    return remote


def differences(repository: Repository, remote: Remote) -> dict[str, tuple[str | None, str | None]]:
    """Settings that are not as wanted: what is there, and what shall be."""
    there = repository.settings().get(remote.group, {})
    wanted = remote.wanted()
    found: dict[str, tuple[str | None, str | None]] = {
        key: (there.get(key), value) for key, value in wanted.items() if there.get(key) != value
    }
    if remote.gpg_keys and not keyring(repository, remote.name).exists():
        found[_KEYS] = (None, wanted[_KEYS])
    if not remote.gpg_keys and _KEYS in there:
        found[_KEYS] = (there[_KEYS], None)
    return found


def apply(repository: Repository, remote: Remote) -> None:
    """Have the remote as wanted."""
    changes = differences(repository, remote)
    wanted = {key: value for key, (_there, value) in changes.items() if key != _KEYS}
    if _KEYS in changes and keyring(repository, remote.name).exists():
        # Keys that are no longer wanted must not stay trusted, and they go with the remote.
        there = repository.settings().get(remote.group, {})
        remove(repository, remote.name)
        wanted = {**{key: value for key, value in there.items() if key != _KEYS}, **wanted}
    for key, value in wanted.items():
        repository.set(remote.group, key, value)
    for path in remote.gpg_keys if _KEYS in changes else ():
        run("remote", "gpg-import", f"--keyring={path}", remote.name, repo=repository.path)
    if _KEYS in changes and (remote.gpg_keys or _KEYS in repository.settings().get(remote.group, {})):
        repository.set(remote.group, _KEYS, changes[_KEYS][1])


def remove(repository: Repository, name: str) -> None:
    run("remote", "delete", "--if-exists", name, repo=repository.path)
    # Only libostree writes to the repository of a running system: it is mounted read-only, and libostree knows how to
    # have it otherwise. So nothing is unlinked that it has removed.
    ring = keyring(repository, name)
    if ring.exists():
        ring.unlink()
