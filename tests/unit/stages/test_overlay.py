# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying directories and archives over a tree: what is merged, what is kept, and hostile archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.forge.errors import StageError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changing the root directory needs root")

Lay = Callable[..., int]


def archive(*members: tuple[str, Any], **fields: Any) -> bytes:
    """A tar of (name, content): bytes for a file, None for a directory, ("sym" or "hard", target) for a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.uid, info.gid, info.mtime, info.mode = 1000, 1001, 1_000_000, 0o640
            for key, value in fields.items():
                setattr(info, key, value)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o750
            elif isinstance(content, tuple):
                info.type = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}[content[0]]
                info.linkname = content[1]
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


@pytest.fixture
def lay(load, tree: Path, tmp_path: Path) -> Lay:
    """Lay an archive (bytes) or a directory over the tree."""

    def run(what: bytes | Path, **options: Any) -> int:
        if isinstance(what, Path):
            given: dict[str, Any] = {"tree": {"path": str(what)}}
        else:
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in/sha256:x").write_bytes(what)
            given = {"archive": {"path": str(tmp_path / "in"), "data": {"files": {"sha256:x": {}}}}}
        return load("debian.overlay").main(str(tree), given, options)

    return run


@pytest.fixture
def merged(tree: Path) -> Path:
    """A tree as Debian's: /bin is a link, some directories have modes of their own."""
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "bin").symlink_to("usr/bin")
    (tree / "etc").mkdir()
    (tree / "etc/private").mkdir(mode=0o700)
    (tree / "etc/hosts").write_text("old")
    return tree


class TestMerging:
    def content(self, tmp_path: Path, kind: str) -> bytes | Path:
        if kind == "archive":
            return archive(("./", None), ("./bin", None), ("./bin/tool", b"tool"), ("etc/private", None), ("etc/hosts", b"new"))
        source = tmp_path / "source"
        (source / "bin").mkdir(parents=True)
        (source / "etc/private").mkdir(parents=True)
        (source / "bin/tool").write_text("tool")
        (source / "etc/hosts").write_text("new")
        return source

    @pytest.mark.parametrize("kind", ["archive", "directory"])
    def test_directories_and_links_to_them_stay_and_files_are_replaced(self, lay, merged, tmp_path, kind) -> None:
        lay(self.content(tmp_path, kind))
        assert (merged / "bin").readlink() == Path("usr/bin")
        assert (merged / "usr/bin/tool").read_text() == "tool"
        assert (merged / "etc/hosts").read_text() == "new"
        assert stat.S_IMODE((merged / "etc/private").stat().st_mode) == 0o700

    @pytest.mark.parametrize(("owner", "expected"), [("root", (0, 0)), ("keep", (1000, 1001)), (None, (0, 0))])
    def test_owner(self, lay, tree, owner, expected) -> None:
        lay(archive(("d", None), ("d/f", b""), ("d/l", ("sym", "f"))), **({"owner": owner} if owner else {}))
        for name in ("d", "d/f", "d/l"):
            info = (tree / name).lstat()
            assert (info.st_uid, info.st_gid) == expected

    def test_modes_times_and_hard_links_are_kept(self, lay, tree) -> None:
        lay(archive(("d", None), ("d/f", b"x"), ("d/h", ("hard", "d/f")), mode=0o4755))
        info = (tree / "d/f").stat()
        assert (stat.S_IMODE(info.st_mode), info.st_mtime, info.st_nlink) == (0o4755, 1_000_000, 2)
        assert stat.S_IMODE((tree / "d").stat().st_mode) == 0o750
        assert (tree / "d").stat().st_mtime == 1_000_000

    def test_a_source_epoch_limits_times(self, lay, tree, monkeypatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000")
        lay(archive(("d", None), ("d/f", b"")))
        assert {(tree / name).stat().st_mtime for name in ("d", "d/f")} == {1000}

    def test_extended_attributes_are_kept(self, lay, tree, tmp_path) -> None:
        # A file capability: binary, with zero bytes.
        value = b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)
        name = "security.capability"
        pax = {f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")}
        lay(archive(("f", b"x"), pax_headers=pax))
        assert os.getxattr(tree / "f", name) == value
        source = tmp_path / "source"
        source.mkdir()
        (source / "g").touch()
        os.setxattr(source / "g", name, value)
        os.link(source / "g", source / "h")
        lay(source)
        assert os.getxattr(tree / "g", name) == value
        assert (tree / "g").samefile(tree / "h")

    @pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress, zstd])
    def test_compressions(self, lay, tree, pack) -> None:
        if pack is zstd and not shutil.which("zstd"):
            pytest.skip("zstd is not installed")
        lay(pack(archive(("f", b"x" * 3_000_000), ("g", b"y"))))
        assert (tree / "f").stat().st_size == 3_000_000
        assert (tree / "g").read_text() == "y"

    @pytest.mark.parametrize("kind", ["archive", "directory"])
    def test_source_destination_and_exclude(self, lay, merged, tmp_path, kind) -> None:
        names = ["a/b/f", "a/b/no.pyc", "a/b/cache/x", "a/other"]
        given: bytes | Path = archive(*((name, b"x") for name in names))
        if kind == "directory":
            given = tmp_path / "source"
            for name in names:
                (given / name).parent.mkdir(parents=True, exist_ok=True)
                (given / name).touch()
        lay(given, source="/a/b", destination="/bin/sub", exclude=["*.pyc", "/cache"])
        assert [path.name for path in (merged / "usr/bin/sub").rglob("*")] == ["f"]
        assert not (merged / "a").exists()


