# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages for unified kernel images, systemd-boot and initial ram disks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
ROOT = "00000000-0000-4000-8000-000000000001"
HASH = "0123456789abcdef" * 4
EPOCH = 1_700_000_000
NEW, OLD = "6.12.10-amd64", "6.12.9-amd64"


def pe(sections: int = 1, machine: int = 0x8664, room: int = 8, signed: bool = False, tail: bytes = b"symbols") -> bytes:
    """A minimal EFI program (PE32+) with room for further section headers."""
    header_size = -(-(0x40 + 24 + 240 + 40 * (sections + room)) // 512) * 512 if room else 0x40 + 24 + 240 + 40 * sections
    first = -(-header_size // 512) * 512
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<II", optional, 32, 0x1000, 512)
    struct.pack_into("<II", optional, 56, 0x1000 * (sections + 1), header_size)
    struct.pack_into("<I", optional, 108, 16)
    if signed:
        struct.pack_into("<II", optional, 112 + 8 * 4, 0x5000, 8)
    symbols = first + 512 * sections
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", machine, sections, 0, symbols, 1, len(optional), 2) + optional
    for number in range(sections):
        name = [b".text", b".sbat"][number]
        head += struct.pack("<8sIIIIIIHHI", name, 100, 0x1000 * (number + 1), 512, first + 512 * number, 0, 0, 0, 0, 0x60000020)
    return head.ljust(first, b"\0") + b"".join(bytes([65 + number]) * 512 for number in range(sections)) + tail


def read_sections(image: bytes) -> dict[str, tuple[int, bytes]]:
    """Name -> (address, content) of the sections of an EFI program."""
    start = struct.unpack_from("<I", image, 0x3C)[0]
    count, size = struct.unpack_from("<H", image, start + 6)[0], struct.unpack_from("<H", image, start + 20)[0]
    result = {}
    for number in range(count):
        name, length, address, raw, offset = struct.unpack_from("<8sIIII", image, start + 24 + size + 40 * number)
        result[name.rstrip(b"\0").decode()] = (address, image[offset:offset + min(length, raw)])
    return result


class TestAppend:
    def test_sections_do_not_overlap_and_hold_what_was_given(self):
        from stages.forge import uki

        given = [(".osrel", b"ID=debian\n"), (".initrd", b"i" * 5000), (".linux", b"k" * 513)]
        image = uki.append(pe(2), given)
        found = read_sections(image)
        assert list(found) == [".text", ".sbat", ".osrel", ".initrd", ".linux"]
        assert [(name, found[name][1]) for name, _ignored in given] == given
        ends = [(address, address + len(content)) for address, content in found.values()]
        assert all(end <= start and start % 0x1000 == 0 for (_s, end), (start, _e) in zip(ends, ends[1:], strict=False))
        start = struct.unpack_from("<I", image, 0x3C)[0]
        assert struct.unpack_from("<I", image, start + 24 + 56)[0] >= ends[-1][1]
        assert image[struct.unpack_from("<I", image, start + 12)[0]:] == b"symbols"

    @pytest.mark.parametrize(
        ("stub", "message"),
        [
            (b"MZ", "it has no PE header"),
            (b"#!/bin/sh\n" * 20, "it has no PE header"),
            (pe(signed=True), "the stub is signed"),
            (pe(room=0), "headers have no room for 1 more sections"),
        ],
    )
    def test_what_takes_no_sections_is_refused(self, stub, message):
        from stages.forge import uki

        with pytest.raises(ValueError, match=message):
            uki.append(stub, [(".osrel", b"x")])

    def test_a_section_is_not_there_twice(self):
        from stages.forge import uki

        with pytest.raises(ValueError, match="has a section .text already"):
            uki.append(pe(), [(".text", b"x")])

    @pytest.mark.skipif(not STUB.exists() or shutil.which("objdump") is None, reason="systemd-boot-efi or binutils is not installed")
    def test_others_read_it(self, tmp_path):
        from stages.forge import uki

        (tmp_path / "u.efi").write_bytes(uki.append(STUB.read_bytes(), [(".cmdline", b"ro quiet"), (".linux", b"k" * 700)]))
        shown = subprocess.run(["objdump", "-h", tmp_path / "u.efi"], check=True, capture_output=True, encoding="utf8").stdout
        assert ".sdmagic" in shown and ".cmdline      00000008" in shown and ".linux        000002bc" in shown


@pytest.fixture
def system(tree: Path) -> Path:
    """A tree with two kernels, systemd's stub and boot loader, and Debian's os-release."""
    files: dict[str, bytes] = {
        "usr/lib/systemd/boot/efi/linuxx64.efi.stub": pe(2),
        "usr/lib/systemd/boot/efi/systemd-bootx64.efi": b"systemd-boot",
        "usr/lib/os-release": b'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
        "etc/kernel/cmdline": b"from=file\n",
    }
    for version in (OLD, NEW):
        files[f"boot/vmlinuz-{version}"] = pe(tail=version.encode())
        files[f"boot/initrd.img-{version}"] = b"initrd " + version.encode()
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    return tree


def run(load: Any, stage: str, tree: Path, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    given = {"tree": str(tree), "inputs": inputs or {}, "mounts": {}, "options": options, "meta": {"source-epoch": EPOCH}}
    return load(stage).main(given, options)


class TestDebianUki:
    def test_the_newest_kernel_with_all_its_parts(self, load, system):
        (system / "roothash").write_text(HASH + "\n")
        options = {"root-fs-uuid": ROOT, "kernel-opts": "quiet", "cmdline-file": "/etc/kernel/cmdline", "roothash": "tree:///roothash"}
        run(load, "debian.uki", system, fallback=True, **options)
        esp = system / "boot/efi/EFI"
        image = (esp / f"Linux/debian-{NEW}.efi").read_bytes()
        assert sorted(path.name for path in esp.rglob("*") if path.is_file()) == ["BOOTX64.EFI", f"debian-{NEW}.efi"]
        assert (esp / "BOOT/BOOTX64.EFI").read_bytes() == image
        parts = {name: content for name, (_ignored, content) in read_sections(image).items()}
        assert parts[".cmdline"].decode() == f"root=UUID={ROOT} ro quiet from=file roothash={HASH}"
        assert (parts[".uname"], parts[".initrd"]) == (NEW.encode(), f"initrd {NEW}".encode())
        assert parts[".linux"] == (system / f"boot/vmlinuz-{NEW}").read_bytes() and parts[".osrel"].startswith(b"PRETTY_NAME")
        assert list(parts)[-1] == ".linux"

    def test_all_kernels_or_one(self, load, system):
        run(load, "debian.uki", system, kernels="all", directory="/efi", **{"entry-token": "x"})
        assert sorted(os.listdir(system / "efi/EFI/Linux")) == [f"x-{NEW}.efi", f"x-{OLD}.efi"]
        run(load, "debian.uki", system, kernels=OLD, directory="/one")
        assert os.listdir(system / "one/EFI/Linux") == [f"debian-{OLD}.efi"]

    @pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed")
    def test_the_same_input_gives_the_same_image_file(self, load, system, tmp_path):
        digests = set()
        for name in "ab":
            target = tmp_path / name
            target.mkdir()
            with (target / "disk.img").open("wb") as file:
                file.truncate(70 << 20)
            where = {"filename": "disk.img", "start": 2048, "size": 66 << 11, "volume-id": "12345678"}
            run(load, "debian.uki", target, {"tree": {"path": str(system)}}, architecture="amd64", **where)
            digests.add(hashlib.sha256((target / "disk.img").read_bytes()).hexdigest())
            shown = subprocess.run(
                ["mtype", "-i", f"{target}/disk.img@@1M", f"::/EFI/Linux/debian-{NEW}.efi"], check=True, capture_output=True
            )
            assert f"initrd {NEW}".encode() in shown.stdout
        assert len(digests) == 1

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"roothash": "tree:///none"}, FileNotFoundError, "roothash: there is no file tree:///none"),
            ({"roothash": "tree:///etc/kernel/cmdline"}, ValueError, "roothash: must be 40 to 128 hex digits"),
            ({"roothash": "abc"}, ValueError, "found 'abc'"),
            ({"cmdline-file": "/none"}, FileNotFoundError, "cmdline-file: the tree has no file /none"),
            ({"kernels": "5.0"}, ValueError, f"must be newest, all or one of {NEW}, {OLD}; found '5.0'"),
            ({"architecture": "arm64"}, ValueError, "is for x64, found arm64"),
            ({"filename": "x.img", "start": 1, "size": 1, "volume-id": "12345678"}, ValueError, "inputs.tree is missing"),
        ],
    )
    def test_wrong_options(self, load, system, options, error, message):
        with pytest.raises(error, match=message):
            run(load, "debian.uki", system, **options)
        assert not (system / "boot/efi").exists()

    def test_files_are_read_and_written_inside_the_trees(self, load, system, outside):
        (outside / "secret").write_text(HASH)
        (system / "hash").symlink_to(outside / "secret")
        (system / "boot/efi").symlink_to(outside)
        with pytest.raises(FileNotFoundError, match="roothash"):
            run(load, "debian.uki", system, roothash="tree:///hash")
        run(load, "debian.uki", system)
        assert os.listdir(outside) == ["secret"]

    @pytest.mark.parametrize(
        ("missing", "message"),
        [
            (f"boot/initrd.img-{NEW}", f"no initial ram disk /boot/initrd.img-{NEW}"),
            ("usr/lib/os-release", "neither /etc/os-release nor /usr/lib/os-release"),
        ],
    )
    def test_what_is_missing_is_named(self, load, system, missing, message):
        (system / missing).unlink()
        with pytest.raises(FileNotFoundError, match=message):
            run(load, "debian.uki", system)

    def test_kernels_of_ostree_are_found_below_usr(self, load, system):
        shutil.rmtree(system / "boot")
        modules = system / f"usr/lib/modules/{NEW}"
        modules.mkdir(parents=True)
        (modules / "vmlinuz").write_bytes(pe())
        (modules / "initramfs.img").write_bytes(b"ostree")
        run(load, "debian.uki", system)
        assert read_sections((system / f"boot/efi/EFI/Linux/debian-{NEW}.efi").read_bytes())[".initrd"][1] == b"ostree"


