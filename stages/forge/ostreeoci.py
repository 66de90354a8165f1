# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""An OSTree commit as an OCI image: one layer that holds an archive repository at /ostree/repo.

The image is a vessel, not a root file system: `ostree pull-local` takes the commit out of the unpacked layer. Its
labels say which commit and ref it holds. Source: OCI image-spec 1.0, image-layout.md and config.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time

from . import imagelayers
from .errors import StageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

COMMIT_LABEL = "ostree.commit"
REF_LABEL = "ostree.ref"
REPO = "ostree/repo"
_TYPE = "application/vnd.oci.image.{}.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
# Architectures have the names Go gives them.
ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
    "i686": "386",
}


def _plain(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = epoch
    return member


def write_layer(repo: str, path: str, epoch: int) -> None:
    """A tar of `repo` at /ostree/repo, the same for equal repositories."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("ostree", REPO):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(_plain(member, epoch))
        for folder, folders, files in os.walk(repo):
            folders.sort()
            inside = os.path.join(REPO, os.path.relpath(folder, repo))
            for name in sorted([*folders, *files]):
                place = os.path.join(folder, name)
                member = _plain(archive.gettarinfo(place, os.path.normpath(os.path.join(inside, name))), epoch)
                if member.isdir():
                    archive.addfile(member)
                elif os.path.isfile(place) and not os.path.islink(place):
                    # No links between objects: a reader may take them one by one.
                    member.type, member.linkname, member.size = tarfile.REGTYPE, "", os.path.getsize(place)
                    with open(place, "rb") as file:
                        archive.addfile(member, file)


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(path: str, layer: str, config: Mapping[str, Any], architecture: str, epoch: int, name: str | None) -> None:
    """An OCI archive with one image of one layer."""
    layer_digest = _digest(layer)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    image = {
        "created": created, "architecture": architecture, "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": created, "comment": "OSTree repository"}],
    }
    blobs: dict[str, bytes] = {}

    def blob(document: Mapping[str, Any], kind: str) -> dict[str, Any]:
        data = json.dumps(document, sort_keys=True).encode()
        hexdigest = hashlib.sha256(data).hexdigest()
        blobs[hexdigest] = data
        return {"mediaType": _TYPE.format(kind), "digest": f"sha256:{hexdigest}", "size": len(data)}

    manifest = {
        "schemaVersion": 2, "mediaType": _TYPE.format("manifest"), "config": blob(image, "config"),
        "layers": [{"mediaType": _LAYER, "digest": f"sha256:{layer_digest}", "size": os.path.getsize(layer)}],
    }
    entry = blob(manifest, "manifest")
    if name:
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    index = {"schemaVersion": 2, "mediaType": _TYPE.format("index"), "manifests": [entry]}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for folder in ("blobs", "blobs/sha256"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(_plain(member, epoch))
        for hexdigest, data in sorted(blobs.items()):
            _add(archive, f"blobs/sha256/{hexdigest}", data, epoch)
        member = _plain(archive.gettarinfo(layer, f"blobs/sha256/{layer_digest}"), epoch)
        member.mode = 0o644
        with open(layer, "rb") as file:
            archive.addfile(member, file)
        _add(archive, "index.json", json.dumps(index, sort_keys=True).encode(), epoch)
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}', epoch)


def _add(archive: tarfile.TarFile, name: str, data: bytes, epoch: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(_plain(member, epoch), io.BytesIO(data))


def labels(given: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE texts as a mapping. StageError for others."""
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise StageError(f"labels: {text!r} must be KEY=VALUE")
        found[key] = value
    return found


def unpack(source: str, directory: str) -> tuple[str, str]:
    """Unpack the image `source` (as skopeo names it) below `directory`: its repository and the commit in it. StageError."""
    image = os.path.join(directory, "image")
    words = ["skopeo", "--insecure-policy", "copy", "--quiet", source, f"dir:{image}"]
    try:
        result = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise StageError("the build root has no `skopeo` program; install the package skopeo there") from None
    if result.returncode != 0:
        raise StageError(f"inputs.images cannot be read: {(result.stderr.strip().splitlines() or ['no output'])[-1]}")
    with open(os.path.join(image, "manifest.json"), encoding="utf8") as file:
        manifest = json.load(file)
    with open(imagelayers.blob(image, manifest["config"]["digest"]), encoding="utf8") as file:
        commit = (json.load(file).get("config", {}).get("Labels") or {}).get(COMMIT_LABEL)
    root = os.path.join(directory, "root")
    os.mkdir(root)
    for layer in manifest["layers"]:
        path = imagelayers.blob(image, layer["digest"])
        # tar finds out about compression by itself; a layer without the member is no error here.
        subprocess.run(["tar", "-C", root, "--no-same-owner", "-xf", path, REPO], capture_output=True, check=False)
        os.unlink(path)
    repo = os.path.join(root, REPO)
    if not commit or not os.path.isdir(os.path.join(repo, "objects")) or os.path.realpath(repo) != os.path.realpath(root) + f"/{REPO}":
        raise StageError(
            "inputs.images holds no image of org.osbuild.ostree.encapsulate (an OSTree repository at /ostree/repo and the "
            f"label {COMMIT_LABEL}); images of ostree-ext need `ostree container`, which Debian's ostree does not have"
        )
    return repo, commit