class TestRefusals:
    @pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/../evil"])
    def test_members_that_climb(self, lay, tree, name) -> None:
        with pytest.raises(StageError, match="climbs out of the tree"):
            lay(archive((name, b"x")))
        assert not (tree.parent / "evil").exists()
        assert list(tree.iterdir()) == []

    @pytest.mark.parametrize("up", [False, True])
    def test_a_file_through_a_link_stays_in_the_tree(self, lay, tree, outside, up) -> None:
        (tree / str(outside).lstrip("/")).mkdir(parents=True)
        target = f"../../../../../../../..{outside}" if up else str(outside)
        lay(archive(("evil", ("sym", target)), ("evil/x", b"x")))
        assert list(outside.iterdir()) == []
        assert (tree / str(outside).lstrip("/") / "x").read_text() == "x"

    def test_a_file_through_a_link_to_nothing_in_the_tree(self, lay, outside) -> None:
        with pytest.raises(StageError, match="/evil of the tree is not a directory, nor a link to one in the tree"):
            lay(archive(("evil", ("sym", str(outside))), ("evil/x", b"x")))
        assert list(outside.iterdir()) == []

    def test_a_link_in_place_of_a_file_is_replaced(self, lay, tree, outside) -> None:
        (outside / "f").write_text("theirs")
        lay(archive(("f", ("sym", str(outside / "f"))), ("f", b"ours")))
        assert (outside / "f").read_text() == "theirs"
        assert (tree / "f").read_text() == "ours"

    @pytest.mark.parametrize("form", ["{}", "../../../../../../../../..{}", "etc/shadow"])
    def test_hard_links_to_what_is_not_in_the_archive(self, lay, tree, outside, form) -> None:
        (outside / "secret").write_text("s")
        (tree / "etc").mkdir()
        (tree / "etc/shadow").write_text("s")
        with pytest.raises(StageError, match="no file laid before it|climbs out"):
            lay(archive(("h", ("hard", form.format(outside / "secret")))))
        assert (outside / "secret").stat().st_nlink == 1
        assert not (tree / "h").exists()

    def test_links_of_the_tree_are_followed_inside(self, lay, tree, outside) -> None:
        (tree / "var").symlink_to(outside)
        with pytest.raises(StageError, match="/var of the tree is not a directory"):
            lay(archive(("var/x", b"x")))
        assert list(outside.iterdir()) == []

    def test_a_directory_is_no_file(self, lay, merged) -> None:
        with pytest.raises(StageError, match="/etc is a directory in the tree and a file here"):
            lay(archive(("etc", b"x")))
        with pytest.raises(StageError, match="/etc/hosts is a directory here and something else in the tree"):
            lay(archive(("etc/hosts", None)))
        assert (merged / "etc/hosts").read_text() == "old"

    @pytest.mark.parametrize("cut", [700, 1 << 19])
    def test_damaged_archives(self, lay, cut) -> None:
        data = archive(("f", os.urandom(1 << 20)))
        for broken in (data[:cut], gzip.compress(data)[:cut], lzma.compress(data)[:cut]):
            with pytest.raises(StageError, match="damaged"):
                lay(broken)
        with pytest.raises(StageError, match="damaged"):
            lay(b"no archive at all" * 100)

    @pytest.mark.parametrize("source", ["/none", "/f"])
    @pytest.mark.parametrize("kind", ["archive", "directory"])
    def test_source_must_be_a_directory(self, lay, tmp_path, source, kind) -> None:
        (tmp_path / "source").mkdir()
        (tmp_path / "source/f").touch()
        with pytest.raises(StageError, match="source must be a directory of the"):
            lay(tmp_path / "source" if kind == "directory" else archive(("f", b"x")), source=source)

    def test_the_source_does_not_leave_the_input(self, lay, tmp_path, outside) -> None:
        (outside / "f").touch()
        (tmp_path / "source").mkdir()
        (tmp_path / "source/out").symlink_to(outside)
        with pytest.raises(StageError, match="source must be a directory of the input tree, found none at /out"):
            lay(tmp_path / "source", source="out")

    @pytest.mark.parametrize("option", ["source", "destination"])
    def test_options_that_climb(self, lay, option) -> None:
        with pytest.raises(StageError, match=f"{option}: '/../x' climbs out of the tree"):
            lay(archive(("f", b"x")), **{option: "/../x"})

    @pytest.mark.parametrize("given", [{}, {"tree": {}, "archive": {}}, {"other": {}}])
    def test_wrong_inputs(self, load, tree, given) -> None:
        with pytest.raises(StageError, match="inputs must be either tree or archive, found"):
            load("debian.overlay").main(str(tree), given, {})

    def test_a_pattern_must_be_able_to_match(self, lay) -> None:
        with pytest.raises(StageError, match="can match nothing"):
            lay(archive(("f", b"x")), exclude=["f"])
