# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Putting a commit under a ref of a served repository, so that no client ever sees the ref without its objects.

The order: objects, signatures and deltas first, then the ref, then the summary, both by rename. Clients believe the summary;
until it is replaced they get the former commit, all of which is still there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import OstreeError
from . import deltas, history, metadata, refs, signatures, summary
from .deltas import Delta
from .program import run
from .repository import Repository
from .signatures import GpgKey

_BINDINGS = ("ostree.ref-binding", "ostree.collection-binding", "ostree.collection-refs-binding")


@dataclass(frozen=True)
class Wish:
    """A ref and what it shall lead to.

    :ivar source: repository that has the commit; None: the repository itself.
    :ivar extra: metadata that the published commit must have; a commit is made for it if need be.
    :ivar link: have the ref's former commit be the parent of one that has nothing to do with it, so that history, going
        back and pruning work; a commit is made for that.
    :ivar deltas: number of former commits of the ref to make deltas from.
    :ivar sign_summary: None: as the summary is now.
    """

    ref: str
    rev: str
    source: Repository | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    key: GpgKey | None = None
    ed25519_key_file: Path | None = None
    link: bool = True
    deltas: int = 0
    delta_from_scratch: bool = False
    update_summary: bool = True
    sign_summary: bool | None = None


@dataclass
class Plan:
    """What there is and what is to do; ``commit`` is None while a commit has yet to be made."""

    wish: Wish
    origin: history.Commit
    before: str | None
    commit: str | None
    actions: list[str] = field(default_factory=list)


def _keeps(wish: Wish, origin: history.Commit) -> dict[str, str]:
    """Metadata, as GVariant text, that a commit made from *origin* for the wish has besides its binding."""
    kept = {key: text for key, text in origin.extra.items() if key not in _BINDINGS}
    return kept | {key: _quoted(text) for key, text in wish.extra.items()}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _same(wish: Wish, origin: history.Commit, found: history.Commit) -> bool:
    """Whether *found* is what would be made from *origin*."""
    wanted = {key: metadata.value(text) for key, text in _keeps(wish, origin).items()}
    has = {key: metadata.value(text) for key, text in found.extra.items() if key not in _BINDINGS}
    bound = found.bindings is None or wish.ref in found.bindings
    return bound and found.content == origin.content and has == wanted


def wanted_deltas(repository: Repository, wish: Wish, commit: str, before: str | None) -> list[Delta]:
    """Deltas to the commit that are wanted and not there, or there and without the signatures that the commit has."""
    sources: list[str | None] = []
    if wish.deltas:
        parents = [one.checksum for one in history.history(repository, commit)[1:]]
        if before is not None and before != commit and before not in parents:
            parents.insert(0, before)
        sources += [one for one in parents if repository.has_commit(one)][: wish.deltas]
    sources += [None] if wish.delta_from_scratch else []
    known = [one for one in deltas.listing(repository) if one.target == commit]
    outdated = [one for one in known if one.outdated(repository)]
    wanted = [delta for delta in (Delta(source, commit) for source in sources) if delta not in known]
    return wanted + outdated


def summary_key(repository: Repository, wish: Wish) -> GpgKey | None:
    """The key to sign the summary with.  Raises OstreeError where it has to be signed and there is none."""
    signed = (repository.path / "summary.sig").is_file() if wish.sign_summary is None else wish.sign_summary
    if signed and wish.key is None:
        raise OstreeError(
            f"the summary of {repository.path} is signed, so changing it needs the key: say where with gpg_home"
        )
    return wish.key if signed else None


def _related(repository: Repository, source: Repository, origin: history.Commit, before: str | None) -> bool:
    """Whether one of the commit and the ref's present one follows the other."""
    if before in (None, origin.checksum):
        return True
    newer = history.history(source, origin.checksum)
    if before in {one.checksum for one in newer} | {one.parent for one in newer}:
        return True
    return origin.checksum in {one.checksum for one in history.history(repository, str(before))}


def _refuse_unsigned(repository: Repository, wish: Wish, origin: history.Commit) -> None:
    """Raises OstreeError where a commit that has to be made would lack the signature that the original has."""
    if signatures.key_ids(repository, origin.checksum):
        raise OstreeError(
            f"for {wish.ref} a commit of the content of {origin.checksum[:12]} has to be made, which loses its signature; say with "
            "gpg_home what to sign the new one with"
        )


