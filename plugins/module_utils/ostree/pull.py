# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Pulling commits from a remote, or from a peer that has them already."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import OstreeError
from ..packages.model import Package
from . import packages, refs, remotes
from .program import CHECKSUM, attempt, explain
from .repository import Repository


@dataclass
class Pulled:
    """What was pulled from where; ``url`` is None for the remote's own. ``failures``: places tried before."""

    commit: str
    url: str | None
    failures: list[str] = field(default_factory=list)


def _target(ref: str | None, commit: str | None) -> str:
    if commit is not None and CHECKSUM.fullmatch(commit) is None:
        raise OstreeError(f"commit '{commit}' is no checksum; that is 64 hexadecimal digits")
    if ref and commit:
        return f"{ref}@{commit}"
    found = ref or commit
    if not found:
        raise OstreeError("neither ref nor commit says what to pull")
    return found


def pull(
    repository: Repository,
    remote: str,
    ref: str | None,
    commit: str | None = None,
    urls: Sequence[str] = (),
    words: Sequence[str] = (),
) -> Pulled:
    """Pull from the first of *urls* that has it, at last from the remote itself.

    What a peer sends is verified with the keys of the remote all the same.

    :raises OstreeError: nobody has it; SignatureError when the last of them sent what is not to be trusted.
    """
    if remote not in remotes.names(repository):
        there = ", ".join(remotes.names(repository)) or "none"
        raise OstreeError(
            f"{repository.path} has no remote {remote} (there is {there}); the role ostree_client sets one up"
        )
    target = _target(ref, commit)
    failures: list[str] = []
    for url in (*urls, None):
        extra = [f"--url={url}"] if url else []
        done = attempt(["pull", *extra, *words, remote, target], repository.path)
        if done.returncode == 0:
            rev = commit or f"{remote}:{ref}"
            return Pulled(refs.require(repository, rev), url, failures)
        error = explain(done.stderr)
        if url is None:
            raise type(error)(f"{target} cannot be pulled from remote {remote}: {error}")
        failures.append(f"{url}: {error}")
    raise AssertionError("the loop ends with the remote itself")


@contextlib.contextmanager
def preview(repository: Repository, remote: str) -> Iterator[Repository]:
    """A repository for looking at what a remote has: same remote and keys, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="forge-ostree-") as place:
        made = Repository(Path(place) / "repo")
        made.create("bare-user")
        group = f'remote "{remote}"'
        for key, value in repository.settings().get(group, {}).items():
            made.set(group, key, value)
        source = remotes.keyring(repository, remote)
        if source.exists():
            shutil.copyfile(source, remotes.keyring(made, remote))
        yield made


def remote_commit(
    repository: Repository, remote: str, ref: str | None, commit: str | None = None, urls: Sequence[str] = ()
) -> str:
    """The commit that pulling would bring, its signature verified."""
    with preview(repository, remote) as made:
        return pull(made, remote, ref, commit, urls, ["--commit-metadata-only"]).commit


def remote_packages(
    repository: Repository, remote: str, ref: str | None, commit: str, urls: Sequence[str] = ()
) -> list[Package] | None:
    """Packages of a commit that is not here yet, by pulling nothing but dpkg's database."""
    with preview(repository, remote) as made:
        for place in packages.PLACES:
            directory = place.rpartition("/")[0]
            try:
                pull(made, remote, ref, commit, urls, [f"--subpath={directory}"])
            except OstreeError:
                continue
            found = packages.of_commit(made, commit)
            if found is not None:
                return found
    return None
