# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Container images of a stage's inputs: what they are, and as sources for skopeo(1) and podman(1)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import tempfile

from .mnt import MountGuard, MountPermissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

LIST_MEDIA_TYPES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
# Where a stage sees the host's storage, and one that can be written to on top of it.
HOST_CONTAINERS_STORAGE = "/run/osbuild/containers/storage"
HOST_CONTAINERS_STORAGE2 = "/run/osbuild/containers/storage2"
RUN_ROOT = "/run/containers/storage"


def is_manifest_list(data: Mapping[str, Any]) -> bool:
    """Tell whether a manifest is a list of manifests for several platforms."""
    media_type = data.get("mediaType")
    return media_type in LIST_MEDIA_TYPES if media_type else "manifests" in data


def manifest_digest(path: str | os.PathLike[str]) -> str:
    """Return the digest of the manifest in the file `path`. Raises CalledProcessError."""
    return subprocess.check_output(["skopeo", "manifest-digest", os.fspath(path)], text=True).strip()


def parse_manifest_list(manifests: Mapping[str, Any]) -> dict[str, str]:
    """Map the digests of all manifests in the lists of a files input to the path of their list."""
    found = {}
    for name in manifests["data"]["files"]:
        path = os.path.join(manifests["path"], name)
        with open(path, encoding="utf8") as file:
            for manifest in json.load(file)["manifests"]:
                found[manifest["digest"]] = path
    return found


def parse_containers_input(inputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by checksum what a stage needs of each image: `filepath`, `manifest-list` (path or None), `data`, `checksum`.

    Lists that belong to an image are taken out of the input `manifest-lists`. Raises RuntimeError if some are left.
    """
    images = inputs["images"]
    lists = inputs.get("manifest-lists")
    list_of = parse_manifest_list(lists) if lists else {}
    found: dict[str, dict[str, Any]] = {}
    for checksum, data in images["data"]["archives"].items():
        stored = data["format"] == "containers-storage"
        filepath = os.path.join(images["path"], "storage" if stored else checksum)
        manifest_list = None
        if list_of and data["format"] == "dir":
            manifest_list = list_of.get(manifest_digest(os.path.join(filepath, "manifest.json")))
            if manifest_list and lists:
                lists["data"]["files"].pop(os.path.basename(manifest_list), None)
        found[checksum] = {"filepath": filepath, "manifest-list": manifest_list, "data": data, "checksum": checksum}
    if lists and lists["data"]["files"]:
        raise RuntimeError(f"manifest lists that belong to none of the images: {', '.join(lists['data']['files'])}")
    return found


def merge_manifest(list_manifest: str, destination: str) -> None:
    """Put a manifest list into an image in dir layout, whose own manifest gets a name by its digest."""
    manifest = os.path.join(destination, "manifest.json")
    hexdigest = manifest_digest(manifest).partition(":")[2]
    os.rename(manifest, os.path.join(destination, f"{hexdigest}.manifest.json"))
    subprocess.run(["cp", "--reflink=auto", "-a", list_manifest, manifest], check=True)


@contextlib.contextmanager
def _file_source(image: Mapping[str, Any], kind: str) -> Iterator[str]:
    # A name of our own: what follows a colon in a path would be taken for a tag.
    with tempfile.TemporaryDirectory() as tmpdir:
        path = os.path.join(tmpdir, "image")
        if kind == "dir" and image["manifest-list"]:
            subprocess.run(["cp", "-a", "--reflink=auto", image["filepath"], path], check=True)
            merge_manifest(image["manifest-list"], path)
        else:
            os.symlink(image["filepath"], path)
        yield f"{kind}:{path}"


@contextlib.contextmanager
def _storage_source(image: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    image_id = image["checksum"].partition(":")[2]
    driver = image["data"]["storage"].get("storage", {}).get("driver", "overlay")
    os.makedirs(HOST_CONTAINERS_STORAGE, exist_ok=True)
    with MountGuard() as guard:
        guard.mount(image["filepath"], HOST_CONTAINERS_STORAGE)
        # The tools take locks in the storage.
        guard.mount(image["filepath"], HOST_CONTAINERS_STORAGE, remount=True, permissions=MountPermissions.READ_WRITE)
        if driver != "overlay":
            spec = f"{driver}@{HOST_CONTAINERS_STORAGE}+{RUN_ROOT}"
            yield f"containers-storage:[{spec}]{image_id}", [f"--imagestore={HOST_CONTAINERS_STORAGE}"]
            return
        spec = f"{driver}@{HOST_CONTAINERS_STORAGE2}+{RUN_ROOT}:additionalimagestore={HOST_CONTAINERS_STORAGE}"
        options = [f"--root={HOST_CONTAINERS_STORAGE2}", f"--imagestore={HOST_CONTAINERS_STORAGE}"]
        try:
            yield f"containers-storage:[{spec}]{image_id}", options
        finally:
            # The driver mounts its directory on itself and leaves it so.
            overlay = os.path.join(HOST_CONTAINERS_STORAGE, "overlay")
            subprocess.run(["umount", "-f", "--lazy", overlay], check=False)


@contextlib.contextmanager
def container_source(image: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str] | None]]:
    """Provide an image of `parse_containers_input`: its name, the source for skopeo, options for podman or None.

    Raises RuntimeError for an unknown format.
    """
    name, kind = image["data"]["name"], image["data"]["format"]
    if kind in ("dir", "oci-archive"):
        with _file_source(image, kind) as source:
            yield name, source, None
    elif kind == "containers-storage":
        with _storage_source(image) as (source, options):
            yield name, source, options
    else:
        raise RuntimeError(f"Unknown container format {kind}")


@contextlib.contextmanager
def container_mount(image: Mapping[str, Any]) -> Iterator[str]:
    """Provide the directory where podman mounts the image. Raises RuntimeError with podman's message."""
    with contextlib.ExitStack() as undo:
        _name, source, storage_options = undo.enter_context(container_source(image))
        podman = ["podman", *(storage_options or [])]
        if image["data"]["format"] == "containers-storage":
            name = image["checksum"].partition(":")[2]
        else:
            name = f"tmp-container-mount-{random.randrange(10**13, 10**14)}"
            # skopeo keeps its temporary files there.
            os.makedirs("/var/tmp", exist_ok=True)
            subprocess.run(["skopeo", "copy", source, f"containers-storage:{name}"], check=True)
            undo.callback(subprocess.run, [*podman, "rmi", name], check=True)
        result = subprocess.run([*podman, "image", "mount", name], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"Failed to mount image ({result.returncode}): {result.stderr.strip()}")
        undo.callback(subprocess.run, [*podman, "image", "umount", name], check=True)
        yield result.stdout.strip()
