# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""OSTree repositories and deployments, through the program ``ostree``."""

from __future__ import annotations

import glob
import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def cli(*args: str, _input: str | None = None, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run ostree with `args`, then ``--key=value`` for each keyword; `_input` is its standard input.

    Prints the command to standard error and captures standard output. Raises subprocess.CalledProcessError.
    """
    command = ["ostree", *args, *(f"--{key}={value}" for key, value in kwargs.items())]
    print("ostree " + " ".join(command[1:]), file=sys.stderr)
    return subprocess.run(command, encoding="utf8", stdout=subprocess.PIPE, input=_input, check=True)


def _query(*command: str) -> str:
    result = subprocess.run(
        ["ostree", *command], encoding="utf8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    text = result.stdout.strip()
    if result.returncode != 0:
        raise RuntimeError(text)
    return text


def rev_parse(repo: str | os.PathLike[str], ref: str) -> str:
    """Return the commit that `ref` (a ref or a commit) stands for in `repo`. Raises RuntimeError with ostree's words."""
    return _query("rev-parse", ref, f"--repo={os.fspath(repo)}")


def show(repo: str | os.PathLike[str], checksum: str) -> str:
    """Return what ``ostree show`` says about a commit. Raises RuntimeError with ostree's words."""
    return _query("show", f"--repo={os.fspath(repo)}", checksum)


def pull_local(source_repo: str, target_repo: str, remote: str | None, ref: str) -> None:
    """Copy `ref` from one repository into another, below the remote of that name if one is given."""
    extra = [f"--remote={remote}"] if remote else []
    cli("pull-local", source_repo, ref, *extra, repo=target_repo)


def parse_input_commits(commits: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return repository and commits (with their options) of an input of type org.osbuild.ostree."""
    refs = commits["data"]["refs"]
    assert refs, "the input holds no commits"
    return commits["path"], refs


def _only(kind: str, hits: list[str]) -> str:
    if not hits:
        raise ValueError(f"Could not find {kind}")
    if len(hits) > 1:
        raise ValueError(f"More than one {kind} found: {hits}")
    return hits[0]


def default_boot_path(root: str) -> str:
    """Return the boot link of the only deployment below `root`, as a path from `root`. Raises ValueError."""
    hits = glob.glob("ostree/boot.?/*/*/*", root_dir=root)
    return "/" + _only("boot path", hits)


def parse_deployment_option(root: str, deployment: Mapping[str, Any]) -> tuple[str, str, int | str]:
    """Return state root, ref and serial number of the deployment that a stage's option names.

    With ``default`` it is the only one there is (then the ref is its commit); raises ValueError if there is none, or
    more than one.
    """
    if not deployment.get("default"):
        return deployment["osname"], deployment["ref"], deployment.get("serial", 0)
    path = _only("deployment", glob.glob("ostree/deploy/*/deploy/*.0", root_dir=root))
    commit, _, serial = os.path.basename(path).rpartition(".")
    return path.split("/")[2], commit, serial


def deployment_path(root: str, osname: str = "", ref: str = "", serial: int | str = 0) -> str:
    """Return the root directory of a deployment below `root`. Raises RuntimeError if the ref is unknown."""
    base = os.path.join(root, "ostree")
    commit = rev_parse(os.path.join(base, "repo"), ref)
    return f"{base}/deploy/{osname}/deploy/{commit}.{serial}"


def parse_origin(origin: str | os.PathLike[str]) -> tuple[str, str]:
    """Return what a deployment's origin file says it came from: ("container", image) or ("ostree_commit", refspec).

    Raises ValueError if it says neither.
    """
    keys = {"container-image-reference": "container", "refspec": "ostree_commit"}
    with open(origin, encoding="utf8") as file:
        for line in file:
            key, _, rest = line.strip().partition("=")
            if key in keys:
                return keys[key], rest.split("=")[0]
    raise ValueError(f"{os.fspath(origin)} names neither a container-image-reference nor a refspec")
