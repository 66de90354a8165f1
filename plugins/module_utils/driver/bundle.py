# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The bundle: engine and stages as one tree that is installed on a target (design: "On a target").

A bundle lies at ``<root>/<version>``, its digest beside it in ``<root>/<version>.sha256``; ``<root>/current``
points at the one in use.  ``<version>`` is itself a link, to ``<root>/bundles/<digest>``: a build that runs
keeps the tree it was started with while another of the same version is put in place, and controllers with
different collections build on one host, each with its own bundle.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import EngineError

ROOT = Path("/usr/lib/debian-forge")
#: Below the root: where each bundle lies, by its digest.
BUNDLES = "bundles"
#: Bundles that `prune` leaves beside those that a version points at.
SPARE = 3
#: Seconds after which an installation that did not end never will.
INTERRUPTED = 24 * 3600

_SKIPPED_NAMES = {"__pycache__", "node_modules"}
_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".swp", "~", ".orig", ".rej")


@dataclass(frozen=True)
class Member:
    """One file or link of a bundle; ``path`` is relative to the bundle's root."""

    path: str
    source: Path
    mode: int
    link: str | None = None


def _skip(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED_NAMES or name.endswith(_SKIPPED_SUFFIXES)


def _walk(directory: Path, prefix: str) -> Iterator[Member]:
    for entry in sorted(os.scandir(directory), key=lambda item: item.name):
        if _skip(entry.name):
            continue
        path = f"{prefix}{entry.name}"
        # The checkout's engine/stages is a link to ../stages: in a bundle it is the directory itself.
        if entry.is_dir(follow_symlinks=True):
            yield from _walk(Path(entry.path), f"{path}/")
        elif entry.is_symlink():
            yield Member(path, Path(entry.path), 0o777, os.readlink(entry.path))
        elif entry.is_file():
            # Only the execute bit has a meaning: a checkout's umask must not change the digest.
            mode = 0o755 if entry.stat().st_mode & stat.S_IXUSR else 0o644
            yield Member(path, Path(entry.path), mode)


def members(libdir: Path) -> list[Member]:
    """All files of the library directory ``libdir``, sorted by path.

    :raises EngineError: ``libdir`` is no osbuild library directory.
    """
    for wanted in ("osbuild", "stages"):
        if not (libdir / wanted).is_dir():
            raise EngineError(f"{libdir} is no osbuild library directory: it has no directory {wanted!r}")
    return sorted(_walk(libdir, ""), key=lambda member: member.path)


def digest(libdir: Path) -> str:
    """SHA-256 (hex) over the sorted names, modes and contents of the files below ``libdir``.

    :raises EngineError: ``libdir`` is no osbuild library directory.
    """
    total = hashlib.sha256()
    for member in members(libdir):
        if member.link is not None:
            content = b"link:" + os.fsencode(member.link)
        else:
            content = hashlib.sha256(member.source.read_bytes()).hexdigest().encode()
        total.update(b"%s\0%o\0%s\n" % (os.fsencode(member.path), member.mode, content))
    return total.hexdigest()


def pack(libdir: Path) -> bytes:
    """The bundle as a compressed tar archive, equal for equal bundles.

    :raises EngineError: ``libdir`` is no osbuild library directory.
    """
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=4, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member in members(libdir):
            info = tarfile.TarInfo(member.path)
            info.mode = member.mode
            if member.link is not None:
                info.type = tarfile.SYMTYPE
                info.linkname = member.link
                archive.addfile(info)
            else:
                content = member.source.read_bytes()
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def installed_digest(libdir: Path) -> str | None:
    """The digest of an installed bundle, or None where that is not written down (a checkout, say)."""
    if libdir.parent.name == BUNDLES:
        return libdir.name
    try:
        return Path(f"{libdir}.sha256").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def find_installed(root: Path = ROOT, wanted: str | None = None) -> Path | None:
    """The bundle in use, as ``<root>/<version>``; None if none is installed.

    :param wanted: the digest of a bundle that goes before it if it is installed too.
    """
    if wanted and "/" not in wanted and (root / BUNDLES / wanted / "osbuild").is_dir():
        return root / BUNDLES / wanted
    current = root / "current"
    try:
        target = os.readlink(current)
    except OSError:
        return None
    libdir = root / Path(target).name
    return libdir if (libdir / "osbuild").is_dir() else None


def _unpack(archive: Path, destination: Path) -> None:
    with tarfile.open(archive, "r:*") as packed:
        for info in packed:
            target = (destination / info.name).resolve()
            if not target.is_relative_to(destination.resolve()) or not (info.isreg() or info.issym() or info.isdir()):
                raise EngineError(f"the engine archive holds {info.name!r}, which is no plain file below its root")
            if info.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if info.issym():
                os.symlink(info.linkname, target)
                continue
            content = packed.extractfile(info)
            if content is None:
                raise EngineError(f"the engine archive holds {info.name!r} without content")
            with open(target, "wb") as out:
                shutil.copyfileobj(content, out)
            target.chmod(0o755 if info.mode & stat.S_IXUSR else 0o644)
    for directory, _names, _files in os.walk(destination):
        os.chmod(directory, 0o755)


def _compile(tree: Path) -> None:
    """Compile what every run imports; without it each start of the engine would do so again."""
    python = "/usr/bin/python3"
    if os.access(python, os.X_OK):
        # A file that cannot be compiled will say so itself when it is used.
        subprocess.run(
            [python, "-m", "compileall", "-q", "osbuild", "stages/forge"],
            cwd=tree,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )


def _move(work: Path, place: Path) -> None:
    try:
        work.rename(place)
    except OSError:
        # Another controller may have brought the same bundle meanwhile.
        if not place.is_dir():
            raise


def _link(target: str, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def install(archive: Path, version: str, expected: str, root: Path = ROOT) -> Path:
    """Install the bundle in ``archive`` as ``<root>/<version>`` and make it the current one.

    The tree is unpacked beside its place, compared with the digest ``expected``, and appears by rename.

    :returns: ``<root>/<version>``.
    :raises EngineError: the archive is damaged, or is not the bundle that was announced.
    """
    if not version or "/" in version or version.startswith(".") or version in {"current", BUNDLES}:
        raise EngineError(f"version is {version!r}; it must be usable as the name of a directory, like '1.0.0'")
    bundles = root / BUNDLES
    bundles.mkdir(parents=True, exist_ok=True, mode=0o755)
    place = bundles / expected
    if not place.is_dir():
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=bundles))
        try:
            _unpack(archive, work)
            found = digest(work)
            if found != expected:
                raise EngineError(
                    f"the engine archive has the digest {found}, not {expected}: it was damaged on its way"
                )
            _compile(work)
            _move(work, place)
        except (tarfile.TarError, gzip.BadGzipFile, EOFError) as exc:
            raise EngineError(f"the engine archive {archive} cannot be read: {exc}") from exc
        finally:
            shutil.rmtree(work, ignore_errors=True)
    activate(version, expected, root)
    return root / version


