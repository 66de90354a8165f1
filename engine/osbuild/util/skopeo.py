# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""skopeo(1) for the sources that fetch container images: names of images, and its errors."""

from __future__ import annotations

import re
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def image_source(image: Mapping[str, Any], digest: str) -> str:
    """Return the image of a source item, its manifest given by `digest`, as containers-transports(5) writes it.

    Raises RuntimeError for an unknown transport.
    """
    transport = image.get("containers-transport", "docker")
    name = f"{image['name']}@{digest}"
    if transport == "docker":
        return f"docker://{name}"
    if transport == "containers-storage":
        location = image.get("storage-location")
        return f"containers-storage:[{location}]{name}" if location else f"containers-storage:{name}"
    raise RuntimeError(f"containers-transport must be 'docker' or 'containers-storage', found '{transport}'")


def run(*args: str) -> bytes:
    """Run skopeo with `args` and return what it prints. Raises RuntimeError with its message."""
    try:
        result = subprocess.run(["skopeo", *args], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError("skopeo is not installed on this host") from error
    if result.returncode != 0:
        message = result.stderr.decode("utf8", "replace").strip()
        raise RuntimeError(message or f"skopeo ended with {result.returncode}")
    return result.stdout
