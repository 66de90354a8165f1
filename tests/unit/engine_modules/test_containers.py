# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images: their sources, from a registry and from a storage made for the test, and their inputs."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclasses.dataclass
class Image:
    """An image with one file: its blobs by digest, the image id, the digests of its manifest and of a list with it."""

    blobs: dict[str, bytes]
    id: str
    manifest: str
    index: str


@pytest.fixture(scope="session")
def image() -> Image:
    blobs = {}

    def put(content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        blobs[digest] = content
        return digest

    def ref(kind: str, digest: str) -> dict[str, Any]:
        return {"mediaType": kind, "digest": digest, "size": len(blobs[digest])}

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("hello")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    layer = put(archive.getvalue())
    config: dict[str, Any] = {"architecture": "amd64", "os": "linux", "config": {}}
    config["rootfs"] = {"type": "layers", "diff_ids": [layer]}
    image_id = put(json.dumps(config).encode())
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST}
    document["config"] = ref("application/vnd.oci.image.config.v1+json", image_id)
    document["layers"] = [ref("application/vnd.oci.image.layer.v1.tar", layer)]
    manifest = put(json.dumps(document).encode())
    entry = {**ref(MANIFEST, manifest), "platform": {"architecture": "amd64", "os": "linux"}}
    index = put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode())
    return Image(blobs, image_id, manifest, index)


@pytest.fixture
def registry(server: Any, image: Image) -> str:
    """A registry that has the image; returns host and port."""
    server.content["/v2/"] = b"{}"
    for digest, content in image.blobs.items():
        server.content[f"/v2/img/blobs/{digest}"] = content
        kind = json.loads(content).get("mediaType") if content.startswith(b"{") else None
        if kind:
            answer = make_answer(content, kind)
            server.answers[f"/v2/img/manifests/{digest}"] = [answer] * 20
    return f"127.0.0.1:{server.server_port}"


def make_answer(content: bytes, kind: str) -> Callable[[Any], None]:
    return lambda handler: handler.reply(200, content, Content_Type=kind)


