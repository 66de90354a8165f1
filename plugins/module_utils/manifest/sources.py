# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Items of the sources ``org.osbuild.curl`` and ``org.osbuild.inline``."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from ..errors import ManifestError

# Algorithms that osbuild's curl source verifies, with the length of their digests in hex.
ALGORITHMS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}

_SCHEMES = re.compile(r"(?:https?|file|ftp)://", re.IGNORECASE)


def check_checksum(text: str) -> str:
    """*text* if it is ``<algorithm>:<hex>`` as osbuild writes it; raises ManifestError otherwise."""
    algorithm, _ignored, digest = text.partition(":")
    length = ALGORITHMS.get(algorithm)
    if length is None or not re.fullmatch(rf"[0-9a-f]{{{length}}}", digest):
        raise ManifestError(
            f"checksum '{text}': must be one of {', '.join(ALGORITHMS)}, a colon, and the digest in small hex digits"
        )
    return text


def sha256(data: bytes) -> str:
    """``sha256:<hex>`` of *data*."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class CurlItem:
    """A file to download.

    :param checksum: ``<algorithm>:<hex>``.
    :param url: not percent-encoded, since osbuild encodes the path itself.
    :param insecure: do not verify the server's certificate.
    :param secrets: name of the secrets provider, such as ``org.osbuild.mtls``; empty for none.
    """

    checksum: str
    url: str
    insecure: bool = False
    secrets: str = ""

    def __post_init__(self) -> None:
        check_checksum(self.checksum)
        if not _SCHEMES.match(self.url):
            raise ManifestError(f"source {self.checksum}: '{self.url}' is no http, https, ftp or file URL")

    def to_dict(self) -> str | dict[str, Any]:
        if not self.insecure and not self.secrets:
            return self.url
        result: dict[str, Any] = {"url": self.url}
        if self.insecure:
            result["insecure"] = True
        if self.secrets:
            result["secrets"] = {"name": self.secrets}
        return result


@dataclass(frozen=True)
class ContainerItem:
    """A container image of the source ``org.osbuild.skopeo``.

    :param name: reference without tag and digest.
    :param digest: of its manifest.
    :param local: it comes from the building host's container storage.
    """

    name: str
    digest: str
    tls_verify: bool = True
    local: bool = False

    def __post_init__(self) -> None:
        check_checksum(self.digest)

    def to_dict(self) -> dict[str, Any]:
        image: dict[str, Any] = {"name": self.name, "digest": self.digest}
        if not self.tls_verify:
            image["tls-verify"] = False
        if self.local:
            image["containers-transport"] = "containers-storage"
        return {"image": image}


@dataclass(frozen=True)
class InlineItem:
    """A small file that travels inside the manifest."""

    data: bytes

    @property
    def checksum(self) -> str:
        return sha256(self.data)

    def to_dict(self) -> dict[str, Any]:
        return {"encoding": "base64", "data": base64.b64encode(self.data).decode("ascii")}


@dataclass(frozen=True)
class OSTreeItem:
    """A commit to pull.

    :param url: of the repository that has it.
    :param gpg_keys: armoured public keys that it has to be signed with one of; empty: signatures are not verified.
    """

    commit: str
    url: str
    gpg_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.commit):
            raise ManifestError(f"commit '{self.commit}': must be 64 small hex digits")

    def to_dict(self) -> dict[str, Any]:
        remote: dict[str, Any] = {"url": self.url}
        if self.gpg_keys:
            remote["gpgkeys"] = list(self.gpg_keys)
        return {"remote": remote}
