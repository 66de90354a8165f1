# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images: the file system, what starts from it, its checksum; images by systemd-repart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ISOLINUX = Path("/usr/lib/ISOLINUX/isolinux.bin")
PRODUCT = {"product": {"name": "Debian", "version": "13"}, "kernel": {"dir": "live", "opts": ["quiet", "boot=live"]}}


def tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    (path / "live/sub").mkdir(parents=True)
    (path / "live/vmlinuz").write_bytes(b"kernel")
    (path / "live/sub/notes.txt").write_text("x")
    (path / "notes.txt").write_text("y")
    (path / "efi.img").write_bytes(bytes(4096))
    return path


def pack(load, tree, content, **options):
    options = {"filename": "o.iso", "volid": "TEST", **options}
    return load("xorrisofs").main(str(tree), {"tree": {"path": str(content)}}, options)


def names(image: Path) -> set[str]:
    run = subprocess.run(["xorriso", "-indev", image, "-find", "/"], check=True, capture_output=True, text=True)
    return {line.strip("'") for line in run.stdout.splitlines() if line.startswith("'/")}


@tool("xorrisofs")
class TestXorrisofs:
    @pytest.mark.parametrize(
        ("exclude", "gone"),
        [
            ([], set()),
            (["notes.txt"], {"/notes.txt", "/live/sub/notes.txt"}),
            (["live/sub"], {"/live/sub", "/live/sub/notes.txt"}),
        ],
    )
    def test_what_is_excluded(self, load, tree, content, exclude, gone):
        pack(load, tree, content, exclude=exclude)
        everything = {"/"} | {f"/{path.relative_to(content)}" for path in content.rglob("*")}
        assert names(tree / "o.iso") == everything - gone

    def test_texts_reach_the_volume_descriptor(self, load, tree, content):
        pack(load, tree, content, sysid="LINUX", volset="SET", pub="Publisher", prep="Preparer", appid="Application")
        head = (tree / "o.iso").read_bytes()[16 * 2048 : 17 * 2048]
        # ECMA-119, 8.4
        places = {8: "LINUX", 40: "TEST", 190: "SET", 318: "PUBLISHER", 446: "PREPARER", 574: "APPLICATION"}
        for start, text in places.items():
            size = 32 if start < 190 else 128
            assert head[start : start + size].decode().strip().upper() == text

    def test_the_image_stays_inside_the_tree(self, load, tree, content, outside):
        (tree / "out").symlink_to(outside)
        with pytest.raises(subprocess.CalledProcessError):
            pack(load, tree, content, filename="out/o.iso")
        pack(load, tree, content, filename="../o.iso")
        assert not list(outside.iterdir()) and not (tree.parent / "o.iso").exists()
        assert (tree / "o.iso").exists()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"isohybridmbr": "/none/isohdpfx.bin"}, "isohybridmbr must name a file of the build root"),
            ({"grub2mbr": "/none"}, "grub2mbr must name a file of the build root"),
            ({"grub2mbr": "/a", "isohybridmbr": "/b"}, "only one can be given"),
        ],
    )
    def test_boot_records_that_cannot_be_are_refused(self, load, tree, content, options, words):
        with pytest.raises(ValueError, match=words):
            pack(load, tree, content, **options)
        assert not list(tree.iterdir())

    @pytest.mark.skipif(not ISOLINUX.exists(), reason="isolinux is not installed")
    def test_a_disk_that_starts_by_both_firmwares(self, load, tree, content):
        load("isolinux").main(str(content), {"data": {"path": "/"}}, PRODUCT)
        boot = {"image": "isolinux/isolinux.bin", "catalog": "isolinux/boot.cat"}
        pack(load, tree, content, boot=boot, efi="efi.img", isohybridmbr="/usr/lib/ISOLINUX/isohdpfx.bin", rational_rock=True)
        run = subprocess.run(
            ["xorriso", "-indev", tree / "o.iso", "-report_el_torito", "plain", "-report_system_area", "plain"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        report = " ".join(run.stdout.split())
        assert "El Torito boot img : 1 BIOS y none" in report and "El Torito boot img : 2 UEFI y none" in report
        assert "isohybrid" in report and "GPT" in report


class TestIsolinux:
    def test_the_menu_starts_the_kernel_where_it_is(self, load):
        text = load("isolinux").configuration({**PRODUCT, "fips": True})
        assert "menu title Debian 13" in text
        appended = [line.strip() for line in text.splitlines() if line.strip().startswith("append")]
        assert appended == [
            "append initrd=/live/initrd.img quiet boot=live",
            "append initrd=/live/initrd.img quiet boot=live fips=1",
            "append initrd=/live/initrd.img quiet boot=live nomodeset",
        ]
        assert text.count("kernel /live/vmlinuz") == 3
        assert "fips" not in load("isolinux").configuration(PRODUCT)

    @pytest.mark.skipif(not ISOLINUX.exists(), reason="isolinux is not installed")
    def test_a_link_in_the_tree_does_not_lead_out(self, load, tree, outside):
        (tree / "isolinux").symlink_to(outside)
        load("isolinux").main(str(tree), {"data": {"path": "/"}}, PRODUCT)
        assert not list(outside.iterdir())

    def test_missing_packages_are_named(self, load, tree, outside):
        with pytest.raises(FileNotFoundError, match="packages isolinux and syslinux-common"):
            load("isolinux").main(str(tree), {"data": {"path": str(outside)}}, PRODUCT)
        assert not list(tree.iterdir())

    def test_line_breaks_are_refused(self, load):
        with pytest.raises(ValueError, match="must have no line breaks"):
            load("isolinux").configuration({**PRODUCT, "product": {"name": "a\nlabel b", "version": "1"}})


class TestImplant:
    @tool("implantisomd5")
    @tool("xorrisofs")
    def test_the_checksum_is_found_and_finds_damage(self, load, tree, content):
        image = tree / "o.iso"
        # checkisomd5 1.2.3 calls every image bad that is much smaller.
        (content / "big").write_bytes(os.urandom(2**20))
        pack(load, tree, content)
        load("implantisomd5").main(str(tree), {"filename": "o.iso"})
        assert subprocess.run(["checkisomd5", image], check=False).returncode == 0
        with image.open("rb+") as file:
            file.seek(100 * 1024)
            file.write(b"damage")
        assert subprocess.run(["checkisomd5", image], check=False).returncode != 0

    @pytest.mark.parametrize("filename", ["none.iso", "../outside/o.iso", "link.iso"])
    def test_only_files_of_the_tree_are_taken(self, load, tree, outside, filename):
        (outside / "o.iso").write_bytes(bytes(4096))
        (tree / "link.iso").symlink_to(outside / "o.iso")
        with pytest.raises(ValueError, match="filename must name a file of the tree"):
            load("implantisomd5").main(str(tree), {"filename": filename})

    def test_a_missing_program_is_named_with_its_package(self, load, tree, monkeypatch):
        (tree / "o.iso").touch()
        monkeypatch.setenv("PATH", str(tree))
        with pytest.raises(RuntimeError, match="Debian package isomd5sum"):
            load("implantisomd5").main(str(tree), {"filename": "o.iso"})


@pytest.mark.root
@tool("systemd-repart")
class TestRepart:
    def test_the_definitions_of_the_tree_make_the_table(self, load, tree, content):
        (content / "usr/lib/repart.d").mkdir(parents=True)
        (content / "usr/lib/repart.d/10-root.conf").write_text("[Partition]\nType=root\nLabel=system\n")
        options = {"path": "disk.img", "size": "64M", "seed": "11111111-2222-3333-4444-555555555555"}
        contents = []
        for _again in range(2):
            load("systemd-repart.create").main(str(tree), {"root-tree": {"path": str(content)}}, options)
            contents.append((tree / "disk.img").read_bytes())
            (tree / "disk.img").unlink()
        assert contents[0] == contents[1], "the seed decides on all ids"
        (tree / "disk.img").write_bytes(contents[0])
        shown = subprocess.run(["sfdisk", "--json", tree / "disk.img"], check=True, capture_output=True).stdout
        assert [each["name"] for each in json.loads(shown)["partitiontable"]["partitions"]] == ["system"]

    @pytest.mark.parametrize("option", ["sector-size", "defer-partitions-factory-reset"])
    def test_what_an_old_one_does_not_know_is_refused(self, load, tree, content, monkeypatch, option):
        stage = load("systemd-repart.create")
        monkeypatch.setattr(stage, "usage", lambda: "  --size=BYTES  --offline=BOOL")
        options = {"path": "disk.img", "size": "64M", option: 4096}
        with pytest.raises(ValueError, match=f"{option} takes a newer systemd-repart"):
            stage.main(str(tree), {"root-tree": {"path": str(content)}}, options)
        assert not list(tree.iterdir())

    def test_a_wrong_size_fails(self, load, tree, content):
        with pytest.raises(subprocess.CalledProcessError):
            load("systemd-repart.create").main(str(tree), {"root-tree": {"path": str(content)}}, {"path": "d", "size": "lots"})
        assert not list(tree.iterdir())


def test_a_missing_repart_is_named_with_its_package(load, tree, monkeypatch):
    monkeypatch.setenv("PATH", str(tree))
    with pytest.raises(RuntimeError, match="Debian package systemd-repart"):
        load("systemd-repart.create").main(str(tree), {"root-tree": {"path": "/"}}, {"path": "d", "size": "64M"})
