# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Writing an OCI image layout as one tar archive (https://specs.opencontainers.org/image-spec/image-layout/).

Blobs are named by their digest, which is known only when they are complete, so the header of a member is written after
its content: a layer is read, compressed and stored in one pass, without a copy beside the archive.
"""

from __future__ import annotations

import hashlib
import json
import tarfile

from . import gzipstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, BinaryIO

BLOCK = tarfile.BLOCKSIZE
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Descriptor = dict[str, "str | int"]


class Archive:
    """An archive in the making: `file` is new and can be read and written, `time` is that of all members."""

    def __init__(self, file: BinaryIO, time: int) -> None:
        self._file = file
        self._time = time
        self._known: set[str] = set()
        for name in ("blobs", "blobs/sha256"):
            self._header(name, 0, tarfile.DIRTYPE, 0o755)

    def _header(self, name: str, size: int, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, size, self._time
        self._file.write(info.tobuf(tarfile.GNU_FORMAT))

    def _pad(self, unit: int) -> None:
        self._file.write(b"\0" * (-self._file.tell() % unit))

    def add(self, name: str, data: bytes) -> None:
        self._header(name, len(data))
        self._file.write(data)
        self._pad(BLOCK)

    def add_blob(self, document: Mapping[str, Any], media_type: str) -> Descriptor:
        """Store a JSON document."""
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known:
            self._known.add(digest)
            self.add(f"blobs/sha256/{digest}", data)
        return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": media_type}

    def add_layer(self, source: BinaryIO) -> tuple[Descriptor, str]:
        """Compress and store a tar stream; also return the digest of the stream itself (its diff id)."""
        start = self._file.tell()
        self._file.write(b"\0" * BLOCK)
        plain, packed = hashlib.sha256(), hashlib.sha256()

        def write(data: bytes) -> None:
            packed.update(data)
            self._file.write(data)

        gzipstream.compress(source, write, seen=plain.update)
        size = self._file.tell() - start - BLOCK
        digest = packed.hexdigest()
        self._file.seek(start)
        if digest in self._known:
            self._file.truncate()
        else:
            self._known.add(digest)
            self._header(f"blobs/sha256/{digest}", size)
            self._file.seek(size, 1)
            self._pad(BLOCK)
        return {"digest": f"sha256:{digest}", "size": size, "mediaType": LAYER}, f"sha256:{plain.hexdigest()}"

    def close(self, manifest: Descriptor) -> None:
        """Name the image and end the archive."""
        self.add("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        self.add("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        self._file.write(b"\0" * (2 * BLOCK))
        self._pad(tarfile.RECORDSIZE)
