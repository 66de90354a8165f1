# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ostree") is None, reason="needs root and ostree"),
]


def ostree(*args: str | Path) -> str:
    return subprocess.run(["ostree", *map(str, args)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def sysroot(tmp_path: Path) -> tuple[Path, str]:
    """A tree with a repository and a deployment, as `ostree admin deploy` lays it out; and the commit."""
    root, content = tmp_path / "tree", tmp_path / "content"
    for name in ("usr", "boot", "sysroot", "var", "etc"):
        (content / name).mkdir(parents=True)
    (content / "usr/file").write_text("content")
    (root / "boot/loader").mkdir(parents=True)
    (root / "ostree/deploy/debian/var/lib").mkdir(parents=True)
    ostree("init", "--mode=bare", f"--repo={root}/ostree/repo")
    commit = ostree("commit", "--branch=a/b", f"--repo={root}/ostree/repo", content)
    (root / "ostree/deploy/debian/deploy").mkdir()
    ostree("checkout", commit, root / f"ostree/deploy/debian/deploy/{commit}.0", f"--repo={root}/ostree/repo")
    return root, commit


@pytest.fixture
def service(load_program: Callable[[str], Any], service_fd: str) -> Iterator[Any]:
    module = load_program("mounts/org.osbuild.ostree.deployment")
    service = module.OSTreeDeploymentMount.from_args(["--service-fd", service_fd])
    yield service
    service.stop()


def arguments(root: Path, deployment: dict[str, Any], **options: Any) -> dict[str, Any]:
    other = root.parent / "other"
    other.mkdir(exist_ok=True)
    tree, mounted = (other, root) if options.get("source") == "mount" else (root, other)
    more = {"deployment": deployment, **options}
    return {"source": None, "target": None, "root": str(mounted), "tree": str(tree), "options": more}


@pytest.mark.parametrize("deployment", [{"default": True}, {"osname": "debian", "ref": "a/b"}])
@pytest.mark.parametrize("source", [{}, {"source": "tree"}, {"source": "mount"}])
def test_tree_is_the_running_system_and_itself_again(
    service: Any, sysroot: tuple[Path, str], deployment: dict[str, Any], source: dict[str, str]
) -> None:
    root, commit = sysroot
    before = Path("/proc/self/mountinfo").read_text()
    assert service.mount(arguments(root, deployment, **source)) is None
    assert (root / "usr/file").read_text() == "content"
    assert os.listdir(root / "boot") == ["loader"]
    assert os.listdir(root / "var") == ["lib"]
    assert set(os.listdir(root / "sysroot")) == {"ostree", "boot"}
    for name in ("var/v", "boot/b", "etc/e"):
        (root / name).touch()
    service.umount()
    service.umount()
    assert Path("/proc/self/mountinfo").read_text() == before
    assert set(os.listdir(root)) == {"ostree", "boot"}
    assert (root / "boot/b").exists() and (root / "ostree/deploy/debian/var/v").exists()
    assert os.listdir(root / f"ostree/deploy/debian/deploy/{commit}.0/etc") == ["e"]


@pytest.mark.parametrize(
    ("deployment", "message"),
    [
        ({"osname": "debian", "ref": "a/c"}, "a/c"),
        ({"osname": "other", "ref": "a/b"}, "there is no deployment .*\\.0 of 'other'"),
        ({"osname": "debian", "ref": "a/b", "serial": 1}, "there is no deployment .*\\.1 of 'debian'"),
        ({"osname": "../../..", "ref": "a/b"}, "there is no deployment"),
    ],
)
def test_deployment_that_is_not_there_is_said(
    service: Any, sysroot: tuple[Path, str], deployment: dict[str, Any], message: str
) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with pytest.raises((ValueError, RuntimeError), match=message):
        service.mount(arguments(sysroot[0], deployment))
    service.umount()
    assert Path("/proc/self/mountinfo").read_text() == before


def test_what_was_mounted_before_a_failure_goes_away(service: Any, sysroot: tuple[Path, str]) -> None:
    root, commit = sysroot
    (root / f"ostree/deploy/debian/deploy/{commit}.0/boot").rmdir()
    before = Path("/proc/self/mountinfo").read_text()
    with pytest.raises(RuntimeError, match=r"(?s)boot.*\(code: 32\)"):
        service.mount(arguments(root, {"default": True}))
    service.umount()
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.fixture
def ddi(load_program: Callable[[str], Any], service_fd: str) -> Any:
    return load_program("mounts/org.osbuild.ddi").DDIMount.from_args(["--service-fd", service_fd])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"read-only": True, "fsck": True, "growfs": True}, ["--read-only"]),
        ({"fsck": False, "growfs": False, "discard": "all"}, ["--fsck=no", "--growfs=no", "--discard=all"]),
        ({"image-policy": "root=verity", "image-filter": "root=a*"}, ["--image-policy=root=verity", "--image-filter=root=a*"]),
    ],
)  # fmt: skip
def test_disk_image_is_given_to_systemd_dissect(
    ddi: Any, tmp_path: Path, options: dict[str, Any], expected: list[str]
) -> None:
    from osbuild.testutil import mock_command

    args = {"source": "/dev/loop9", "target": "/a", "root": str(tmp_path), "options": options}
    with mock_command("systemd-dissect", "") as dissect, mock_command("umount", "") as umount:
        assert ddi.mount(args) == f"{tmp_path}/a"
        ddi.umount()
        ddi.umount()
        assert dissect.call_args_list == [["--mount", *expected, "/dev/loop9", f"{tmp_path}/a"]]
        assert umount.call_args_list == [["--recursive", f"{tmp_path}/a"]]


def test_disk_image_that_cannot_be_mounted_says_why(ddi: Any, tmp_path: Path) -> None:
    from osbuild.testutil import mock_command

    args = {"source": "/dev/loop9", "target": "/a", "root": str(tmp_path), "options": {}}
    with (
        mock_command("systemd-dissect", "echo no image >&2; exit 1"),
        pytest.raises(RuntimeError, match=r"cannot mount /dev/loop9: no image \(code: 1\)"),
    ):
        ddi.mount(args)
    ddi.umount()
