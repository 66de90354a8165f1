# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Refs of a repository: names that lead to commits."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import OstreeError
from .program import CHECKSUM, attempt, error_line, run
from .repository import Repository

# As libostree has it: parts of letters, digits, dot, dash and underscore.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")

#: A ref that libostree makes itself, with the summary of a repository that has a collection id.
METADATA = "ostree-metadata"


def check_name(ref: str, what: str = "ref") -> str:
    """The ref.  Raises OstreeError when it cannot be one."""
    if _NAME.fullmatch(ref) is None or CHECKSUM.fullmatch(ref):
        raise OstreeError(
            f"{what} '{ref}' is no name for a ref; it is made of letters, digits and ._- in parts between slashes, like "
            "debian/13/amd64/edge"
        )
    return ref


def heads(repository: Repository) -> dict[str, str]:
    """The repository's own refs and their commits, in the order of names; refs of remotes are not among them."""
    root = repository.path / "refs" / "heads"
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            text = path.read_text(encoding="ascii", errors="replace").strip()
            if CHECKSUM.fullmatch(text):
                found[str(path.relative_to(root))] = text
    found.pop(METADATA, None)
    return dict(sorted(found.items()))


def resolve(repository: Repository, rev: str) -> str | None:
    """The commit of a ref, REMOTE:REF, checksum or REV^; None where there is no such thing."""
    done = attempt(["rev-parse", rev], repository.path)
    return done.stdout.strip() if done.returncode == 0 else None


def require(repository: Repository, rev: str, what: str = "commit") -> str:
    """The commit of a rev.  Raises OstreeError where there is none."""
    done = attempt(["rev-parse", rev], repository.path)
    if done.returncode:
        raise OstreeError(f"{what} {rev} is not in {repository.path}: {error_line(done.stderr)}")
    found = done.stdout.strip()
    if not repository.has_commit(found):
        raise OstreeError(f"{what} {rev} is not in {repository.path}: its commit {found} is missing")
    return found


def move(repository: Repository, ref: str, commit: str) -> None:
    """Have the ref lead to the commit; libostree replaces its file by rename."""
    run("refs", f"--create={check_name(ref)}", "--force", commit, repo=repository.path)


def delete(repository: Repository, ref: str) -> None:
    # "ostree refs --delete" takes a prefix: other refs would go too.
    path = repository.path / "refs" / "heads" / check_name(ref)
    below = [name for name in heads(repository) if name.startswith(f"{ref}/")]
    if below:
        raise OstreeError(f"ref {ref} cannot be deleted while there is {below[0]}")
    if not path.is_file():
        raise OstreeError(f"ref {ref} is not in {repository.path}")
    run("refs", "--delete", ref, repo=repository.path)
    _remove_empty(path.parent, repository.path / "refs" / "heads")


def _remove_empty(place: Path, root: Path) -> None:
    """Remove directories that a deleted ref leaves empty: they would be in the way of a ref of their name."""
    while place != root and place.is_dir() and not any(place.iterdir()):
        place.rmdir()
        place = place.parent
