# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The commits that references of an input mean, and the repository each is in."""

from __future__ import annotations

import json
import os
import subprocess

from .path import resolve_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def commits(store: Any, origin: str, refs: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Map the commits of `refs` to their repository and options. Raises ValueError for what is none."""
    if origin == "org.osbuild.source":
        repo = os.path.join(store.source("org.osbuild.ostree"), "repo")
        return {commit: (repo, options) for commit, options in refs.items()}
    if origin != "org.osbuild.pipeline":
        raise ValueError(f"origin must be org.osbuild.source or org.osbuild.pipeline, found '{origin}'")
    found = {}
    for pipeline, options in refs.items():
        tree = store.read_tree(pipeline)
        if not tree:
            raise ValueError(f"Unknown pipeline '{pipeline}'")
        # Links in the tree mean files of the tree, not of the host.
        found[_commit_of(resolve_in(tree, "compose.json"), pipeline)] = (resolve_in(tree, "repo"), options)
    return found


def _commit_of(compose: str, pipeline: str) -> str:
    try:
        with open(compose, encoding="utf8") as file:
            commit = json.load(file)["ostree-commit"]
    except FileNotFoundError:
        raise ValueError(f"the tree of pipeline {pipeline} has no compose.json, which names the commit") from None
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"compose.json in the tree of pipeline {pipeline} has no 'ostree-commit'") from None
    if not isinstance(commit, str) or "/" in commit:
        raise ValueError(f"compose.json in the tree of pipeline {pipeline}: '{commit}' is no commit")
    return commit


def run(*args: str) -> None:
    """Run ostree(1). Raises RuntimeError with its message."""
    result = subprocess.run(["ostree", *args], capture_output=True, errors="replace", check=False)
    if result.returncode != 0:
        raise RuntimeError(f"ostree {args[0]}: {result.stderr.strip().removeprefix('error: ')}")
