# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What tests of modules share (contract, API part 2.2)."""

from __future__ import annotations

import contextlib
import inspect
import os
import pathlib
import random
import re
import shutil
import socket
import string
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

__all__ = [
    "assert_dict_has",
    "assert_jsonschema_error_contains",
    "find_one_subclass_in_module",
    "has_executable",
    "make_container",
    "make_fake_images_inputs",
    "make_fake_input_tree",
    "make_fake_service_fd",
    "make_fake_tree",
    "mock_command",
    "pull_oci_archive_container",
]


def has_executable(executable: str) -> bool:
    """Whether a program of that name is in PATH."""
    return shutil.which(executable) is not None


def assert_dict_has(v: Any, keys: str, expected_value: Any) -> None:
    """Follow the keys "a.b.c" through nested dictionaries and compare what is there. AssertionError."""
    for key in keys.split("."):
        assert key in v, f"'{key}' of '{keys}' not found in {v}"
        v = v[key]
    assert v == expected_value


def make_fake_tree(basedir: str | os.PathLike[str], fake_content: Mapping[str, str]) -> None:
    """Write files (path to text) below `basedir`, with their directories."""
    for path, content in fake_content.items():
        target = pathlib.Path(basedir, path.lstrip("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")


def make_fake_input_tree(tmpdir: pathlib.Path, fake_content: Mapping[str, str]) -> str:
    """The same in `<tmpdir>/tree`, whose path is returned."""
    basedir = pathlib.Path(tmpdir, "tree")
    make_fake_tree(basedir, fake_content)
    return str(basedir)


def assert_jsonschema_error_contains(
    res: Any, expected: str | re.Pattern[str], expected_num_errs: int | None = None
) -> None:
    """One message of a validation result has to contain a text, or match a pattern. AssertionError."""
    errors = [err.as_dict() for err in res.errors]
    messages = [err["message"] for err in errors]
    if isinstance(expected, re.Pattern):
        found = any(expected.search(message) for message in messages)
    else:
        found = any(expected in message for message in messages)
    assert found, f"{expected} not found in {messages}"
    if expected_num_errs is not None:
        assert len(errors) == expected_num_errs, f"expected exactly {expected_num_errs} errors in {errors}"


class MockCommandCallArgs:
    """How a mocked command was called."""

    def __init__(self, calllog: pathlib.Path) -> None:
        self._calllog = calllog

    @property
    def call_args_list(self) -> list[list[str]]:
        """The arguments of each call, without the command's name."""
        if not self._calllog.exists():
            return []
        calls = []
        # A record is the number of arguments and then the arguments, each ended by NUL: that can hold any text.
        fields = iter(self._calllog.read_bytes().decode("utf-8", "surrogateescape").split("\0"))
        for count in fields:
            if count:
                calls.append([next(fields) for _ignored in range(int(count))])
        return calls


@contextlib.contextmanager
def mock_command(cmd_name: str, script: str) -> Iterator[MockCommandCallArgs]:
    """Put a bash script in the place of a command, first in PATH, and note how it is called."""
    original = os.environ.get("PATH")
    with tempfile.TemporaryDirectory() as tmpdir:
        calllog = pathlib.Path(tmpdir, f"{cmd_name}.calls")
        program = pathlib.Path(tmpdir, cmd_name)
        program.write_text(
            textwrap.dedent(
                f"""\
                #!/bin/bash -e
                printf '%s\\0' "$#" "$@" >> '{calllog}'
                """
            )
            + script,
            encoding="utf-8",
        )
        program.chmod(0o755)
        os.environ["PATH"] = f"{tmpdir}:{original}" if original else tmpdir
        try:
            yield MockCommandCallArgs(calllog)
        finally:
            if original is None:
                del os.environ["PATH"]
            else:
                os.environ["PATH"] = original


@contextlib.contextmanager
def make_container(tmp_path: pathlib.Path, fake_content: Mapping[str, str], base: str = "scratch") -> Iterator[str]:
    """Build a container image of some files with podman; yields its tag. CalledProcessError."""
    tag = "osbuild-test-" + "".join(random.choices(string.digits, k=12))
    source = pathlib.Path(tmp_path, "fake-container-src")
    make_fake_tree(source, fake_content)
    pathlib.Path(source, "Containerfile").write_text(f"FROM {base}\nCOPY . .\n", encoding="utf-8")
    subprocess.check_call(
        ["podman", "build", "--no-cache", "-t", tag, "-f", str(pathlib.Path(source, "Containerfile"))],
        cwd=source,
    )
    try:
        yield tag
    finally:
        subprocess.check_call(["podman", "image", "rm", tag])


@contextlib.contextmanager
def pull_oci_archive_container(archive_path: str | os.PathLike[str], image_name: str) -> Iterator[None]:
    """Have the container of an OCI archive in the host's storage. CalledProcessError."""
    stored = f"containers-storage:{image_name}"
    subprocess.check_call(["skopeo", "copy", f"oci-archive:{os.fspath(archive_path)}", stored])
    try:
        yield
    finally:
        subprocess.check_call(["skopeo", "delete", stored])


def make_fake_service_fd() -> int:
    """A descriptor that a service can be made with when there is nobody to talk to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        return os.dup(sock.fileno())


def find_one_subclass_in_module(module: ModuleType, subclass: type) -> Any:
    """The class of a module that derives from `subclass`, None if none does. ValueError if several do."""
    found = None
    for name, member in inspect.getmembers(module, inspect.isclass):
        if issubclass(member, subclass):
            if found is not None:
                raise ValueError(f"already have {found}, also found {name}:{member}")
            found = member
    return found


def make_fake_images_inputs(fake_oci_path: pathlib.Path, name: str) -> dict[str, Any]:
    """Inputs of a stage that gets the OCI archive at a path as image `name`."""
    return {
        "images": {
            "path": fake_oci_path.parent,
            "data": {"archives": {fake_oci_path.name: {"format": "oci-archive", "name": name}}},
        }
    }
