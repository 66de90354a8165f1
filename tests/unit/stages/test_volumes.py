# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages for partition tables, encrypted and logical volumes, subvolumes and dm-verity on devices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1024**2
UUID = "11111111-2222-3333-4444-555555555555"
PBKDF = {"method": "pbkdf2", "iterations": 1000}


def tool(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def blank(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size * MIB)
    return path


def device(path: str | Path) -> dict[str, dict[str, str]]:
    return {"device": {"path": str(path)}}


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    image = blank(tmp_path / "loop.img", 128)
    made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, encoding="utf8", check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


class Spy:
    """Stands in for subprocess.run: notes what would be run, and what it would read."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], bytes | None]] = []

    def __call__(self, argv: list[str], *, input: bytes | None = None, **more: object) -> None:
        self.calls.append((argv, input))


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    from stages.forge import program

    result = Spy()
    monkeypatch.setattr(program.subprocess, "run", result)
    return result


SECRETS = [
    ("luks2.format", {"uuid": UUID, "pbkdf": PBKDF}),
    ("luks2.remove-key", {}),
    ("clevis.luks-bind", {"pin": "tang", "policy": '{"url": "http://tang.example.com"}'}),
]


@pytest.mark.parametrize(("name", "options"), SECRETS)
def test_a_passphrase_goes_by_standard_input_only(load, spy, monkeypatch, capsys, name, options):
    stage = load(name)
    if name == "luks2.remove-key":
        monkeypatch.setattr(stage, "key_slots", lambda device: ["0", "1"])
    stage.main(device("/dev/x"), {"passphrase": "hush ä", **options})
    ((argv, given),) = spy.calls
    assert given == "hush ä".encode()
    assert not any("hush" in argument for argument in argv)
    assert "hush" not in "".join(capsys.readouterr())


MISSING = [
    ("sgdisk", {"uuid": UUID, "partitions": []}, "gdisk"),
    ("parted", {"label": "gpt", "partitions": []}, "parted"),
    ("luks2.format", {"passphrase": "x", "uuid": UUID, "pbkdf": PBKDF}, "cryptsetup-bin"),
    ("luks2.remove-key", {"passphrase": "x"}, "cryptsetup-bin"),
    ("clevis.luks-bind", {"passphrase": "x", "pin": "tang", "policy": "{}"}, "clevis-luks"),
    ("lvm2.create", {"volumes": [{"name": "root", "size": "8M"}]}, "lvm2"),
]


@pytest.mark.parametrize(("name", "options", "package"), MISSING, ids=lambda value: value if isinstance(value, str) else "")
def test_a_missing_program_is_named_with_its_package(load, monkeypatch, tmp_path, name, options, package):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=f"the build root has no .*Debian package {package}"):
        load(name).main(device(tmp_path / "none"), options)


REFUSED = [
    ("sgdisk", {"uuid": UUID}, "partitions is missing"),
    ("sgdisk", {"uuid": UUID, "partitions": [{"size": 2048}]}, "partition 1 has no start"),
    ("sgdisk", {"uuid": UUID, "partitions": [{"start": 2048, "attrs": [2]}]}, "partitions.attrs cannot be set"),
    ("sgdisk", {"uuid": UUID, "partitions": [{"start": 34, "partnum": 2}, {"start": 99}]}, "partnum must differ .* found 2 twice"),
    ("parted", {"label": "gpt"}, "partitions is missing"),
    ("parted", {"label": "gpt", "partitions": [{"name": "a", "start": 1}]}, "partition 1 has no size"),
    ("parted", {"label": "gpt", "partitions": [{"name": 'a" rm 1', "start": 1, "size": 1}]}, "partitions.name must have no quotes"),
    ("clevis.luks-bind", {"passphrase": "x", "pin": "tang", "policy": "{"}, "policy must be .* JSON"),
    ("lvm2.create", {"volumes": [{"name": "--force", "size": "1M"}]}, r"volumes\[0\].name must be like"),
    ("lvm2.create", {"volumes": [{"name": "a", "size": "1M;x"}]}, r"volumes\[0\].size must be like"),
    ("lvm2.create", {"volumes": [{"name": "a", "extents": "1"}, {"name": "a", "size": "1"}]}, "names must differ"),
    ("lvm2.metadata", {"vg_name": "-a"}, "vg_name must be"),
    ("lvm2.metadata", {"vg_name": "a", "creation_time": "now1"}, "creation_time must be a number"),
]


@pytest.mark.parametrize(("name", "options", "words"), REFUSED)
def test_wrong_options_are_refused_before_the_device_is_touched(load, spy, tmp_path, name, options, words):
    with pytest.raises(ValueError, match=words):
        load(name).main(device(tmp_path / "none"), options)
    assert not spy.calls


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("sgdisk", {"uuid": UUID, "partitions": []}, subprocess.CalledProcessError),
        ("parted", {"label": "gpt", "partitions": []}, subprocess.CalledProcessError),
        ("luks2.format", {"passphrase": "x", "uuid": UUID, "pbkdf": PBKDF}, subprocess.CalledProcessError),
        ("luks2.remove-key", {"passphrase": "x"}, subprocess.CalledProcessError),
        ("lvm2.metadata", {"vg_name": "a"}, FileNotFoundError),
    ],
)
def test_a_missing_device_fails(load, tmp_path, name, options, error):
    if error is not FileNotFoundError and not shutil.which({"sgdisk": "sgdisk", "parted": "parted"}.get(name, "cryptsetup")):
        pytest.skip("the tool is not installed")
    with pytest.raises(error):
        load(name).main(device(tmp_path / "none"), options)


@tool("sgdisk")
@tool("sfdisk")
def test_sgdisk_writes_the_table_of_the_options(load, tmp_path):
    image = blank(tmp_path / "disk.img", 16)
    partitions = [{"start": 2048, "size": 2048, "name": "a b", "bootable": True, "uuid": UUID, "partnum": 3}]
    load("sgdisk").main(device(image), {"uuid": UUID, "partitions": partitions, "quote_partition_name": False})
    table = json.loads(subprocess.run(["sfdisk", "--json", image], check=True, capture_output=True).stdout)["partitiontable"]
    (one,) = table["partitions"]
    assert table["id"] == UUID and one["node"].endswith("3")
    assert (one["start"], one["size"], one["name"], one["attrs"]) == (2048, 2048, "a b", "LegacyBIOSBootable")


def opens(image: Path, passphrase: str) -> bool:
    command = ["cryptsetup", "open", "--test-passphrase", "--key-file", "-", image]
    return subprocess.run(command, input=passphrase.encode(), capture_output=True, check=False).returncode == 0


@pytest.mark.root
@tool("cryptsetup")
class TestLuks:
    def test_the_passphrase_opens_the_volume(self, load, tmp_path):
        image = blank(tmp_path / "luks.img", 32)
        load("luks2.format").main(device(image), {"passphrase": "one two", "uuid": UUID, "pbkdf": PBKDF, "label": "data"})
        assert opens(image, "one two") and not opens(image, "one two\n")
        assert UUID in subprocess.run(["cryptsetup", "luksDump", image], check=True, capture_output=True, text=True).stdout

    def test_a_key_is_removed_but_not_the_last(self, load, tmp_path):
        image = blank(tmp_path / "luks.img", 32)
        (tmp_path / "new").write_text("new")
        load("luks2.format").main(device(image), {"passphrase": "old", "uuid": UUID, "pbkdf": PBKDF})
        add = ["cryptsetup", "luksAddKey", "--batch-mode", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-"]
        subprocess.run([*add, image, tmp_path / "new"], input=b"old", check=True)
        load("luks2.remove-key").main(device(image), {"passphrase": "old"})
        assert opens(image, "new") and not opens(image, "old")
        with pytest.raises(ValueError, match="only one key"):
            load("luks2.remove-key").main(device(image), {"passphrase": "new"})
        assert opens(image, "new")

    @tool("clevis-encrypt-null")
    def test_clevis_opens_what_it_was_bound_to(self, load, tmp_path):
        image = blank(tmp_path / "luks.img", 32)
        load("luks2.format").main(device(image), {"passphrase": "old", "uuid": UUID, "pbkdf": PBKDF})
        load("clevis.luks-bind").main(device(image), {"passphrase": "old", "pin": "null", "policy": "{}"})
        shown = subprocess.run(["clevis", "luks", "list", "-d", image], check=True, capture_output=True, text=True).stdout
        assert "null" in shown
        key = subprocess.run(["clevis", "luks", "pass", "-d", image, "-s", "1"], check=True, capture_output=True, text=True).stdout
        assert opens(image, key.rstrip("\n"))


LVM_CONFIG = "global/activation=0 devices/use_devicesfile=0"


@pytest.mark.root
@tool("lvcreate")
class TestLvm:
    def test_volumes_are_there_under_the_name_given_last(self, load, loop):
        load("lvm2.create").main(device(loop), {"volumes": [{"name": "root", "size": "16M"}, {"name": "home", "extents": "50%FREE"}]})
        load("lvm2.metadata").main(device(loop), {"vg_name": "forge-test", "creation_time": "7", "description": "for a test"})
        command = ["lvs", "--devices", loop, "--config", LVM_CONFIG, "--reportformat", "json", "--units", "m", "--nosuffix"]
        shown = subprocess.run([*command, "-o", "vg_name,lv_name,lv_size"], check=True, capture_output=True, text=True).stdout
        rows = {row["lv_name"]: (row["vg_name"], float(row["lv_size"])) for row in json.loads(shown)["report"][0]["lv"]}
        assert rows["root"] == ("forge-test", 16.0)
        assert rows["home"][0] == "forge-test" and 50 <= rows["home"][1] <= 56
        subprocess.run(["vgck", "--devices", loop, "--config", LVM_CONFIG, "forge-test"], check=True, capture_output=True)

    def test_a_device_without_a_volume_group_is_refused(self, load, loop):
        with pytest.raises(RuntimeError, match="label header"):
            load("lvm2.metadata").main(device(loop), {"vg_name": "a"})


@pytest.mark.root
@tool("mkfs.btrfs")
class TestSubvolumes:
    @pytest.fixture
    def mounted(self, loop: str, tmp_path: Path) -> Iterator[Path]:
        subprocess.run(["mkfs.btrfs", "-q", loop], check=True)
        target = tmp_path / "mounted"
        target.mkdir()
        subprocess.run(["mount", "-t", "btrfs", loop, target], check=True)
        yield target
        subprocess.run(["umount", target], check=True)

    def run(self, load, mounted, *names):
        args = {"mounts": {"m": {}}, "paths": {"mounts": str(mounted)}, "options": {"subvolumes": [{"name": name} for name in names]}}
        return load("btrfs.subvol").main(args)

    def test_parents_are_made_as_directories(self, load, mounted):
        self.run(load, mounted, "/root", "a/b/c", "root/var")
        listed = subprocess.run(["btrfs", "subvolume", "list", mounted], check=True, capture_output=True, text=True).stdout
        assert sorted(line.rsplit(" ", 1)[1] for line in listed.splitlines()) == ["a/b/c", "root", "root/var"]
        # Only the root of a subvolume has this number.
        assert os.stat(mounted / "root").st_ino == 256 != os.stat(mounted / "a").st_ino

    def test_one_that_exists_is_an_error(self, load, mounted):
        with pytest.raises(subprocess.CalledProcessError):
            self.run(load, mounted, "a", "a")

    def test_a_link_in_the_file_system_does_not_lead_out(self, load, mounted, outside):
        (mounted / "link").symlink_to(outside)
        self.run(load, mounted, "link/sub")
        assert not list(outside.iterdir())

    @pytest.mark.parametrize("name", ["../x", "/", "a/../../x"])
    def test_names_that_climb_are_refused(self, load, mounted, name):
        with pytest.raises(ValueError, match="subvolumes.name must be a path below the mounts"):
            self.run(load, mounted, name)

    def test_mounts_are_needed(self, load):
        with pytest.raises(ValueError, match="mounts must hold the Btrfs file system"):
            load("btrfs.subvol").main({"mounts": {}, "options": {"subvolumes": []}})


@tool("veritysetup")
def test_dmverity_writes_the_root_hash_into_the_tree(load, tree, outside, tmp_path):
    data, hashes = blank(tmp_path / "data", 1), blank(tmp_path / "hashes", 1)
    devices = {"data_device": {"path": str(data)}, "hash_device": {"path": str(hashes)}}
    (tree / "boot").symlink_to("/real")
    (tree / "real").mkdir()
    load("dmverity").main(str(tree), devices, {"root_hash_file": "boot/root.hash", "blocksize": 4096})
    root_hash = (tree / "real/root.hash").read_text()
    subprocess.run(["veritysetup", "verify", data, hashes, root_hash], check=True)
    data.write_bytes(b"x" + data.read_bytes()[1:])
    assert subprocess.run(["veritysetup", "verify", data, hashes, root_hash], capture_output=True, check=False).returncode
