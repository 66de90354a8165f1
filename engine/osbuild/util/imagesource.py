# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What sources of container images share: images by the digest of their configuration, in the layout skopeo(1) calls dir."""

from __future__ import annotations

import abc
import json
import os
import shutil
import tempfile

from osbuild import sources

from . import skopeo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ImageSource(sources.SourceService):
    """Copies images to the cache; one takes its name there only when it is complete and the one asked for."""

    content_type = "org.osbuild.containers"
    source_type: str

    @abc.abstractmethod
    def source(self, desc: dict[str, Any]) -> tuple[str, list[str]]:
        """What skopeo is to copy for an item, and with which further options. Raises RuntimeError for a wrong item."""

    def fetch_all(self, items: dict[str, Any]) -> dict[str, Any]:
        results = sources.SourceResults(self.source_type)
        fetched = [self.fetch_one(checksum, desc) for checksum, desc in items.items()]
        # Failures come last, since the text of the whole result is the last item's.
        for result in sorted(fetched, key=lambda result: not result.success):
            results.add(result)
        return results.as_dict()

    def fetch_one(self, checksum: str, desc: Any) -> sources.SourceItemResult:
        result = sources.SourceItemResult(metadata={"checksum": checksum})
        try:
            if not skopeo.DIGEST.fullmatch(checksum):
                raise RuntimeError(f"'{checksum}' is no image id of the form sha256:HEX")
            result.metadata["cached"] = self.exists(checksum, desc)
            if not result.metadata["cached"]:
                self._fetch(checksum, desc)
        except RuntimeError as error:
            result.set_error(str(error))
        except OSError as error:
            result.set_error(f"cannot store image {checksum} in {self.cache}: {error.strerror}")
        return result

    def exists(self, checksum: str, desc: Any) -> bool:
        return os.path.isdir(os.path.join(self.cache, checksum))

    def copy_all(self, items: dict[str, Any], dst_cache: str) -> dict[str, Any]:
        results = sources.SourceResults(self.id)
        target = os.path.join(dst_cache, self.content_type)
        os.makedirs(target, exist_ok=True)
        for checksum in items:
            result = sources.SourceItemResult(metadata={"checksum": checksum})
            temporary = os.path.join(target, f".{checksum}.{os.getpid()}")
            try:
                if not os.path.isdir(os.path.join(target, checksum)):
                    shutil.copytree(os.path.join(self.cache, checksum), temporary, symlinks=True)
                    take_name(temporary, os.path.join(target, checksum))
            except OSError as error:
                result.set_error(f"cannot copy image {checksum} to {target}: {error}")
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            results.add(result)
        return results.as_dict()

    def _fetch(self, checksum: str, desc: dict[str, Any]) -> None:
        source, options = self.source(desc)
        directory = os.path.join(tempfile.mkdtemp(dir=self.tmpdir), checksum)
        target = os.path.join(directory, "image")
        os.makedirs(target)
        try:
            skopeo.run("copy", "--quiet", *options, source, f"dir:{target}")
        except RuntimeError as error:
            raise RuntimeError(f"unable to copy image: {error}") from error
        found = config_digest(target)
        if found != checksum:
            raise RuntimeError(f"image {source.removeprefix('docker://')} has the id {found}, not {checksum}")
        take_name(directory, os.path.join(self.cache, checksum))


def config_digest(directory: str) -> str:
    """Return the image id of an image in dir layout. Raises RuntimeError if its manifest has none."""
    try:
        with open(os.path.join(directory, "manifest.json"), "rb") as file:
            digest = json.load(file)["config"]["digest"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RuntimeError("the image's manifest.json does not name a configuration") from error
    return str(digest)


def take_name(source: str, target: str) -> None:
    """Rename a directory; one that is there already, made by another run at the same time, is as good."""
    try:
        os.rename(source, target)
    except OSError:
        if not os.path.isdir(target):
            raise
