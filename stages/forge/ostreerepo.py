# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""OSTree repositories and what goes into them: running ostree(1), names, pulls, remotes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from . import intree
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

COMMIT = re.compile(r"[0-9a-f]{64}")
# libostree's own rule for refs (ostree_validate_rev); a remote's name is one part of it.
_PART = r"[\w][-._\w]*"
_REF = re.compile(rf"{_PART}(/{_PART})*", re.ASCII)
_NAME = re.compile(_PART, re.ASCII)


def run(*args: str, text: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run ostree(1), print its command line and return what it says. StageError with its own reason."""
    print("ostree", *args, flush=True)
    try:
        result = subprocess.run(
            ["ostree", *args], input=text, capture_output=True, encoding="utf8", errors="replace", check=False,
            env={**os.environ, **env} if env else None,
        )
    except FileNotFoundError:
        raise StageError("the build root has no `ostree` program; install the package ostree there") from None
    sys.stderr.write(result.stderr)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
        raise StageError(f"ostree {' '.join(args[:2])}: {lines[-1].removeprefix('error: ')}")
    return result.stdout


def has_feature(name: str) -> bool:
    """Whether the build root's libostree was built with `name` (see `ostree --version`)."""
    version = subprocess.run(["ostree", "--version"], capture_output=True, text=True, check=False)
    return f"- {name}\n" in version.stdout


def knows(option: str, *command: str) -> bool:
    """Whether `ostree COMMAND` takes the option or subcommand `option`."""
    result = subprocess.run(["ostree", *command, "--help"], capture_output=True, text=True, check=False)
    return re.search(rf"(?<![-\w]){re.escape(option)}(?![-\w])", result.stdout + result.stderr) is not None


def check_ref(option: str, ref: str) -> str:
    """Return `ref` if ostree can take it for a branch or a commit. StageError naming `option`."""
    if not _REF.fullmatch(ref):
        raise StageError(
            f"{option}: {ref!r} is no ref; it must be parts of letters, digits, '.', '_' and '-' joined by '/', "
            "each beginning with a letter or digit"
        )
    return ref


def check_name(option: str, name: str) -> str:
    """Return `name` if it can name a remote or a stateroot. StageError naming `option`."""
    if not _NAME.fullmatch(name):
        raise StageError(
            f"{option}: {name!r} is no name; allowed are letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return name


def locate(tree: str, path: str, option: str = "repo") -> str:
    """The repository at `path` of the tree. StageError if there is none."""
    repo = intree.resolve(tree, path)
    if not os.path.isdir(os.path.join(repo, "objects")):
        raise StageError(f"{option}: the tree has no OSTree repository at {path}")
    check_links(tree, repo, option)
    return repo


def check_links(tree: str, repo: str, option: str = "repo") -> None:
    """ostree follows links in a repository. StageError for one that leads out of the tree."""
    for name in os.listdir(repo):
        if not intree.is_below(tree, os.path.join(repo, name)):
            raise StageError(f"{option}: {name} in the repository is a link that leads out of the tree")


def commits(inputs: Mapping[str, Any], name: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Path and commits of the input `name`, of type org.osbuild.ostree or org.osbuild.ostree.checkout.

    StageError if the stage has no such input, or it is empty.
    """
    entry = inputs.get(name)
    if entry is None:
        raise StageError(f"inputs.{name} is missing: it names the commits")
    refs = entry.get("data", {}).get("refs")
    if not refs:
        raise StageError(f"inputs.{name} holds no commits; it must hold at least one")
    return entry["path"], refs


def single_commit(inputs: Mapping[str, Any], name: str) -> tuple[str, str, dict[str, Any]]:
    """Path, id and options of the only commit of the input `name`. StageError unless there is exactly one."""
    repo, refs = commits(inputs, name)
    if len(refs) != 1:
        raise StageError(f"inputs.{name} must hold exactly one commit, found {len(refs)}")
    [(commit, options)] = refs.items()
    return repo, commit, options or {}


def pull(source: str, target: str, ref: str, remote: str = "") -> None:
    """Copy `ref` and what it needs, as if from `remote` if that is not empty."""
    extra = [f"--remote={remote}"] if remote else []
    # The tree is thrown away if the build dies: nothing needs to be on the disk before it ends.
    run("pull-local", "--disable-fsync", source, check_ref("ref", ref), *extra, f"--repo={target}")


def add_remotes(repo: str, remotes: Sequence[Mapping[str, Any]]) -> None:
    """Add remotes with their keys; one whose name is taken is left as it is."""
    for number, remote in enumerate(remotes):
        where = f"remotes[{number}]"
        check_name(f"{where}.name", remote["name"])
        for key in ("url", "contenturl"):
            if remote.get(key, "x").startswith("-"):
                raise StageError(f"{where}.{key}: {remote[key]!r} is no URL")
        for branch in remote.get("branches", []):
            check_ref(f"{where}.branches", branch)
        for path in remote.get("gpgkeypaths", []):
            if not path.startswith("/") or "," in path or ";" in path:
                raise StageError(f"{where}.gpgkeypaths: {path!r} must be an absolute path without ',' and ';'")
    for remote in remotes:
        words = ["--if-not-exists"]
        if remote.get("contenturl"):
            words.append(f"--contenturl={remote['contenturl']}")
        if remote.get("gpgkeypaths"):
            words += [f"--set=gpgkeypath={','.join(remote['gpgkeypaths'])}", "--set=gpg-verify=true"]
        elif not remote.get("gpgkeys"):
            words.append("--no-gpg-verify")
        run("remote", "add", *words, remote["name"], remote["url"], *remote.get("branches", []), f"--repo={repo}")
        for key in remote.get("gpgkeys", []):
            run("remote", "gpg-import", "--stdin", remote["name"], f"--repo={repo}", text=key)


def metadata_string(repo: str, commit: str, key: str) -> str | None:
    """The text `key` of a commit's metadata; None if the commit has no such key or it is no text."""
    result = subprocess.run(
        ["ostree", "show", f"--print-metadata-key={key}", commit, f"--repo={repo}"],
        capture_output=True, encoding="utf8", errors="replace", check=False,
    )
    value = result.stdout.strip()
    if result.returncode != 0 or value[:1] not in ("'", '"') or value[:1] != value[-1:]:
        return None
    # GVariant's text format escapes quotes and backslashes as C does.
    return re.sub(r"\\(.)", r"\1", value[1:-1])
