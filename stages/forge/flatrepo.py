# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Indices of a flat package repository. Source: deb822(5), the Debian repository format."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import lzma
import os
from collections.abc import Mapping, Sequence

from .deb import Package
from .errors import StageError

_ALGORITHMS = (("MD5sum", "md5"), ("SHA1", "sha1"), ("SHA256", "sha256"))


def file_name(package: Package) -> str:
    """name_version_architecture.deb, the epoch left out."""
    version = package.version.partition(":")[2] or package.version
    return f"{package.name}_{version}_{package.architecture}.deb"


def _sha256(path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def packages_index(found: Mapping[str, tuple[Package, str]]) -> bytes:
    """Packages: one stanza for each name below the repository, of its package and path."""
    stanzas = []
    for name, (package, path) in sorted(found.items(), key=lambda item: (item[1][0].name, item[0])):
        size, digest = _sha256(path)
        lines = [f"{key}: {value}" if value[:1] != "\n" else f"{key}:{value}" for key, value in package.control.fields]
        stanzas.append("\n".join([*lines, f"Filename: ./{name}", f"Size: {size}", f"SHA256: {digest}"]) + "\n")
    return "\n".join(stanzas).encode("utf-8", "surrogateescape")


def compressed(content: bytes, suffix: str) -> bytes:
    """The same bytes for the same content: no name, no time."""
    return gzip.compress(content, mtime=0) if suffix == "gz" else lzma.compress(content)


def release(fields: Mapping[str, str], architectures: Sequence[str], indices: Mapping[str, bytes], epoch: int) -> bytes:
    """Release: fields as given, then checksums of the indices."""
    lines = [f"{key}: {value}" for key, value in fields.items()]
    for key, value in fields.items():
        if not value.strip() or "\n" in value:
            raise StageError(f"option {key.lower()} is {value!r}; one line is allowed")
    names = sorted(set(architectures) - {"all"}) or ["all"]
    lines += [f"Architectures: {' '.join(names)}", f"Date: {email.utils.formatdate(epoch, usegmt=True)}"]
    for title, algorithm in _ALGORITHMS:
        lines.append(f"{title}:")
        for name, content in sorted(indices.items()):
            digest = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
            lines.append(f" {digest} {len(content)} {name}")
    return ("\n".join(lines) + "\n").encode()


def debs_below(folder: str) -> list[str]:
    """Relative paths of the .deb files in a tree, links left out."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [
            os.path.relpath(os.path.join(place, name), folder) for name in sorted(names)
            if name.endswith(".deb") and not os.path.islink(os.path.join(place, name))
        ]
    return found
