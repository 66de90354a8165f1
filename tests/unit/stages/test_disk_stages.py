# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages that make disks without loop devices: partition table, ext4, EFI system partition, BIOS boot code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from unittest import mock

import pytest

MIB = 1024**2
SECTORS = MIB // 512
DISK = "00000000-0000-4000-8000-00000000000"
EPOCH = 1_700_000_000


def tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def partition(number: int, start: int, size: int, **more: object) -> dict[str, object]:
    return {
        "start": start * SECTORS,
        "size": size * SECTORS,
        "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        "uuid": f"{DISK}{number}",
        **more,
    }


def disk_options(*partitions: dict[str, object], size: int = 64) -> dict[str, object]:
    return {"filename": "disk.img", "size": size * MIB, "uuid": f"{DISK}0", "partitions": list(partitions)}


@tool("sfdisk")
class TestDisk:
    def test_the_table_is_the_one_of_the_options(self, load, tree):
        options = disk_options(partition(1, 1, 2, name="one"), partition(2, 8, 4, bootable=True))
        assert load("debian.disk").main(str(tree), options) == 0
        text = subprocess.run(["sfdisk", "--json", tree / "disk.img"], check=True, capture_output=True).stdout
        table = json.loads(text)["partitiontable"]
        assert table["label"] == "gpt" and table["id"] == f"{DISK}0"
        one, two = table["partitions"]
        assert (one["start"], one["size"], one["name"]) == (SECTORS, 2 * SECTORS, "one")
        assert two["uuid"] == f"{DISK}2" and two["attrs"] == "LegacyBIOSBootable"

    def test_equal_options_give_equal_bytes(self, load, tree):
        contents = []
        for _ignored in range(2):
            load("debian.disk").main(str(tree), disk_options(partition(1, 1, 2)))
            contents.append((tree / "disk.img").read_bytes())
            (tree / "disk.img").unlink()
        assert contents[0] == contents[1]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (disk_options(partition(1, 1, 4), partition(2, 3, 4)), r"partitions\[1\]: overlaps"),
            (disk_options(partition(1, 60, 4)), r"partitions\[0\]: sectors .* are outside"),
            (disk_options(partition(1, 0, 1)), r"partitions\[0\]: sectors 0 to"),
            ({**disk_options(), "size": MIB + 1}, "size: 1048577 is not a multiple of 512"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_written(self, load, tree, options, words):
        with pytest.raises(ValueError, match=words):
            load("debian.disk").main(str(tree), options)
        assert not list(tree.iterdir())

    def test_a_link_does_not_lead_out_of_the_tree(self, load, tree, outside):
        (tree / "disk.img").symlink_to(outside / "disk.img")
        with pytest.raises(FileNotFoundError):
            load("debian.disk").main(str(tree), disk_options())
        assert not list(outside.iterdir())

    def test_a_file_that_exists_is_not_overwritten(self, load, tree):
        (tree / "disk.img").write_bytes(b"precious")
        with pytest.raises(FileExistsError):
            load("debian.disk").main(str(tree), disk_options())
        assert (tree / "disk.img").read_bytes() == b"precious"


def ext4_options(**more: object) -> dict[str, object]:
    return {"filename": "disk.img", "start": SECTORS, "size": 32 * SECTORS, "uuid": f"{DISK}7", "label": "root", **more}


def blank(tree: Path, size: int = 40) -> Path:
    path = tree / "disk.img"
    with path.open("wb") as file:
        file.truncate(size * MIB)
    return path


def debugfs(image: Path, command: str) -> str:
    result = subprocess.run(
        ["debugfs", "-R", command, f"{image}?offset={MIB}"], check=True, capture_output=True, encoding="utf8"
    )
    return result.stdout + result.stderr


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A small tree of the kinds of files that a system has."""
    root = tmp_path / "system"
    for name in ("etc", "home/jane", "var/log", "usr/bin"):
        (root / name).mkdir(parents=True)
    (root / "etc/hostname").write_text("test\n")
    (root / "usr/bin/tool").write_bytes(b"\x7fELF" * 5000)
    (root / "usr/bin/tool").chmod(0o4755)
    os.link(root / "usr/bin/tool", root / "usr/bin/same")
    (root / "bin").symlink_to("usr/bin")
    (root / "home/jane/note").write_text("hello\n")
    (root / "var/log/old").write_text("log\n")
    os.chown(root / "home/jane", 1000, 1000)
    os.chmod(root / "home", 0o711)
    for path in [root, *root.rglob("*")]:
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    return root


def write_ext4(load, tree, system, **more):
    inputs = {"tree": {"path": str(system)}}
    return load("debian.ext4").main(str(tree), inputs, ext4_options(**more), {"source-epoch": EPOCH})


@pytest.mark.root
@tool("mke2fs")
class TestExt4:
    def test_the_tree_is_in_the_file_system(self, load, tree, system):
        image = blank(tree)
        write_ext4(load, tree, system)
        assert debugfs(image, "cat /etc/hostname").startswith("test\n")
        tool_stat = debugfs(image, "stat /usr/bin/tool")
        assert "Mode:  04755" in tool_stat and "Links: 2" in tool_stat
        assert "User:  1000   Group:  1000" in debugfs(image, "stat /home/jane")
        assert '"usr/bin"' in debugfs(image, "stat /bin")
        check = tree / "check.img"
        with image.open("rb") as source:
            source.seek(MIB)
            check.write_bytes(source.read(32 * MIB))
        subprocess.run(["e2fsck", "-f", "-n", check], check=True, capture_output=True)

    def test_nothing_outside_of_the_partition_is_touched(self, load, tree, system):
        image = blank(tree)
        write_ext4(load, tree, system)
        content = image.read_bytes()
        assert not any(content[:MIB]) and not any(content[33 * MIB :])
        assert len(content) == 40 * MIB

    def test_the_same_tree_gives_the_same_bytes_whenever_it_was_made_and_read(self, load, tree, system, tmp_path):
        image = blank(tree)
        write_ext4(load, tree, system)
        first = image.read_bytes()
        # A copy has other inode numbers, change times and an order of directory entries of its own.
        other = tmp_path / "other"
        names = sorted((str(path.relative_to(system)) for path in system.rglob("*")), reverse=True)
        other.mkdir()
        archive = ["tar", "--create", "--no-recursion", "--file", "-", "--directory", str(system), *names, "."]
        data = subprocess.run(archive, check=True, capture_output=True).stdout
        subprocess.run(["tar", "--extract", "--preserve-permissions", "--directory", other], input=data, check=True)
        for path in other.rglob("*"):
            if path.is_file():
                path.read_bytes()
        blank(tree)
        write_ext4(load, tree, other)
        assert image.read_bytes() == first

    def test_directories_with_file_systems_of_their_own_stay_empty(self, load, tree, system):
        image = blank(tree)
        write_ext4(load, tree, system, exclude=["/home", "/var/log"])
        assert "jane" not in debugfs(image, "ls /home")
        assert "Mode:  0711" in debugfs(image, "stat /home")
        assert "old" not in debugfs(image, "ls /var/log")
        assert debugfs(image, "cat /etc/hostname").startswith("test\n")
        assert (system / "home/jane/note").exists(), "the tree itself stays as it is"
        assert str(system) not in Path("/proc/self/mountinfo").read_text()

    def test_a_directory_of_the_tree_can_be_the_root(self, load, tree, system):
        image = blank(tree)
        write_ext4(load, tree, system, source="/home")
        assert debugfs(image, "cat /jane/note").startswith("hello\n")
        assert "Mode:  0711" in debugfs(image, "stat /")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"source": "/missing"}, "source: the tree has no directory /missing"),
            ({"source": "/bin"}, "/bin is a symbolic link in the tree"),
            ({"exclude": ["/etc/hostname"]}, "exclude: /etc/hostname is not a directory"),
            ({"size": 64 * SECTORS}, "size: the partition would end at byte"),
        ],
    )
    def test_what_cannot_be_is_refused(self, load, tree, system, options, words):
        image = blank(tree)
        with pytest.raises(ValueError, match=words):
            write_ext4(load, tree, system, **options)
        assert not any(image.read_bytes())
        assert "tree-view-" not in Path("/proc/self/mountinfo").read_text()

    def test_a_partition_too_small_for_the_tree_is_told_in_numbers(self, load, tree, system):
        blank(tree)
        (system / "usr/bin/big").write_bytes(os.urandom(20 * MIB))
        os.link(system / "usr/bin/big", system / "usr/bin/same-big")
        with pytest.raises(ValueError, match="size: the partition has 16 MiB, the files alone take 21 MiB; it must have room"):
            write_ext4(load, tree, system, size=16 * SECTORS)
        assert sorted(os.listdir(tree)) == ["disk.img"]

    def test_other_failures_of_mke2fs_stay_what_they_are(self, load, tree, system):
        blank(tree)
        with pytest.raises(subprocess.CalledProcessError):
            write_ext4(load, tree, system, features=["no_such_feature"])


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A tree with the boot chain's files, one of them behind a link that only resolves inside the tree."""
    root = tmp_path / "signed"
    (root / "usr/lib/shim").mkdir(parents=True)
    (root / "usr/lib/grub/x86_64-efi-signed").mkdir(parents=True)
    (root / "usr/lib/shim/shimx64.efi.signed").write_bytes(b"shim" * 1000)
    (root / "usr/lib/shim/real").write_bytes(b"mok" * 1000)
    (root / "usr/lib/shim/mmx64.efi.signed").symlink_to("/usr/lib/shim/real")
    (root / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed").write_bytes(b"grub" * 1000)
    return root


def write_esp(load, tree, signed, **more):
    options = {
        "filename": "disk.img",
        "start": 2 * SECTORS,
        "size": 66 * SECTORS,
        "volume-id": "ABCD1234",
        "architecture": "amd64",
        "grub": {"fs-uuid": f"{DISK}7"},
        **more,
    }
    return load("debian.esp").main(str(tree), {"tree": {"path": str(signed)}}, options, {"source-epoch": EPOCH})


def read_esp(image: Path, path: str) -> bytes:
    return subprocess.run(
        ["mtype", "-i", f"{image}@@{2 * MIB}", f"::/{path}"], check=True, capture_output=True
    ).stdout


@tool("mformat")
class TestEsp:
    def test_the_firmware_finds_shim_and_shim_finds_grub(self, load, tree, signed):
        image = blank(tree, 70)
        write_esp(load, tree, signed, paths=[{"from": "/usr/lib/shim/real", "to": "EFI/Tools/a.efi"}])
        assert read_esp(image, "EFI/BOOT/BOOTX64.EFI") == b"shim" * 1000
        assert read_esp(image, "EFI/BOOT/mmx64.efi") == b"mok" * 1000
        assert read_esp(image, "EFI/BOOT/grubx64.efi") == b"grub" * 1000
        assert read_esp(image, "EFI/Tools/a.efi") == b"mok" * 1000
        assert read_esp(image, "EFI/debian/grub.cfg").decode().splitlines() == [
            f"search.fs_uuid {DISK}7 root",
            "set prefix=($root)'/boot/grub'",
            "configfile $prefix/grub.cfg",
        ]

    @tool("fsck.vfat")
    def test_the_file_system_is_sound_fat32_without_a_partition_table_inside(self, load, tree, signed):
        image = blank(tree, 70)
        write_esp(load, tree, signed)
        content = image.read_bytes()
        boot = content[2 * MIB : 2 * MIB + 512]
        assert boot[82:90] == b"FAT32   " and boot[67:71][::-1].hex().upper() == "ABCD1234"
        assert not any(boot[446:510]) and boot[510:] == b"\x55\xaa"
        assert not any(content[: 2 * MIB]) and not any(content[68 * MIB :])
        alone = tree / "esp.img"
        alone.write_bytes(content[2 * MIB : 68 * MIB])
        subprocess.run(["fsck.vfat", "-n", alone], check=True, capture_output=True)

    def test_equal_trees_give_equal_bytes(self, load, tree, signed):
        contents = []
        for time in (1, 2):
            for path in signed.rglob("*.signed"):
                os.utime(path, (time, time), follow_symlinks=False)
            image = blank(tree, 70)
            write_esp(load, tree, signed)
            contents.append(image.read_bytes())
        assert contents[0] == contents[1]

    def test_a_missing_package_is_named_before_anything_is_written(self, load, tree, signed):
        image = blank(tree, 70)
        (signed / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed").unlink()
        with pytest.raises(FileNotFoundError, match="no file /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"):
            write_esp(load, tree, signed)
        assert not any(image.read_bytes())

    def test_files_that_do_not_fit_are_told_before_anything_is_written(self, load, tree, signed):
        image = blank(tree, 70)
        (signed / "usr/lib/shim/real").write_bytes(bytes(80 * MIB))
        with pytest.raises(ValueError, match="size: the partition has 66 MiB, the files alone take 81 MiB"):
            write_esp(load, tree, signed)
        assert not any(image.read_bytes())

    def test_a_partition_outside_of_the_image_is_refused(self, load, tree, signed):
        blank(tree, 60)
        with pytest.raises(ValueError, match="size: the partition would end at sector"):
            write_esp(load, tree, signed)


CORE = {"type": "mkimage", "partlabel": "gpt", "filesystem": "ext4", "binary": "grub-mkimage"}
PREFIX = {"type": "partition", "partlabel": "gpt", "number": 2, "path": "/boot/grub"}


class TestGrubInstall:
    @pytest.mark.skipif(not Path("/usr/lib/grub/i386-pc/boot.img").exists(), reason="grub-pc-bin is not installed")
    def test_boot_code_and_core_image_point_at_one_another(self, load, tree):
        image = blank(tree, 4)
        options = {"filename": "disk.img", "platform": "i386-pc", "location": 2048, "core": CORE, "prefix": PREFIX}
        assert load("grub2.inst").main(str(tree), options) == 0
        content = image.read_bytes()
        assert int.from_bytes(content[0x5C:0x64], "little") == 2048
        core = content[MIB:]
        assert int.from_bytes(core[0x1F4:0x1FC], "little") == 2049
        count = int.from_bytes(core[0x1FC:0x1FE], "little")
        assert any(core[count * 512 : (count + 1) * 512]) and not any(core[(count + 1) * 512 :])
        assert not any(content[440:MIB]), "the partition table is left alone"

    def test_a_disk_needs_a_location(self, load, tree):
        blank(tree, 4)
        options = {"filename": "disk.img", "platform": "i386-pc", "core": CORE, "prefix": PREFIX}

        def mkimage(command, check):
            Path(command[command.index("--output") + 1]).write_bytes(b"core")

        stage = load("grub2.inst")
        with mock.patch.object(stage.subprocess, "run", mkimage), pytest.raises(ValueError, match="location: missing"):
            stage.main(str(tree), options)


@tool("sfdisk")
class TestDosLabel:
    def options(self, **more):
        partition = {"start": 2048, "size": 2048, "type": "83", "bootable": True}
        return {"filename": "disk.img", "size": 4 * MIB, "uuid": f"{DISK}1", "label": "dos", "partitions": [{**partition, **more}]}

    def test_a_dos_disk_has_types_of_two_digits_and_an_active_partition(self, load, tree):
        assert load("debian.disk").main(str(tree), self.options()) == 0
        table = json.loads(subprocess.run(["sfdisk", "--json", tree / "disk.img"], check=True, capture_output=True).stdout)
        table = table["partitiontable"]
        assert table["label"] == "dos" and table["id"] == f"0x{DISK[:8]}"
        assert [(one["type"], one["bootable"]) for one in table["partitions"]] == [("83", True)]

    @pytest.mark.parametrize(
        ("more", "message"),
        [({"name": "root"}, "partitions.0..name is given"), ({"start": 0}, "leaves free .1 to 8191")],
    )
    def test_what_a_dos_disk_cannot_have_is_refused_before_anything_is_written(self, load, tree, more, message):
        with pytest.raises(ValueError, match=message):
            load("debian.disk").main(str(tree), self.options(**more))
        assert not (tree / "disk.img").exists()

    def test_a_fifth_partition_is_refused(self, load, tree):
        options = self.options()
        options["partitions"] *= 5
        with pytest.raises(ValueError, match="partitions: 5 are too many for a dos disk, which has 4"):
            load("debian.disk").main(str(tree), options)


@pytest.mark.skipif(shutil.which("cryptsetup") is None, reason="cryptsetup is not installed")
class TestLuksKey:
    PBKDF = {"method": "pbkdf2", "iterations": 1000}

    @pytest.fixture
    def container(self, tree: Path) -> Path:
        image = tree / "container"
        with image.open("wb") as file:
            file.truncate(32 * MIB)
        subprocess.run(
            ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
             "--pbkdf-force-iterations", "1000", "--key-file", "-", image],
            input=b"while building", check=True,
        )  # fmt: skip
        return image

    def opens(self, image: Path, passphrase: bytes) -> bool:
        command = ["cryptsetup", "open", "--test-passphrase", "--key-file", "-", image]
        return subprocess.run(command, input=passphrase, check=False, capture_output=True).returncode == 0

    def run(self, load, container: Path, key: bytes, passphrase: str = "while building") -> int:
        folder = container.parent / "key"
        folder.mkdir()
        (folder / "sha256:0").write_bytes(key)
        inputs = {"key": {"path": str(folder), "data": {"files": {"sha256:0": {}}}}}
        options = {"passphrase": passphrase, "pbkdf": self.PBKDF}
        # An absolute path: os.path.join then leaves out /dev.
        return load("debian.luks-key").main(inputs, {"device": {"path": str(container)}}, options)

    def test_only_the_key_opens_the_container_afterwards(self, load, container, capfd):
        assert self.run(load, container, b"correct horse\n") == 0
        assert self.opens(container, b"correct horse") and not self.opens(container, b"while building")
        shown = "".join(capfd.readouterr())
        assert "correct horse" not in shown and "while building" not in shown

    def test_an_empty_key_is_refused_and_changes_nothing(self, load, container):
        with pytest.raises(ValueError, match="inputs.key is empty"):
            self.run(load, container, b"\n")
        assert self.opens(container, b"while building")

    def test_a_wrong_passphrase_changes_nothing(self, load, container):
        with pytest.raises(subprocess.CalledProcessError):
            self.run(load, container, b"new", passphrase="other")
        assert self.opens(container, b"while building") and not self.opens(container, b"new")
