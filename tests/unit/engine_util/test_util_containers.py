# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osbuild.testutil import mock_command
from osbuild.util import containers

IMAGE = b'{"schemaVersion": 2, "config": {}}'
DIGEST = f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}, True),
        ({"mediaType": "application/vnd.oci.image.index.v1+json"}, True),
        ({"mediaType": "application/vnd.oci.image.manifest.v1+json", "manifests": []}, False),
        ({"manifests": []}, True),
        ({"layers": []}, False),
    ],
)
def test_manifest_list_is_told_by_type_or_content(data: dict[str, Any], expected: bool) -> None:
    assert containers.is_manifest_list(data) is expected


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "images/sha256:1").mkdir(parents=True)
    (tmp_path / "images/sha256:1/manifest.json").write_bytes(IMAGE)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/sha256:2").write_text(json.dumps({"manifests": [{"digest": DIGEST}]}))
    archives = {
        "sha256:1": {"format": "dir", "name": "n:1"},
        "a.tar": {"format": "oci-archive", "name": "n:2"},
        "sha256:3": {"format": "containers-storage", "name": "n:3", "storage": {}},
    }
    return {
        "images": {"path": str(tmp_path / "images"), "data": {"archives": archives}},
        "manifest-lists": {"path": str(tmp_path / "lists"), "data": {"files": {"sha256:2": {}}}},
    }


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_images_get_their_manifest_lists(inputs: dict[str, Any], tmp_path: Path) -> None:
    found = containers.parse_containers_input(inputs)
    assert [found[key]["filepath"] for key in found] == [
        f"{tmp_path}/images/{name}" for name in ("sha256:1", "a.tar", "storage")
    ]
    assert [found[key]["manifest-list"] for key in found] == [f"{tmp_path}/lists/sha256:2", None, None]
    assert found["a.tar"]["checksum"] == "a.tar" and found["a.tar"]["data"]["name"] == "n:2"
    with containers.container_source(found["sha256:1"]) as (name, source, options):
        kind, _colon, path = source.partition(":")
        assert (name, kind, options) == ("n:1", "dir", None)
        merged = Path(path)
        assert json.loads((merged / "manifest.json").read_text())["manifests"] == [{"digest": DIGEST}]
        assert (merged / f"{DIGEST.removeprefix('sha256:')}.manifest.json").read_bytes() == IMAGE
    assert not merged.exists()
    assert (tmp_path / "images/sha256:1/manifest.json").read_bytes() == IMAGE


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_list_without_image_is_an_error(inputs: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "lists/sha256:2").write_text(json.dumps({"manifests": [{"digest": "sha256:9"}]}))
    with pytest.raises(RuntimeError, match="belong to none of the images: sha256:2"):
        containers.parse_containers_input(inputs)


def test_archive_is_a_link_of_a_harmless_name() -> None:
    image = {"filepath": "/x:y", "manifest-list": None, "data": {"name": "n", "format": "oci-archive"}, "checksum": "c"}
    with containers.container_source(image) as (name, source, options):
        kind, _colon, path = source.partition(":")
        assert (name, kind, options) == ("n", "oci-archive", None)
        assert ":" not in path and os.readlink(path) == "/x:y"
    image["data"] = {"name": "n", "format": "other"}
    with pytest.raises(RuntimeError, match="Unknown container format other"), containers.container_source(image):
        pass


@contextlib.contextmanager
def fake_source(_image: Any) -> Iterator[tuple[str, str, list[str] | None]]:
    yield "n", "dir:/x", ["--root=/r"]


def test_image_is_mounted_and_unmounted_by_podman(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "container_source", fake_source)
    image = {"data": {"format": "containers-storage"}, "checksum": "sha256:abc"}
    with mock_command("podman", "echo /mounted") as podman, containers.container_mount(image) as path:
        assert path == "/mounted"
        assert podman.call_args_list == [["--root=/r", "image", "mount", "abc"]]
    failing = mock_command("podman", "echo out; echo err >&2; exit 3")
    with failing, pytest.raises(RuntimeError) as error, containers.container_mount(image):
        pass
    assert str(error.value) == "Failed to mount image (3): err"


def test_other_images_are_copied_first_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "container_source", fake_source)
    image = {"data": {"format": "dir"}, "checksum": "sha256:abc"}
    with mock_command("skopeo", "") as skopeo, mock_command("podman", "echo /mounted") as podman:
        with containers.container_mount(image):
            pass
        ((_copy, source, target),) = skopeo.call_args_list
        name = target.removeprefix("containers-storage:")
        assert source == "dir:/x" and name.startswith("tmp-container-mount-") and len(name) == 34
        assert [args[1:] for args in podman.call_args_list] == [
            ["image", "mount", name], ["image", "umount", name], ["rmi", name],
        ]  # fmt: skip
