# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Look up the digests of container images by skopeo(1), with the credentials and proxies that it finds on this host."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ContainerError
from .model import Container, ContainerImage, repository

#: Takes arguments of skopeo, gives what it prints. Raises ContainerError with its message.
Skopeo = Callable[[Sequence[str]], bytes]

_TIMEOUT = 300
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def run_skopeo(arguments: Sequence[str]) -> bytes:
    try:
        done = subprocess.run(["skopeo", *arguments], capture_output=True, check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise ContainerError("skopeo is not installed on this host; install the package of that name") from None
    except subprocess.TimeoutExpired:
        raise ContainerError(f"skopeo had no answer after {_TIMEOUT} seconds") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ContainerError(_message(lines[-1]) if lines else f"skopeo ended with {done.returncode}")
    return done.stdout


def _message(line: str) -> str:
    """The text of a line in logfmt, as skopeo logs."""
    found = re.search(r'msg="((?:[^"\\]|\\.)*)"', line)
    return found[1].replace('\\"', '"') if found else line


def _raw(image: Container, reference: str, skopeo: Skopeo) -> tuple[bytes, dict[str, Any]]:
    """A manifest as it is, and read."""
    transport = "containers-storage:" if image.local else "docker://"
    options = [] if image.tls_verify or image.local else ["--tls-verify=false"]
    text = skopeo(["inspect", "--raw", *options, f"{transport}{reference}"])
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ContainerError("its manifest is no JSON object")
    return text, content


def _chosen(entries: list[Any], architecture: str, variant: str) -> str:
    """The digest of the image for an architecture, from a list of several (OCI image index)."""
    platforms = []
    for entry in entries:
        platform = entry.get("platform") or {}
        platforms.append(f"{platform.get('architecture')}{platform.get('variant') or ''}")
        if platform.get("os", "linux") != "linux" or platform.get("architecture") != architecture:
            continue
        if variant and platform.get("variant", variant) != variant:
            continue
        return str(entry.get("digest"))
    raise ContainerError(f"there is none for {architecture}{variant}; there are {', '.join(sorted(set(platforms)))}")


def _resolve(image: Container, architecture: str, variant: str, skopeo: Skopeo) -> ContainerImage:
    text, content = _raw(image, image.source, skopeo)
    given = image.source.partition("@")[2]
    if given and given != f"sha256:{hashlib.sha256(text).hexdigest()}":
        raise ContainerError("the manifest that was given has another digest")
    if isinstance(content.get("manifests"), list):
        digest = _chosen(content["manifests"], architecture, variant)
        text, content = _raw(image, f"{repository(image.source)}@{digest}", skopeo)
        if f"sha256:{hashlib.sha256(text).hexdigest()}" != digest:
            raise ContainerError(f"the manifest {digest} was asked for, and another one given")
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    config = (content.get("config") or {}).get("digest")
    if not isinstance(config, str) or not _DIGEST.fullmatch(config):
        raise ContainerError("its manifest names no configuration; only OCI images and Docker's schema 2 can be used")
    return ContainerImage(image.source, image.name, digest, config, image.tls_verify, image.local)


def resolve_containers(
    wanted: Sequence[Container], architecture: str, variant: str = "", skopeo: Skopeo = run_skopeo
) -> tuple[ContainerImage, ...]:
    """Pin images; *architecture* and *variant* as images name them (Go's GOARCH).

    :raises ContainerError: an image is not there, not for this architecture, or cannot be asked for.
    """
    found = []
    for image in wanted:
        try:
            found.append(_resolve(image, architecture, variant, skopeo))
        except ContainerError as error:
            where = "in this host's container storage" if image.local else "in its registry"
            raise ContainerError(
                f"container image {image.source}: cannot be looked up {where}: {error.message.rstrip('.')}; a lock file that has it "
                "makes that unnecessary"
            ) from None
    return tuple(found)
