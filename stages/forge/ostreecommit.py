# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Committing a tree into an archive repository."""

from __future__ import annotations

import glob
import os
import re

from . import intree, ostreerepo, ostreesign
from .ed25519 import Key
from .errors import StageError
from .ostreeobjects import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_COLLECTION = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)+")
# libostree's own, where archive.zlib-level says nothing.
_LEVEL = 6
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def arguments(options: Mapping[str, Any], tree: str, parent: str | None, epoch: int | None) -> list[str]:
    """Options of `ostree commit` for the stage's `options`, all but the tree. StageError for what cannot be."""
    words = [f"--branch={ostreerepo.check_ref('ref', options['ref'])}"]
    metadata = dict(options.get("metadata", {}))
    for key in metadata:
        if not _KEY.fullmatch(key) or key.startswith("ostree."):
            raise StageError(f"metadata: {key!r} must be letters, digits, '.', '_' and '-', and not begin with 'ostree.'")
    version = options.get("os_version")
    if version is not None and metadata.setdefault("version", version) != version:
        raise StageError("os_version and metadata.version differ; give one of them")
    words += [f"--add-metadata-string={key}={value}" for key, value in sorted(metadata.items())]
    if options.get("subject"):
        words.append(f"--subject={options['subject']}")
    if parent:
        words.append(f"--parent={parent}")
    if not options.get("ref-binding", True):
        words.append("--no-bindings")
    if glob.glob("usr/lib/modules/*/vmlinuz", root_dir=tree):
        words.append("--bootable")
    labels = int(options.get("selinux-label-version", 0))
    if labels:
        if not ostreerepo.knows("--selinux-labeling-epoch", "commit"):
            raise StageError(f"selinux-label-version is {labels}, but the ostree of the build root knows only 0")
        words += [f"--selinux-labeling-epoch={labels}", "--selinux-policy-from-base"]
    if epoch is not None:
        words.append(f"--timestamp=@{int(epoch)}")
    return words


def find_parent(options: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The parent commit, and the repository that has it if the stage was given one."""
    parent = options.get("parent")
    if parent is not None and not ostreerepo.COMMIT.fullmatch(parent):
        raise StageError(f"parent: {parent!r} is no commit; it must be 64 hexadecimal digits")
    if "previous" not in inputs:
        return parent, None
    repo, commit, _options = ostreerepo.single_commit(inputs, "previous")
    if parent not in (None, commit):
        raise StageError(f"parent is {parent}, but the input 'previous' holds {commit}; give one of them")
    return commit, repo


def make_repository(repo: str, options: Mapping[str, Any]) -> None:
    collection = options.get("collection-id")
    if collection is not None and not _COLLECTION.fullmatch(collection):
        raise StageError(f"collection-id: {collection!r} must be a reverse domain name such as com.example.Images")
    extra = [f"--collection-id={collection}"] if collection else []
    ostreerepo.run("init", "--mode=archive", *extra, f"--repo={repo}")
    if "compression-level" in options:
        ostreerepo.run("config", "set", "archive.zlib-level", str(int(options["compression-level"])), f"--repo={repo}")


def commit(repo: str, tree: str, words: Sequence[str], options: Mapping[str, Any], previous: tuple[str, str] | None) -> str:
    """Commit `tree` into the archive repository `repo` and return the id; previous: the repository and id of the parent.

    Compressing is what takes the time: with a parent, only what that lacks is compressed.
    """
    words = [*words, "--fsync=false", f"--repo={repo}"]
    if previous is not None:
        source, parent = previous
        ostreerepo.pull(source, repo, parent)
    if previous is None or "--selinux-policy-from-base" in words:
        ostreerepo.run("commit", f"--tree=dir={tree}", *words)
    else:
        writer = Writer(repo, int(options.get("compression-level", _LEVEL)))
        content = writer.commit(tree)
        ostreerepo.run("commit", f"--tree=ref={content}", *words)
        writer.forget(content)
    return ostreerepo.run("rev-parse", options["ref"], f"--repo={repo}").strip()


def key_file(location: str, option: str, args: Mapping[str, Any]) -> str:
    """The file in an input that an option names (input://NAME/PATH). StageError."""
    from osbuild.util import parsing

    try:
        base, path = parsing.parse_location_into_parts(location, args)
    except ValueError as error:
        raise StageError(f"{option}: {error}") from None
    place = intree.resolve(base, path)
    if not os.path.isfile(place):
        raise StageError(f"{option}: there is no file {location}")
    return place


def sign(repo: str, ids: Sequence[str], wanted: Mapping[str, Any], args: Mapping[str, Any]) -> None:
    """Sign commits as the option `sign` says, and bring the summary up to date, which GPG signs as well."""
    extra: list[str] = []
    if "ed25519" in wanted:
        key = Key.read(key_file(wanted["ed25519"]["key"], "sign.ed25519.key", args), "sign.ed25519.key")
        for commit_id in ids:
            ostreesign.add_ed25519(repo, commit_id, key)
    if "gpg" not in wanted:
        ostreerepo.run("summary", "--update", f"--repo={repo}")
        return
    with ostreesign.gpg_home(key_file(wanted["gpg"]["key"], "sign.gpg.key", args)) as (home, found):
        names = [wanted["gpg"]["id"]] if "id" in wanted["gpg"] else found
        for commit_id in ids:
            ostreerepo.run("gpg-sign", commit_id, *names, f"--gpg-homedir={home}", f"--repo={repo}")
        extra = [f"--gpg-sign={name}" for name in names]
        ostreerepo.run("summary", "--update", *extra, f"--gpg-homedir={home}", f"--repo={repo}")
