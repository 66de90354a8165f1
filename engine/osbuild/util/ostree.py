# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""OSTree: its command, deployments, and the files that rpm-ostree and OSTree systems keep."""

from __future__ import annotations

import collections
import contextlib
import glob
import json
import os
import subprocess
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO, Any

    StrPath = str | os.PathLike[str]

_TRUE = ("true", "yes", "1")


def cli(*args: Any, _input: str | None = None, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run ostree(1) with `args`, then ``--key=value`` for each keyword. Raises CalledProcessError."""
    argv = ["ostree", *map(str, args), *(f"--{key}={value}" for key, value in kwargs.items())]
    print(" ".join(argv), file=sys.stderr)
    return subprocess.run(argv, encoding="utf8", stdout=subprocess.PIPE, input=_input, check=True)


def _query(*argv: str) -> str:
    result = subprocess.run(
        ["ostree", *argv], encoding="utf8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output = result.stdout.strip()
    if result.returncode != 0:
        raise RuntimeError(output)
    return output


def rev_parse(repo: StrPath, ref: str) -> str:
    """Return the commit that `ref` names in `repo`. Raises RuntimeError with ostree's words."""
    return _query("rev-parse", ref, f"--repo={os.fspath(repo)}")


def show(repo: StrPath, checksum: str) -> str:
    """Return what ostree shows of the commit `checksum`. Raises RuntimeError with ostree's words."""
    return _query("show", f"--repo={os.fspath(repo)}", checksum)


def pull_local(source_repo: StrPath, target_repo: StrPath, remote: str, ref: str) -> None:
    """Copy `ref` from one repository to another, as if from `remote` if that is not empty. Raises CalledProcessError."""
    extra = [f"--remote={remote}"] if remote else []
    cli("pull-local", source_repo, ref, *extra, repo=target_repo)


def setup_remote(repo: StrPath, name: str, remote: Mapping[str, Any]) -> None:
    """Add the remote `name` to `repo` as an item of the ostree source describes it: url, contenturl, gpgkeys, secrets.

    Raises CalledProcessError, and RuntimeError for secrets the host does not have.
    """
    keys = remote.get("gpgkeys", [])
    extra = [] if keys else ["--no-gpg-verify"]
    if remote.get("contenturl"):
        extra.append(f"--contenturl={remote['contenturl']}")
    secrets = (remote.get("secrets") or {}).get("name")
    if secrets == "org.osbuild.rhsm.consumer":
        from .rhsm import Subscriptions

        files = Subscriptions.get_consumer_secrets()
        extra.append(f"--set=tls-client-key-path={files['consumer_key']}")
        extra.append(f"--set=tls-client-cert-path={files['consumer_cert']}")
    elif secrets == "org.osbuild.mtls":
        extra += _mtls_settings()
    cli("remote", "add", name, remote["url"], *extra, repo=repo)
    for key in keys:
        cli("remote", "gpg-import", "--stdin", name, repo=repo, _input=key)


def _mtls_settings() -> list[str]:
    prefix = "OSBUILD_SOURCES_OSTREE_"
    settings = {
        "tls-ca-path": os.getenv(f"{prefix}SSL_CA_CERT"),
        "tls-client-cert-path": os.getenv(f"{prefix}SSL_CLIENT_CERT"),
        "tls-client-key-path": os.getenv(f"{prefix}SSL_CLIENT_KEY"),
        "proxy": os.getenv(f"{prefix}PROXY"),
        "tls-permissive": "true" if os.getenv(f"{prefix}INSECURE", "").lower() in _TRUE else None,
    }
    return [f"--set={key}={value}" for key, value in settings.items() if value]


def parse_input_commits(commits: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return path and refs of an ostree input. Raises AssertionError if it has no refs."""
    refs = commits["data"]["refs"]
    assert refs, "the ostree input has no commits"
    return commits["path"], refs


def default_boot_path(root: StrPath) -> str:
    """Return the only directory of boot files, absolute from `root`. Raises ValueError unless there is exactly one."""
    found = glob.glob("ostree/boot.?/*/*/*", root_dir=root)
    if not found:
        raise ValueError("Could not find boot path")
    if len(found) > 1:
        raise ValueError(f"More than one boot path found: {found}")
    return os.path.join("/", found[0])


def parse_deployment_option(root: StrPath, deployment: Mapping[str, Any]) -> tuple[str, str, Any]:
    """Return osname, ref and serial of the deployment that `deployment` (``default``, or the three) names.

    Raises ValueError if there is not exactly one default deployment.
    """
    if not deployment.get("default"):
        return deployment["osname"], deployment["ref"], deployment.get("serial", 0)
    found = glob.glob("ostree/deploy/*/deploy/*.0", root_dir=root)
    if not found:
        raise ValueError("Could not find deployment")
    if len(found) > 1:
        raise ValueError(f"More than one deployment found: {found}")
    parts = found[0].split("/")
    commit, _ignored, serial = parts[-1].rpartition(".")
    return parts[2], commit, serial


def deployment_path(root: StrPath, osname: str = "", ref: str = "", serial: int | str = 0) -> str:
    """Return the directory of a deployment below `root`. Raises RuntimeError for an unknown `ref`."""
    base = os.path.join(root, "ostree")
    return f"{base}/deploy/{osname}/deploy/{rev_parse(f'{base}/repo', ref)}.{serial}"


def parse_origin(origin: StrPath) -> tuple[str, str]:
    """Return what a deployment's origin file points to: ``("container", image)`` or ``("ostree_commit", refspec)``.

    Raises ValueError if it names neither.
    """
    kinds = {"container-image-reference": "container", "refspec": "ostree_commit"}
    with open(origin, encoding="utf8") as file:
        for line in file:
            key, *value = line.strip().split("=")
            if key in kinds and value:
                return kinds[key], value[0]
    raise ValueError(f"could not find 'container-image-reference' or 'refspec' in origin file {os.fspath(origin)}")


class Treefile:
    """An rpm-ostree treefile: item access to the known keys, checked for their types."""

    types: dict[str, type | tuple[type, ...]] = {
        "ref": str,
        "repos": list,
        "selinux": bool,
        "boot-location": str,
        "etc-group-members": list,
        "machineid-compat": bool,
        "initramfs-args": list,
        "selinux-label-version": int,
    }

    def __init__(self) -> None:
        self._data: dict[str, Any] = {"ref": "osbuild/devel", "repos": ["osbuild"]}

    def __getitem__(self, key: str) -> Any:
        self._type(key)
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        kind = self._type(key)
        fits = isinstance(value, kind) and (kind is not int or not isinstance(value, bool))
        if not fits or (kind is list and not all(isinstance(item, str) for item in value)):
            raise ValueError(f"{value} is not of {kind}")
        self._data[key] = value

    def _type(self, key: str) -> Any:
        if key not in self.types:
            raise ValueError(f"Unknown param: {key}")
        return self.types[key]

    def dumps(self) -> str:
        """Return the treefile as JSON."""
        return json.dumps(self._data)

    def dump(self, fp: IO[str]) -> None:
        """Write the treefile as JSON."""
        json.dump(self._data, fp)

    @contextlib.contextmanager
    def as_tmp_file(self) -> Iterator[str]:
        """Provide the treefile as a file, removed at the end."""
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf8") as file:
            self.dump(file)
            file.flush()
            yield file.name


class PasswdLike:
    """A file of colon-separated lines by name: passwd(5), group(5). `db` maps names to whole lines."""

    def __init__(self) -> None:
        self.db: dict[str, str] = collections.OrderedDict()

    @classmethod
    def from_file(cls, path: StrPath, allow_missing_file: bool = False) -> PasswdLike:
        """Read `path`. Raises FileNotFoundError, unless a missing file counts as empty."""
        res = cls()
        res._read(path, allow_missing_file)
        return res

    def merge_with_file(self, path: StrPath, allow_missing_file: bool = False) -> None:
        """Add the names of `path` that are not there yet. Raises FileNotFoundError like from_file."""
        self._read(path, allow_missing_file)

    def dump_to_file(self, path: StrPath) -> None:
        """Write all lines to `path`."""
        with open(path, "w", encoding="utf8") as file:
            file.writelines(f"{line}\n" for line in self.db.values())

    def _read(self, path: StrPath, allow_missing_file: bool) -> None:
        try:
            with open(path, encoding="utf8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            if not allow_missing_file:
                raise
            return
        for line in lines:
            if line.strip():
                self.db.setdefault(line.split(":", 1)[0], line)


class SubIdsDB:
    """subuid(5), subgid(5): `db` maps names to start and count, both as text."""

    def __init__(self) -> None:
        self.db: dict[str, tuple[str, str]] = collections.OrderedDict()

    def read(self, fp: IO[str]) -> int:
        """Add the entries of `fp`; returns the index of the last line. Lines that are none are warned about."""
        index = 0
        for index, line in enumerate(fp):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = line.split(":")
            if len(parts) != 3:
                print(f"WARNING: invalid line {index + 1} of a subordinate id file: '{line}'", file=sys.stderr)
                continue
            self.db[parts[0]] = (parts[1], parts[2])
        return index

    def read_from(self, path: StrPath) -> int:
        """Add the entries of the file `path`; see read. Raises OSError."""
        with open(path, encoding="utf8") as file:
            return self.read(file)

    def dumps(self) -> str:
        """Return the entries as text."""
        return "\n".join(f"{name}:{start}:{count}\n" for name, (start, count) in self.db.items())

    def write_to(self, path: StrPath) -> None:
        """Write the entries to `path`. Raises OSError."""
        with open(path, "w", encoding="utf8") as file:
            file.write(self.dumps())

    def __bool__(self) -> bool:
        return bool(self.db)