def plan(repository: Repository, wish: Wish) -> Plan:
    """Compare the wish with the repository; changes nothing.

    :raises OstreeError: there is no such commit, or it cannot be signed here.
    """
    refs.check_name(wish.ref)
    origin_repository = (wish.source or repository).require()
    origin = history.read(origin_repository, refs.require(origin_repository, wish.rev))
    if wish.ed25519_key_file is not None:
        signatures.require_ed25519(origin_repository, origin.checksum)
    before = refs.heads(repository).get(wish.ref)
    commit: str | None = origin.checksum
    bound = origin.bindings is None or wish.ref in origin.bindings
    if wish.extra or not bound or (wish.link and not _related(repository, origin_repository, origin, before)):
        commit = None
        if before is not None and _same(wish, origin, history.read(repository, before)):
            commit = before
        elif before is None and _same(wish, origin, origin):
            commit = origin.checksum
    if commit is None and wish.key is None and wish.ed25519_key_file is None:
        _refuse_unsigned(origin_repository, wish, origin)
    made = Plan(wish, origin, before, commit)
    there = commit is not None and repository.has_commit(commit)
    if wish.source is not None and not repository.has_commit(origin.checksum) and commit != before:
        made.actions.append("pull")
    if commit is None:
        made.actions.append("commit")
    if wish.key is not None and not (there and signatures.is_signed(repository, str(commit), wish.key)):
        made.actions.append("sign")
    if wish.ed25519_key_file is not None and commit != before:
        made.actions.append("sign")
    if there and "sign" in made.actions and any(one.target == commit for one in deltas.listing(repository)):
        made.actions.append("delta")
    if there and commit == before:
        made.actions += ["delta"] if wanted_deltas(repository, wish, str(commit), before) else []
    elif (wish.deltas and before is not None) or wish.delta_from_scratch:
        made.actions.append("delta")
    if commit is None or commit != before:
        made.actions.append("ref")
    if wish.update_summary:
        key = summary_key(repository, wish)
        if {"ref", "delta"} & set(made.actions) or not summary.is_current(repository, key):
            made.actions.append("summary")
    made.actions = list(dict.fromkeys(made.actions))
    return made


def _commit(repository: Repository, made: Plan) -> str:
    """Make the commit of the same tree for the ref."""
    wish, origin = made.wish, made.origin
    words = [f"--parent={made.before or 'none'}", f"--bind-ref={wish.ref}", f"--subject={origin.subject}"]
    words += [f"--body={origin.body}"] if origin.body else []
    words += [f"--add-metadata={key}={text}" for key, text in _keeps(wish, origin).items()]
    # Never older than what it replaces: clients refuse to go back in time.
    moment = int(
        max(time.time(), history.history(repository, made.before, 1)[0].date.timestamp() if made.before else 0)
    )
    return run(
        "commit", "--orphan", f"--tree=ref={origin.checksum}", f"--timestamp=@{moment}", *words, repo=repository.path
    ).strip()


def execute(repository: Repository, made: Plan) -> dict[str, Any]:
    """Do what is planned; the repository's lock must be held and the plan made under it."""
    wish = made.wish
    if "pull" in made.actions and wish.source is not None:
        run("pull-local", str(wish.source.path), made.origin.checksum, repo=repository.path)
    commit = made.commit or _commit(repository, made)
    if wish.key is not None:
        signatures.sign(repository, commit, wish.key)
    if wish.ed25519_key_file is not None and "sign" in made.actions:
        signatures.sign_ed25519(repository, commit, wish.ed25519_key_file)
    made_deltas = wanted_deltas(repository, wish, commit, made.before)
    for delta in made_deltas:
        deltas.generate(repository, delta)
    if commit != made.before:
        refs.move(repository, wish.ref, commit)
    if "summary" in made.actions:
        summary.update(repository, summary_key(repository, wish))
    return {"commit": commit, "deltas": [delta.as_dict(repository) for delta in made_deltas]}


def before_commit(repository: Repository, ref: str, bad: str) -> str | None:
    """The commit to go back to so that *bad* is no longer in the ref's history; None when it is not in it.

    :raises OstreeError: there is nothing before it.
    """
    found = history.history(repository, ref)
    names = [one.checksum for one in found]
    if bad not in names:
        return None
    parent = found[names.index(bad)].parent
    if parent is None or not repository.has_commit(parent):
        raise OstreeError(f"ref {ref} cannot go back before {bad}: the repository has no commit before it")
    return parent
