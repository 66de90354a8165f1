# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that are kept decompressed: the input org.osbuild.debian.unpacked and what it rests on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stages.forge import deb, packages, unpackeddeb
from stages.forge.errors import StageError

from .conftest import Workshop

PROGRAM = Path(__file__).resolve().parents[3] / "engine/inputs/org.osbuild.debian.unpacked"


@pytest.fixture
def service() -> ModuleType:
    loader = SourceFileLoader("unpacked_input", str(PROGRAM))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class Store:
    """A store's sources: packages by checksum, and what is kept of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages, self.kept = root / "org.osbuild.files", root / "org.osbuild.debian.unpacked"
        self.packages.mkdir(parents=True)

    def add(self, content: bytes) -> str:
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        (self.packages / checksum).write_bytes(content)
        return checksum

    def source(self, name: str) -> str:
        return str(self.root / name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "sources")


@pytest.fixture
def provide(service: ModuleType, store: Store, tmp_path: Path) -> Any:
    def provide(*checksums: str) -> Path:
        target = tmp_path / f"target-{len(list(tmp_path.iterdir()))}"
        target.mkdir()
        service.provide(str(store.packages), str(store.kept), list(checksums), str(target))
        assert sorted(os.listdir(target)) == sorted(checksums)
        return target

    return provide


def contents(path: Path) -> list[str]:
    """What dpkg-deb makes of a package: control files, and files with modes, owners, times and checksums."""

    def said(*argv: str) -> str:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], check=True, capture_output=True).stdout
    return [said("dpkg-deb", "-f", str(path)), said("dpkg-deb", "-c", str(path)), hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize("compress", ["xz", "zstd", "gzip", "none"])
@pytest.mark.parametrize("size", [0, 1, 300_001])
def test_the_package_stays_what_it_is(workshop: Workshop, store: Store, provide: Any, compress: str, size: int) -> None:
    path = workshop.deb("one", {"usr/share/one": b"x" * size}, scripts={"preinst": "exit 0\n"}, compress=compress)
    checksum = store.add(path.read_bytes())
    first, second = provide(checksum), provide(checksum)
    assert contents(first / checksum) == contents(path) == contents(second / checksum)
    assert deb.read_package(str(first / checksum)).data.suffix == ""
    assert os.path.samefile(first / checksum, store.kept / checksum)
    assert os.listdir(store.kept) == [checksum]


def test_what_is_kept_is_not_made_again(
    workshop: Workshop, store: Store, provide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = store.add(workshop.deb("one", {"etc/one": "1"}, compress="xz").read_bytes())
    provide(checksum)
    monkeypatch.setattr(unpackeddeb, "unpack", None)
    provide(checksum)


def test_a_file_cut_short_is_made_again(workshop: Workshop, store: Store, provide: Any) -> None:
    path = workshop.deb("one", {"usr/one": b"1" * 100_000}, compress="xz")
    checksum = store.add(path.read_bytes())
    provide(checksum)
    kept = store.kept / checksum
    kept.chmod(0o600)
    for size in (0, 8, 5000):
        os.truncate(kept, size)
        assert contents(provide(checksum) / checksum) == contents(path)


def test_a_damaged_source_is_an_error_and_not_kept(workshop: Workshop, store: Store, provide: Any) -> None:
    checksum = store.add(workshop.deb("one", compress="xz").read_bytes())
    with (store.packages / checksum).open("ab") as file:
        file.write(b"more")
    with pytest.raises(StageError, match=f"package file {checksum} is damaged: its checksum is sha256:"):
        provide(checksum)
    assert os.listdir(store.kept) == []


@pytest.mark.parametrize("checksum", ["sha256:00", "nosuch:00", "plain"])
def test_a_missing_package_or_an_unknown_checksum_is_named(store: Store, provide: Any, checksum: str) -> None:
    if checksum != "sha256:00":
        (store.packages / checksum).write_bytes(b"")
    with pytest.raises((StageError, FileNotFoundError), match=checksum):
        provide(checksum)


def test_what_is_no_package_is_handed_on_for_the_stage_to_refuse(store: Store, provide: Any) -> None:
    checksum = store.add(b"no package")
    target = provide(checksum)
    assert (target / checksum).read_bytes() == b"no package"
    assert os.listdir(store.kept) == []
    with pytest.raises(StageError, match="is not a Debian package"):
        packages.load({"path": str(target), "data": {"files": {checksum: {}}}})


def test_without_room_the_package_itself_is_handed_out(
    workshop: Workshop, store: Store, provide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workshop.deb("one", {"etc/one": "1"}, compress="xz")
    checksum = store.add(path.read_bytes())

    def full(*_ignored: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert (provide(checksum) / checksum).read_bytes() == path.read_bytes()
    assert os.listdir(store.kept) == []


def test_a_link_in_place_of_what_is_kept_is_not_followed(
    workshop: Workshop, store: Store, provide: Any, tmp_path: Path
) -> None:
    path = workshop.deb("one", {"etc/one": "1"}, compress="xz")
    other = workshop.deb("other", {"etc/other": "1"})
    checksum = store.add(path.read_bytes())
    store.kept.mkdir()
    (store.kept / checksum).symlink_to(other)
    assert contents(provide(checksum) / checksum) == contents(path)


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "needed", "middle", "new")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (number if name != "needed" else 0, number if name != "needed" else 0))
    unpackeddeb.prune(str(tmp_path), 250, {"needed"})
    assert sorted(os.listdir(tmp_path)) == ["needed", "new"]


@pytest.mark.parametrize(
    ("origin", "reference", "words"),
    [
        ("org.osbuild.pipeline", "os", "origin must be org.osbuild.source"),
        ("org.osbuild.source", "../x", "'../x' is no checksum"),
    ],
)
def test_references_must_be_checksums_of_a_source(
    service: ModuleType, store: Store, tmp_path: Path, origin: str, reference: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        service.UnpackedInput.map(None, store, origin, {reference: {}}, str(tmp_path), {})


def test_the_stage_gets_the_metadata(service: ModuleType, workshop: Workshop, store: Store, tmp_path: Path) -> None:
    checksum = store.add(workshop.deb("one", compress="xz").read_bytes())
    target = tmp_path / "target"
    target.mkdir()
    found = service.UnpackedInput.map(
        None, store, "org.osbuild.source", {checksum: {"metadata": {"deb.name": "one"}}}, str(target), {}
    )
    assert found == {"path": str(target), "data": {"files": {checksum: {"deb.name": "one"}}}}
    assert [one.name for one in packages.load(found)] == ["one"]