class TestUki:
    def test_inputs_options_and_missing_stub(self, load, system, tmp_path, monkeypatch):
        from stages.forge import uki

        inputs = {}
        for name in ("kernel", "initrd", "osrel"):
            (tmp_path / name).write_bytes(pe(machine=0xAA64) if name == "kernel" else name.encode())
            inputs[name] = {"path": str(tmp_path), "data": {"files": {name: {}}}}
        stage = load("uki")
        with pytest.raises(FileNotFoundError, match="no /usr/lib/systemd/boot/efi/linuxaa64.efi.stub"):
            stage.main(str(system), inputs, {"filename": "u.efi"})
        monkeypatch.setattr(uki, "STUBS", "/usr/lib/stubs")
        (system / "usr/lib/stubs").mkdir()
        (system / "usr/lib/stubs/linuxaa64.efi.stub").write_bytes(pe(machine=0xAA64))
        with pytest.raises(ValueError, match="kernel.opts must be one line"):
            stage.main(str(system), inputs, {"filename": "u.efi", "kernel": {"opts": ["a\nb"]}})
        stage.main(str(system), inputs, {"filename": "../../deep/u.efi", "kernel": {"opts": ["a", "b"]}})
        image = system / "deep/u.efi"
        assert image.stat().st_mode & 0o777 == 0o755 and read_sections(image.read_bytes())[".cmdline"][1] == b"a b"


