# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The summary: the list of refs and deltas that clients read first, and believe before the refs themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import deltas, refs
from .program import attempt, run
from .repository import Repository
from .signatures import GpgKey

# With a collection id refs are shown as "(com.example.Edge, debian/13/amd64/edge)".
_REF = re.compile(
    r"^\* (?:\([^,\n]+, )?(?P<ref>[^\s()]+)\)?\n\s+Latest Commit[^\n]*:\n\s+(?P<commit>[0-9a-f]{64})$", re.MULTILINE
)
_DELTA = re.compile(r"'((?:[0-9a-f]{64}-)?[0-9a-f]{64})':")


@dataclass(frozen=True)
class Summary:
    """What a summary says."""

    refs: dict[str, str]
    deltas: frozenset[str]


def parse(text: str) -> Summary:
    """Of what ``ostree summary --view`` prints."""
    found = {match["ref"]: match["commit"] for match in _REF.finditer(text) if match["ref"] != refs.METADATA}
    line = next((line for line in text.splitlines() if line.startswith("Static Deltas ")), "")
    return Summary(found, frozenset(_DELTA.findall(line)))


def read(repository: Repository) -> Summary | None:
    """The repository's summary; None when there is none that can be read."""
    if not (repository.path / "summary").is_file():
        return None
    done = attempt(["summary", "--view"], repository.path)
    return parse(done.stdout) if done.returncode == 0 else None


def is_current(repository: Repository, key: GpgKey | None = None) -> bool:
    """Whether the summary says what the repository has, and is signed where that is wanted."""
    found = read(repository)
    if found is None or found.refs != refs.heads(repository):
        return False
    if repository.settings().get("core", {}).get("no-deltas-in-summary", "false") != "true" and found.deltas != {
        one.name for one in deltas.listing(repository)
    }:
        return False
    return key is None or (repository.path / "summary.sig").is_file()


def update(repository: Repository, key: GpgKey | None = None) -> None:
    """Write the summary anew; libostree replaces it by rename."""
    if key is None:
        # A signature of the former summary would make clients refuse the new one.
        run("summary", "--update", repo=repository.path)
        (repository.path / "summary.sig").unlink(missing_ok=True)
        return
    run("summary", "--update", f"--gpg-sign={key.fingerprint}", f"--gpg-homedir={key.home}", repo=repository.path)