def activate(version: str, wanted: str, root: Path = ROOT) -> None:
    """Point ``<root>/<version>`` and ``<root>/current`` at the installed bundle of the digest ``wanted``."""
    # prune() goes by when a bundle was asked for last.
    os.utime(root / BUNDLES / wanted)
    _link(f"{BUNDLES}/{wanted}", root / version)
    note = root / f".{version}.sha256.{os.getpid()}.new"
    note.write_text(f"{wanted}\n", encoding="ascii")
    note.replace(root / f"{version}.sha256")
    _link(version, root / "current")


def prune(root: Path = ROOT, in_use: frozenset[str] = frozenset()) -> list[str]:
    """Remove bundles that no version points at; returns their digests.

    Those in ``in_use`` (digests) stay, and the few that were installed last: another controller may want them again.
    """
    kept = in_use | {Path(os.readlink(path)).name for path in root.iterdir() if path.is_symlink()}
    removed = []
    bundles = root / BUNDLES
    unlinked = [path for path in bundles.iterdir() if path.name not in kept] if bundles.is_dir() else []
    whole = sorted((path for path in unlinked if path.name[0] != "."), key=lambda path: path.stat().st_mtime)
    # What an installation that was interrupted left; one of another controller may be under way.
    parts = [path for path in unlinked if path.name[0] == "." and path.stat().st_mtime < time.time() - INTERRUPTED]
    for path in [*whole[: max(0, len(whole) - SPARE)], *parts]:
        shutil.rmtree(path, ignore_errors=True)
        if path in whole:
            removed.append(path.name)
    return removed


def installed(root: Path = ROOT) -> list[Path]:
    """What ``install`` made below ``root``, which may hold other things as well; empty if nothing is installed."""
    if not root.is_dir():
        return []
    links = [path for path in root.iterdir() if path.is_symlink() and os.readlink(path).startswith(f"{BUNDLES}/")]
    places = [root / "current", *links, *(Path(f"{link}.sha256") for link in links), root / BUNDLES]
    return [path for path in places if path.is_symlink() or path.exists()]


def remove(root: Path = ROOT) -> bool:
    """Remove all that ``install`` ever made below ``root``, and ``root`` when it is empty then.

    :returns: whether there was anything.
    """
    found = installed(root)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if found and not os.listdir(root):
        root.rmdir()
    return bool(found)
