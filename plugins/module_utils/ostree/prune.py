# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Taking old commits and deltas out of a repository, never what a client may still be fetching."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field

from . import deltas, history, refs
from .deltas import Delta
from .program import run
from .repository import Repository

_COUNT = re.compile(r"(?:Would delete: |Deleted )(\d+) objects, (?:freeing )?(.+?)(?: freed)?$", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """A commit stays while any of these wants it to.

    :ivar keep_last: newest commits of each ref, at least 1.
    :ivar keep_days: commits younger than so many days.
    :ivar grace_hours: commits that were a ref's newest, and deltas that were made, within so many hours.
    """

    keep_last: int | None = None
    keep_days: float | None = None
    grace_hours: float = 24


@dataclass
class Plan:
    """Depth to keep of each ref, as ``ostree prune --depth`` counts (0: the newest alone)."""

    depths: dict[str, int] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.commits or self.deltas)


def _kept(commits: list[history.Commit], rule: Rule, now: datetime.datetime) -> int:
    """How many of a ref's commits, newest first, stay."""
    if rule.keep_last is None and rule.keep_days is None:
        return len(commits)
    count = max(1, rule.keep_last or 1)
    days = datetime.timedelta(days=rule.keep_days or 0)
    grace = datetime.timedelta(hours=rule.grace_hours)
    for place, commit in enumerate(commits):
        replaced = commits[place - 1].date if place else now
        if now - commit.date < days or now - replaced < grace:
            count = max(count, place + 1)
    return min(count, len(commits))


def plan(repository: Repository, rule: Rule, now: datetime.datetime | None = None) -> Plan:
    """What would go."""
    now = now or datetime.datetime.now(datetime.UTC)
    made, kept, gone = Plan(), set(), []
    heads = refs.heads(repository)
    for ref, head in heads.items():
        commits = history.history(repository, head)
        count = _kept(commits, rule, now)
        made.depths[ref] = count - 1
        kept |= {one.checksum for one in commits[:count]}
        gone += [one.checksum for one in commits[count:]]
    made.commits = [one for one in dict.fromkeys(gone) if one not in kept]
    current = set(heads.values())
    for delta in deltas.listing(repository):
        if delta.target not in current and delta.age(repository) >= rule.grace_hours * 3600:
            made.deltas.append(delta)
    return made


def execute(repository: Repository, made: Plan) -> str:
    """Do it; returns what was freed, as ostree says it."""
    for delta in made.deltas:
        deltas.delete(repository, delta)
    if not made.commits:
        return ""
    freed = ""
    by_depth: dict[int, list[str]] = {}
    for ref, depth in made.depths.items():
        by_depth.setdefault(depth, []).append(ref)
    for depth, names in sorted(by_depth.items()):
        only = [f"--only-branch={name}" for name in names] if len(by_depth) > 1 else []
        found = _COUNT.search(run("prune", "--refs-only", f"--depth={depth}", *only, repo=repository.path))
        freed = found[2] if found else freed
    return freed