class TestSystemdBoot:
    def test_entries_lead_to_files_that_are_there(self, load, system):
        options = {"root-fs-uuid": ROOT, "kernel-opts": "quiet", "timeout": "menu-force", "editor": False, "console-mode": "max"}
        run(load, "debian.systemd-boot", system, **options)
        esp = system / "boot/efi"
        assert (esp / "loader/loader.conf").read_text() == "timeout menu-force\neditor no\nconsole-mode max\n"
        assert (esp / "EFI/BOOT/BOOTX64.EFI").read_bytes() == b"systemd-boot"
        assert sorted(os.listdir(esp / "loader/entries")) == [f"debian-{NEW}.conf", f"debian-{OLD}.conf"]
        for version in (NEW, OLD):
            text = (esp / f"loader/entries/debian-{version}.conf").read_text()
            keys = dict(line.split(" ", 1) for line in text.splitlines())
            assert (keys["version"], keys["sort-key"], keys["options"]) == (version, "debian", f"root=UUID={ROOT} ro quiet")
            assert (esp / keys["linux"][1:]).read_bytes() == (system / f"boot/vmlinuz-{version}").read_bytes()
            assert (esp / keys["initrd"][1:]).read_text() == f"initrd {version}"

    def test_the_signed_one_is_taken_and_shim_goes_before_it(self, load, system):
        with pytest.raises(FileNotFoundError, match=r"shim: the tree has no .*systemd-bootx64.efi.signed"):
            run(load, "debian.systemd-boot", system, shim=True)
        (system / "usr/lib/systemd/boot/efi/systemd-bootx64.efi.signed").write_bytes(b"signed")
        with pytest.raises(FileNotFoundError, match="package shim-signed"):
            run(load, "debian.systemd-boot", system, shim=True)
        assert not (system / "boot/efi").exists()
        (system / "usr/lib/shim").mkdir()
        for name in ("shim", "mm"):
            (system / f"usr/lib/shim/{name}x64.efi.signed").write_text(name)
        run(load, "debian.systemd-boot", system, shim=True, **{"entry-token": "x"})
        boot = system / "boot/efi/EFI/BOOT"
        assert [(boot / name).read_text() for name in ("BOOTX64.EFI", "grubx64.efi", "mmx64.efi")] == ["shim", "signed", "mm"]
        run(load, "debian.systemd-boot", system)
        assert (boot / "BOOTX64.EFI").read_text() == "signed"

    @pytest.mark.parametrize("token", ["../x", "a/b", "", "a b", "."])
    def test_the_tree_does_not_choose_a_token_that_climbs_out(self, load, system, token):
        (system / "etc/kernel/entry-token").write_text(token + "\n")
        if not token:
            run(load, "debian.systemd-boot", system)
            assert (system / "boot/efi/debian").is_dir()
            return
        with pytest.raises(ValueError, match="entry-token must be"):
            run(load, "debian.systemd-boot", system)

    def test_a_partition_that_is_too_small_or_outside_is_refused(self, load, system, tmp_path):
        target = tmp_path / "image"
        target.mkdir()
        (target / "d.img").write_bytes(bytes(4096))
        inputs = {"tree": {"path": str(system)}}
        for start, size, message in ((0, 9, "the image has only 8"), (0, 2, "the files need")):
            with pytest.raises(ValueError, match=message):
                run(load, "debian.systemd-boot", target, inputs, filename="d.img", start=start, size=size, **{"volume-id": "12345678"})
        assert (target / "d.img").read_bytes() == bytes(4096)


