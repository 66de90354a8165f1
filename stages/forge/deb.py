# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading a .deb: ar container, control archive, data archive. Source: deb(5), deb-control(5)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from . import tar
from .errors import StageError
from .stanza import Stanza, parse_stanza
from .streams import DAMAGED, Stream, decompress, file_chunks

MAGIC = b"!<arch>\n"
_HEADER = 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*")
_VERSION = re.compile(r"[A-Za-z0-9.+:~\-]+")


@dataclass
class Member:
    """A part of the ar container: suffix of its name, offset and size in bytes."""

    suffix: str
    offset: int
    size: int


@dataclass
class Package:
    """One package: what its control archive says, and where its data lies.

    file: name below the input directory; members: control files by name with their modes; metadata: what the
    manifest said of it ("name", "version", "architecture", "auto").
    """

    file: str
    control: Stanza
    members: dict[str, tuple[bytes, int]]
    data: Member
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.control["Package"].strip()

    @property
    def version(self) -> str:
        return self.control["Version"].strip()

    @property
    def architecture(self) -> str:
        return self.control["Architecture"].strip()

    @property
    def multi_arch(self) -> str:
        return self.control.get("Multi-Arch", "no").strip()

    @property
    def essential(self) -> bool:
        return self.control.get("Essential", "no").strip() == "yes"

    @property
    def qualified(self) -> str:
        """The name dpkg's database uses: with the architecture only where two of them may be installed together."""
        return f"{self.name}:{self.architecture}" if self.multi_arch == "same" else self.name

    @property
    def conffiles(self) -> list[tuple[str, bool]]:
        """(absolute path, remove-on-upgrade) of each conffile."""
        result = []
        for line in self.members.get("conffiles", (b"", 0))[0].decode("utf-8", "surrogateescape").splitlines():
            words = line.strip()
            if not words:
                continue
            flag, _ignored, path = words.partition(" ")
            if flag == "remove-on-upgrade":
                result.append((path.strip(), True))
            else:
                result.append((words, False))
        return result

    @property
    def md5_paths(self) -> list[bytes]:
        """Relative paths of the regular files the package says it ships (most packages do)."""
        lines = self.members.get("md5sums", (b"", 0))[0].splitlines()
        return [line[34:] for line in lines if len(line) > 34]


def ar_members(fd: int, label: str) -> dict[str, Member]:
    if os.pread(fd, len(MAGIC), 0) != MAGIC:
        raise StageError(f"{label} is not a Debian package: it does not start as an ar archive does")
    result: dict[str, Member] = {}
    at = len(MAGIC)
    end = os.fstat(fd).st_size
    while at < end:
        header = os.pread(fd, _HEADER, at)
        if len(header) != _HEADER or header[58:60] != b"`\n":
            raise StageError(f"{label} is a damaged Debian package: bad ar header at byte {at}")
        name = header[:16].rstrip().rstrip(b"/").decode("ascii", "replace")
        try:
            size = int(header[48:58])
        except ValueError:
            raise StageError(f"{label} is a damaged Debian package: bad ar size at byte {at}") from None
        at += _HEADER
        for part in ("control.tar", "data.tar", "debian-binary"):
            if name.startswith(part) and part not in result:
                result[part] = Member(name.removeprefix(part), at, size)
        if at + size > end:
            raise StageError(f"{label} is a damaged Debian package: it ends within {name}")
        at += size + size % 2
    missing = [part for part in ("debian-binary", "control.tar", "data.tar") if part not in result]
    if missing:
        raise StageError(f"{label} is not a Debian package: it has no {' and no '.join(missing)}")
    version = os.pread(fd, 16, result["debian-binary"].offset)
    if not version.startswith(b"2."):
        raise StageError(f"{label} has package format {version.split(bytes([10]))[0]!r}; only 2.x is known")
    return result


def read_package(path: str, *, file: str = "", metadata: dict[str, Any] | None = None) -> Package:
    """Read and check the control part of the .deb at `path`. Raises StageError naming the file."""
    label = (metadata or {}).get("name") or file or os.path.basename(path)
    label = f"package {label}" if metadata and metadata.get("name") else f"package file {label}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StageError(f"{label} cannot be read: {error.strerror}") from None
    try:
        parts = ar_members(fd, label)
        control = parts["control.tar"]
        members: dict[str, tuple[bytes, int]] = {}
        try:
            stream = decompress(control.suffix, file_chunks(fd, control.offset, control.size))
            for entry in tar.entries(stream):
                if entry.kind == tar.FILE:
                    content = stream.read(entry.size)
                    if len(content) != entry.size:
                        raise EOFError
                    name = entry.path.decode("utf-8", "surrogateescape")
                    if "/" in name:
                        raise tar.TarError(f"control file {name!r} lies in a directory")
                    members[name] = (content, entry.mode)
        except tar.TarError as error:
            raise StageError(f"{label} has a bad control archive: {error}") from None
        except DAMAGED as error:
            raise StageError(f"{label} has a damaged control archive: {error or 'it ends too early'}") from None
    finally:
        os.close(fd)
    if "control" not in members:
        raise StageError(f"{label} is not a Debian package: its control archive has no file `control`")
    stanza = parse_stanza(members["control"][0].decode("utf-8", "surrogateescape"), label)
    for name in ("Package", "Version", "Architecture"):
        if not stanza.get(name):
            raise StageError(f"{label} is not a Debian package: its control file has no field {name}")
    # All three become parts of file names or lines in dpkg's database.
    for name, allowed in (("Package", _NAME), ("Architecture", _NAME), ("Version", _VERSION)):
        if not allowed.fullmatch(stanza[name].strip()):
            raise StageError(f"{label} has the field {name} {stanza[name].strip()[:80]!r}, which dpkg does not allow")
    return Package(file or path, stanza, members, parts["data.tar"], dict(metadata or {}))


def data_stream(fd: int, package: Package, outside: int | None = None) -> Stream:
    """The package's uncompressed data.tar, read from the open .deb `fd`."""
    member = package.data
    return decompress(member.suffix, file_chunks(fd, member.offset, member.size), outside)
