# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Source packages: the .dsc, its signature, its checksums, its files. Source: dsc(5), gpgv(1)."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import command
from .errors import StageError
from .stanza import Stanza, parse_stanza

_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"(\d+:)?[A-Za-z0-9.+:~-]+")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.~_:-]*")
_SUMS = {"Checksums-Sha256": "sha256", "Checksums-Sha1": "sha1", "Files": "md5"}


@dataclass(frozen=True)
class Listed:
    """A file the .dsc lists: size in bytes, and checksums by algorithm."""

    size: int
    sums: dict[str, str]


@dataclass(frozen=True)
class Source:
    """What a .dsc says."""

    name: str
    version: str
    control: Stanza
    files: dict[str, Listed]

    @property
    def upstream(self) -> str:
        """The version without epoch and Debian revision, as in the name of the unpacked directory."""
        plain = self.version.partition(":")[2] or self.version
        return plain.rpartition("-")[0] or plain

    @property
    def file(self) -> str:
        return f"{self.name}_{self.version.partition(':')[2] or self.version}.dsc"


def verified(path: str, keyrings: Sequence[str]) -> str:
    """The text that a signature with a key of `keyrings` covers. StageError without a good one."""
    with tempfile.TemporaryDirectory(prefix="dsc-") as folder:
        out = os.path.join(folder, "text")
        argv = ["gpgv", "--output", out]
        for number, keyring in enumerate(keyrings):
            # gpgv takes keyrings of the binary form by a name that has no colon.
            place = os.path.join(folder, f"keyring{number}.gpg")
            os.symlink(keyring, place)
            argv += ["--keyring", place]
        try:
            finished = command.run([*argv, path], command.environment({"HOME": folder, "GNUPGHOME": folder}))
        except FileNotFoundError:
            raise StageError("the build root has no gpgv, which verifies the signature of the .dsc") from None
        if finished.status or not os.path.exists(out):
            raise StageError(f"the .dsc has no good signature of a key in the input keyring{finished.quoted()}")
        with open(out, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()


def _unsigned(text: str) -> str:
    """The text inside a clear signature that nobody has verified."""
    if not text.startswith(_SIGNED):
        return text
    body = text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")[0]
    return "\n".join(line.removeprefix("- ") for line in body.split("\n"))


def read(path: str, keyrings: Sequence[str] = ()) -> Source:
    """Read the .dsc; with keyrings only what their keys have signed. StageError for what is none."""
    if keyrings:
        text = verified(path, keyrings)
    else:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = _unsigned(file.read())
    control = parse_stanza(text, "the .dsc")
    for name, allowed in (("Source", _NAME), ("Version", _VERSION)):
        if not allowed.fullmatch(control.get(name)):
            raise StageError(f"the .dsc has {control.get(name)[:80]!r} as {name}, which Debian does not allow")
    sums: dict[str, dict[str, str]] = {}
    sizes: dict[str, int] = {}
    for field, algorithm in _SUMS.items():
        for line in control.get(field).splitlines():
            words = line.split()
            if not words:
                continue
            if len(words) != 3 or not words[1].isdigit() or not _FILE.fullmatch(words[2]):
                raise StageError(f"the .dsc has {line.strip()[:80]!r} in {field}, which names no file")
            if sizes.setdefault(words[2], int(words[1])) != int(words[1]):
                raise StageError(f"the .dsc gives {words[2]} two sizes")
            sums.setdefault(words[2], {})[algorithm] = words[0].lower()
    for name, found in sums.items():
        if "sha256" not in found:
            raise StageError(f"the .dsc has no SHA-256 of {name}; MD5 and SHA-1 alone prove nothing")
    if not sums:
        raise StageError("the .dsc lists no files")
    return Source(control["Source"], control["Version"], control, {name: Listed(sizes[name], sums[name]) for name in sums})


def match(source: Source, given: Mapping[str, Any]) -> dict[str, str]:
    """Where each listed file lies in the input `given`, by name. StageError unless all are there and right, and no others."""
    found: dict[str, str] = {}
    paths = {name: os.path.join(given["path"], name) for name in given["data"]["files"]}
    digests = {}
    for name, path in paths.items():
        hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in _SUMS.values()}
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                for item in hashes.values():
                    item.update(block)
        digests[name] = {algorithm: item.hexdigest() for algorithm, item in hashes.items()}
    for listed, wanted in source.files.items():
        name = next((name for name, sums in digests.items() if sums["sha256"] == wanted.sums["sha256"]), None)
        if name is None:
            raise StageError(f"input files lacks {listed}, which the .dsc lists with SHA-256 {wanted.sums['sha256']}")
        for algorithm, value in wanted.sums.items():
            if digests[name][algorithm] != value:
                raise StageError(f"{listed} has the {algorithm} {digests[name][algorithm]}, but the .dsc says {value}")
        if os.path.getsize(paths[name]) != wanted.size:
            raise StageError(f"{listed} has {os.path.getsize(paths[name])} bytes, but the .dsc says {wanted.size}")
        found[listed] = paths[name]
    others = sorted(set(paths) - {os.path.basename(path) for path in found.values()})
    if others:
        raise StageError(f"input files has {', '.join(others)}, which the .dsc does not list")
    return found