HOOK = {"name": "x", "content": "#!/bin/sh"}


class TestInitramfs:
    def test_configuration_of_both_programs(self, load, tree):
        (tree / "etc/initramfs-tools").mkdir(parents=True)
        (tree / "etc/initramfs-tools/modules").write_text("# mine\nloop  max_loop=3")
        tools = {
            "modules": ["loop max_loop=3", "virtio_blk"], "policy": "dep", "compress": "zstd", "compress-level": 3, "resume": "none",
            "root-filesystems": ["ext4", "xfs"], "hooks": [HOOK], "scripts": [{**HOOK, "phase": "local-bottom"}],
        }  # fmt: skip
        dracut = {"add-modules": ["a", "b"], "filesystems": ["ext4"], "hostonly": False, "compress": "xz", "install": ["/bin/x"]}
        load("debian.initramfs").main(str(tree), {"initramfs-tools": tools, "dracut": dracut, "filename": "10-x"})
        etc = tree / "etc"
        assert (etc / "initramfs-tools/modules").read_text() == "# mine\nloop  max_loop=3\nvirtio_blk\n"
        settings = (etc / "initramfs-tools/conf.d/10-x").read_text().splitlines()[1:]
        assert settings == ["MODULES=dep", "COMPRESS=zstd", "COMPRESSLEVEL=3", "RESUME=none", "FSTYPE=ext4,xfs"]
        for name in ("hooks/x", "scripts/local-bottom/x"):
            assert (etc / "initramfs-tools" / name).read_text() == "#!/bin/sh\n"
            assert (etc / "initramfs-tools" / name).stat().st_mode & 0o777 == 0o755
        assert (etc / "dracut.conf.d/10-x.conf").read_text().splitlines()[1:] == [
            'add_dracutmodules+=" a b "', 'filesystems+=" ext4 "', 'install_items+=" /bin/x "', 'hostonly="no"', 'compress="xz"',
        ]  # fmt: skip

    @pytest.fixture
    def debian(self, tree: Path) -> Path:
        for name in ("usr/sbin/update-initramfs", "usr/bin/dracut", "boot/vmlinuz-1"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).touch()
        return tree

    @pytest.mark.parametrize(
        ("missing", "options", "message"),
        [
            ("", {"initramfs-tools": {"hooks": [{**HOOK, "content": "echo"}]}}, "must be a script beginning with #!"),
            ("", {"run": True, "initramfs-tools": {"policy": "dep"}}, "with run it must be most, netboot or list"),
            ("", {"run": True, "dracut": {"hostonly": True}}, "with run it must be false"),
            ("", {"run": True, "initramfs-tools": {"compress": "lz4"}}, "the tree has no program lz4"),
            ("", {"run": True}, "has a kernel 1 but no /usr/lib/modules/1"),
            ("boot/vmlinuz-1", {"run": True}, "the tree has no kernel"),
            ("usr/bin/dracut", {"run": True, "generator": "dracut"}, "the tree has no /usr/bin/dracut"),
            ("usr", {"run": True}, "neither update-initramfs nor dracut"),
        ],
    )
    def test_what_cannot_work_is_refused(self, load, debian, missing, options, message):
        from stages.forge.errors import StageError

        if missing:
            path = debian / missing
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(StageError, match=message):
            load("debian.initramfs").main(str(debian), options)
        assert not (debian / "etc").exists()

    def test_links_out_of_the_tree_are_followed_inside_it(self, load, tree, outside):
        (tree / "etc").mkdir()
        (tree / "etc/initramfs-tools").symlink_to(outside)
        load("debian.initramfs").main(str(tree), {"initramfs-tools": {"resume": "none", "hooks": [HOOK]}})
        assert not list(outside.iterdir())


