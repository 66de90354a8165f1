# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Container images in the system's container storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..containers import ContainerImage
from ..manifest import ContainerItem, Manifest, Stage, containers_input
from .definition import Definition

_STORAGE = "/var/lib/containers/storage"


def container_stages(definition: Definition, manifest: Manifest, images: Sequence[ContainerImage]) -> Iterable[Stage]:
    if not images:
        return
    own = definition.customizations.containers_storage
    destination: dict[str, Any] = {"type": "containers-storage"}
    if own:
        destination["storage-path"] = own
    for image in images:
        item = ContainerItem(image.repository, image.digest, tls_verify=image.tls_verify, local=image.local)
        manifest.add_container(image.id, item)
        # A stage for each: one image may be wanted under two names.
        yield Stage(
            "org.osbuild.skopeo",
            {"destination": destination},
            inputs={"images": containers_input({image.id: image.name})},
        )
    if own:
        storage = {
            "driver": "overlay",
            "graphroot": _STORAGE,
            "runroot": "/run/containers/storage",
            "options": {"additionalimagestores": [own]},
        }
        yield Stage("org.osbuild.containers.storage.conf", {"config": {"storage": storage}})