@pytest.fixture
def oci(image: Image, tmp_path: Path) -> Path:
    """The image in OCI's layout."""
    oci = tmp_path / "oci"
    (oci / "blobs/sha256").mkdir(parents=True)
    for digest, content in image.blobs.items():
        (oci / "blobs/sha256" / digest.removeprefix("sha256:")).write_bytes(content)
    (oci / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (oci / "index.json").write_bytes(image.blobs[image.index])
    return oci


@pytest.fixture
def storage(oci: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container storage with the image as localhost/img; returns how containers-transports(5) names it."""
    conf = tmp_path / "storage.conf"
    conf.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/root"\nrunroot = "{tmp_path}/run"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(conf))
    name = f"vfs@{tmp_path}/root+{tmp_path}/run"
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci:{oci}", f"containers-storage:[{name}]localhost/img:latest"], check=True
    )
    return name


@pytest.fixture
def make(load_program: Callable[[str], Any], tmp_path: Path) -> Iterator[Callable[[str, str], Any]]:
    services = []

    def make(program: str, name: str) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            fd = sock.detach()
        service = getattr(load_program(program), name).from_args(["--service-fd", str(fd)])
        services.append(service)
        if program.startswith("sources/"):
            service.setup({"cache": str(tmp_path / "cache"), "options": {}})
            service.tmpdir = str(tmp_path / "unverified")
            os.makedirs(service.tmpdir, exist_ok=True)
        return service

    yield make
    for service in services:
        service.stop()


Make = Callable[[str, str], Any]


def fetch(service: Any, items: dict[str, Any]) -> str:
    """Return the error, or nothing."""
    result = service.fetch_all(items)
    return "" if result["success"] else str(result["output"])


def test_image_comes_from_a_registry_once(make: Make, registry: str, image: Image, server: Any) -> None:
    service = make("sources/org.osbuild.skopeo", "SkopeoSource")
    items = {image.id: {"image": {"name": f"{registry}/img", "digest": image.manifest, "tls-verify": False}}}
    assert not service.exists(image.id, None)
    assert fetch(service, items) == ""
    directory = Path(service.cache, image.id, "image")
    assert (directory / "manifest.json").read_bytes() == image.blobs[image.manifest]
    asked = len(server.requests)
    assert service.fetch_all(items)["results"][0]["metadata"] == {"checksum": image.id, "cached": True}
    assert len(server.requests) == asked


def test_image_comes_from_a_storage(make: Make, storage: str, image: Image) -> None:
    service = make("sources/org.osbuild.skopeo", "SkopeoSource")
    desc = {"name": "localhost/img", "digest": image.manifest, "containers-transport": "containers-storage"}
    assert fetch(service, {image.id: {"image": {**desc, "storage-location": storage}}}) == ""
    assert Path(service.cache, image.id, "image", image.id.removeprefix("sha256:")).exists()


def test_image_that_is_another_is_not_kept(make: Make, registry: str, image: Image) -> None:
    service = make("sources/org.osbuild.skopeo", "SkopeoSource")
    desc = {"image": {"name": f"{registry}/img", "digest": image.manifest, "tls-verify": False}}
    other = "sha256:" + "0" * 64
    assert f"has the id {image.id}, not {other}" in fetch(service, {other: desc})
    assert "unable to copy image" in fetch(service, {other: {"image": {**desc["image"], "digest": other}}})
    assert "is no image id" in fetch(service, {f"x/{other}": desc})
    assert os.listdir(service.cache) == []


def test_images_are_copied_to_another_cache(make: Make, registry: str, image: Image, tmp_path: Path) -> None:
    service = make("sources/org.osbuild.skopeo", "SkopeoSource")
    items = {image.id: {"image": {"name": f"{registry}/img", "digest": image.manifest, "tls-verify": False}}}
    assert not service.copy_all(items, str(tmp_path / "other"))["success"]
    fetch(service, items)
    for _again in range(2):
        assert service.copy_all(items, str(tmp_path / "other"))["success"]
    assert os.listdir(tmp_path / "other/org.osbuild.containers") == [image.id]


def test_manifest_list_is_a_file(make: Make, registry: str, image: Image) -> None:
    service = make("sources/org.osbuild.skopeo-index", "SkopeoIndexSource")
    desc = {"image": {"name": f"{registry}/img", "tls-verify": False}}
    assert fetch(service, {image.index: desc}) == ""
    assert Path(service.cache, image.index).read_bytes() == image.blobs[image.index]
    assert service.fetch_all({image.index: desc})["results"][0]["metadata"]["cached"] is True
    assert "is no manifest list" in fetch(service, {image.manifest: desc})
    assert "cannot fetch manifest list" in fetch(service, {"sha256:" + "0" * 64: desc})
    assert os.listdir(service.cache) == [image.index]


def test_image_of_the_hosts_storage_is_found(make: Make, storage: str, image: Image) -> None:
    service = make("sources/org.osbuild.containers-storage", "ContainersStorageSource")
    assert service.exists(image.id, None)
    assert fetch(service, {image.id: {}}) == ""
    other = "sha256:" + "0" * 64
    assert not service.exists(other, None)
    assert f"image {other} is not in the container storage" in fetch(service, {other: {}})


class Store:
    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self, name: str) -> str:
        return str(self.root / "cache" / name)

    def read_tree_at(self, object_id: str, target: Any, path: Any = "/") -> str | None:
        if object_id != "known":
            return None
        shutil.copytree(self.root / "tree", target, dirs_exist_ok=True)
        return os.fspath(target)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_input_shows_the_image_read_only(make: Make, tmp_path: Path) -> None:
    cached = tmp_path / "cache/org.osbuild.containers/sha256:1/image"
    cached.mkdir(parents=True)
    (cached / "manifest.json").write_text("{}")
    target = tmp_path / "target"
    service = make("inputs/org.osbuild.containers", "ContainersInput")
    reply = service.map(Store(tmp_path), "org.osbuild.source", {"sha256:1": {"name": "n:1"}}, str(target), {})
    assert reply == {"path": str(target), "data": {"archives": {"sha256:1": {"format": "dir", "name": "n:1"}}}}
    assert (target / "sha256:1/manifest.json").read_text() == "{}"
    with pytest.raises(OSError, match="Read-only"):
        (target / "sha256:1/new").touch()
    with pytest.raises(ValueError, match="image sha256:2 is not in the cache"):
        service.map(Store(tmp_path), "org.osbuild.source", {"sha256:2": {"name": "n:1"}}, str(target), {})
    service.unmap()
    assert os.listdir(target / "sha256:1") == []


def test_input_finds_the_archive_of_a_pipeline(make: Make, tmp_path: Path) -> None:
    (tmp_path / "tree/a").mkdir(parents=True)
    service = make("inputs/org.osbuild.containers", "ContainersInput")
    args = ("org.osbuild.pipeline", {"known": {"name": "n"}}, str(tmp_path / "target"), {})
    with pytest.raises(ValueError, match="has no file"):
        service.map(Store(tmp_path), *args)
    for name in ("c.tar", "b.tar"):
        (tmp_path / "tree" / name).touch()
    reply = service.map(Store(tmp_path), *args)
    assert reply["data"] == {"archives": {"b.tar": {"format": "oci-archive", "name": "n"}}}
    with pytest.raises(ValueError, match="Unknown pipeline 'x'"):
        service.map(Store(tmp_path), "org.osbuild.pipeline", {"x": {"name": "n"}}, str(tmp_path / "target"), {})


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_input_shows_the_hosts_storage(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = make("inputs/org.osbuild.containers-storage", "ContainersStorageInput")
    module = sys.modules[type(service).__module__]
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").touch()
    conf = {"storage": {"driver": "vfs", "graphroot": str(tmp_path / "root")}}
    monkeypatch.setattr(module, "get_container_storage", lambda: conf)
    target = tmp_path / "target"
    refs = {"sha256:1": {"name": "n"}}
    reply = service.map(None, "org.osbuild.source", refs, str(target), {})
    assert reply["data"]["archives"] == {"sha256:1": {"format": "containers-storage", "name": "n", "storage": conf}}
    assert os.listdir(target / "storage") == ["file"]
    service.unmap()
    assert os.listdir(target / "storage") == []
    conf["storage"]["graphroot"] = str(tmp_path / "none")
    with pytest.raises(ValueError, match="no container storage"):
        service.map(None, "org.osbuild.source", refs, str(target), {})


FILES = [
    ("oci-archive", None),
    ("oci-archive", "one"),
    ("docker-archive", "localhost/img:one"),
    ("oci", None),
    ("dir", None),
]


@pytest.mark.parametrize(("kind", "reference"), FILES)
def test_image_in_a_file_is_taken(
    make: Make, image: Image, oci: Path, tmp_path: Path, kind: str, reference: str | None
) -> None:
    path = tmp_path / "image"
    named = f":{reference}" if reference else ""
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{oci}", f"{kind}:{path}{named}"], check=True)
    desc = {"path": str(path), "format": kind, **({"reference": reference} if reference else {})}
    service = make("sources/org.osbuild.container-archive", "ContainerArchiveSource")
    assert fetch(service, {image.id: desc}) == ""
    assert (tmp_path / "cache/org.osbuild.containers" / image.id / "image" / "manifest.json").is_file()
    path.rename(tmp_path / "moved")
    assert fetch(service, {image.id: desc}) == ""


def test_file_without_the_image_is_refused(make: Make, image: Image, oci: Path, tmp_path: Path) -> None:
    service = make("sources/org.osbuild.container-archive", "ContainerArchiveSource")
    other = "sha256:" + "0" * 64
    assert f"has the id {image.id}, not {other}" in fetch(service, {other: {"path": str(oci), "format": "oci"}})
    assert "unable to copy image" in fetch(service, {image.id: {"path": str(tmp_path / "missing")}})
    (tmp_path / "text").write_text("no archive")
    assert "unable to copy image" in fetch(service, {image.id: {"path": str(tmp_path / "text")}})
    for path in ("oci", f"{oci}:x"):
        assert "path must be absolute and without a colon" in fetch(service, {image.id: {"path": path, "format": "oci"}})
    assert "is no image id" in fetch(service, {"../" + image.id: {"path": str(oci), "format": "oci"}})
    assert os.listdir(tmp_path / "cache/org.osbuild.containers") == []