class TestDracut:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({}, ["--no-early-microcode", "--reproducible"]),
            ({"early_microcode": True, "reproducible": False}, ["--early-microcode", "--no-reproducible"]),
            (
                {"compress": "zstd", "add_modules": ["a", "b"], "extra": ["-q"], "include": [{"src": "/a", "dst": "/b"}]},
                ["--compress=zstd", "--add", "a b", "--include", "/a", "/b", "--no-early-microcode", "--reproducible", "-q"],
            ),
        ],
    )
    def test_arguments(self, options, expected):
        from stages.forge import dracut

        assert dracut.arguments(options) == expected

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"kernel": ["../x"]}, "kernel must be the version"),
            ({"kernel": ["-x"]}, "kernel must be the version"),
            ({"initoverlayfs": True}, "initoverlayfs must be false"),
            ({"include": [{"from": "/a"}]}, r"include\[0\] must have src and dst"),
            ({"drivers": ["a b"]}, "drivers: an item must be one word"),
            ({}, "the tree has no /usr/bin/dracut"),
        ],
    )
    def test_wrong_options(self, load, tree, options, message):
        from stages.forge.errors import StageError

        with pytest.raises(StageError, match=message):
            load("dracut").main(str(tree), {"kernel": ["6.1"], **options})

    @pytest.mark.parametrize("path", ["etc", "/a/../b", "/", "/a\nb"])
    def test_what_is_removed_lies_in_the_image(self, path):
        from stages.forge import dracut
        from stages.forge.errors import StageError

        with pytest.raises(StageError, match="remove: must be absolute paths"), dracut.removing([path]):
            pass

    def test_the_module_that_removes_quotes_and_is_gone_afterwards(self, tmp_path, monkeypatch):
        from stages.forge import dracut

        monkeypatch.setattr(dracut, "_MODULES", str(tmp_path))
        (tmp_path / "image/it's").mkdir(parents=True)
        with dracut.removing(["/it's"]) as arguments:
            assert arguments == ["--add", "forge-remove"]
            script = f". {tmp_path}/99forge-remove/module-setup.sh; initdir={tmp_path}/image; install"
            subprocess.run(["bash", "-c", script], check=True)
        assert not os.listdir(tmp_path / "image") and os.listdir(tmp_path) == ["image"]


@pytest.mark.parametrize("stage", ["debian.systemd-boot", "debian.uki"])
@pytest.mark.parametrize(
    "options", [{"filename": "x"}, {"start": 1}, {"directory": "/efi", "filename": "x", "start": 1, "size": 1, "volume-id": "12345678"}]
)
def test_image_and_directory_are_told_apart(meta, stage, options):
    jsonschema = pytest.importorskip("jsonschema")
    schema = meta(stage)["schema_2"]["options"]
    assert json.dumps(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(options, schema)
