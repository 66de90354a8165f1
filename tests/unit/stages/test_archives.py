# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives, compressed files, boxes, and the small stages about owners, attributes and checksums."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.forge import gzipstream

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")
COMPRESSORS = {"xz": lzma.decompress, "zstd": lambda data: run("zstd", "-dqc", data=data)}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*command: str, data: bytes = b"") -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def files_input(directory: Path, **files: bytes) -> dict[str, Any]:
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return {"path": str(directory), "data": {"files": {name: {} for name in files}}}


@pytest.fixture
def source(tmp_path: Path) -> dict[str, Any]:
    root = tmp_path / "source"
    (root / "etc/sub").mkdir(parents=True)
    for name in ("z", "etc/a", "etc/sub/b"):
        (root / name).write_text(name)
    (root / "link").symlink_to("etc/a")
    return {"tree": {"path": str(root)}}


class TestCompression:
    @pytest.mark.parametrize("name", COMPRESSORS)
    def test_the_number_of_processors_does_not_matter(self, load, tree, tmp_path, name) -> None:
        data = os.urandom(1 << 20) * 12
        entry = files_input(tmp_path / "i", f=data)
        results = set()
        everywhere = os.sched_getaffinity(0)
        for cpus in (everywhere, {min(everywhere)}):
            os.sched_setaffinity(0, cpus)
            try:
                load(name).main({"file": entry}, str(tree), {"filename": "o"})
            finally:
                os.sched_setaffinity(0, everywhere)
            results.add((tree / "o").read_bytes())
        assert len(results) == 1
        assert COMPRESSORS[name](results.pop()) == data

    def test_gunzip(self, load, tree, tmp_path) -> None:
        load("gunzip").main({"file": files_input(tmp_path / "i", f=gzip.compress(b"data"))}, str(tree), {"path": "/o"})
        assert (tree / "o").read_bytes() == b"data"

    @pytest.mark.parametrize(("name", "option"), [("xz", "filename"), ("zstd", "filename"), ("gunzip", "path")])
    def test_the_result_stays_in_the_tree(self, load, tree, outside, tmp_path, name, option) -> None:
        (tree / "out").symlink_to(outside)
        entry = {"file": files_input(tmp_path / "i", f=gzip.compress(b"data"))}
        with pytest.raises(FileNotFoundError):
            load(name).main(entry, str(tree), {option: "out/o"})
        load(name).main(entry, str(tree), {option: "../../o"})
        assert list(outside.iterdir()) == []
        assert (tree / "o").exists()

    @pytest.mark.parametrize("name", ["xz", "zstd", "gunzip"])
    def test_exactly_one_file(self, load, tree, tmp_path, name) -> None:
        with pytest.raises(KeyError, match="file"):
            load(name).main({}, str(tree), {"filename": "o", "path": "o"})
        with pytest.raises(ValueError, match="exactly one file, found 2"):
            entry = files_input(tmp_path / "i", a=b"", b=b"")
            load(name).main({"file": entry}, str(tree), {"filename": "o", "path": "o"})

    @pytest.mark.parametrize("name", ["xz", "zstd", "gunzip"])
    def test_a_missing_file_or_garbage_fails(self, load, tree, tmp_path, name) -> None:
        entry = files_input(tmp_path / "i", f=b"no gzip")
        if name != "gunzip":
            (tmp_path / "i/f").unlink()
        with pytest.raises(subprocess.CalledProcessError):
            load(name).main({"file": entry}, str(tree), {"filename": "o", "path": "o"})

    @pytest.mark.parametrize("size", [0, 1, gzipstream.BLOCK, 3 * gzipstream.BLOCK + 5])
    def test_gzip_in_parallel(self, size, monkeypatch) -> None:
        data = (b"some text %d " % size) * (size // 10 + 1)
        results = []
        for cpus in ({0}, {0, 1, 2}):
            monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, cpus=cpus: cpus)
            seen, out = hashlib.sha256(), io.BytesIO()
            gzipstream.compress(io.BytesIO(data[:size]), out.write, seen=seen.update)
            results.append(out.getvalue())
            assert seen.digest() == hashlib.sha256(data[:size]).digest()
        assert results[0] == results[1]
        assert run("gzip", "-dc", data=results[0]) == data[:size]


@needs("cpio")
class TestCpio:
    def pack(self, load, source, tree, **options: Any) -> bytes:
        load("cpio.out").main(source, str(tree), {"filename": "o", **options})
        return (tree / "o").read_bytes()

    def test_links_to_directories_are_members(self, load, source, tree) -> None:
        (Path(source["tree"]["path"]) / "dir").symlink_to("etc")
        names = run("cpio", "-it", "--quiet", data=self.pack(load, source, tree)).decode().split()
        assert names == ["dir", "link", "z", ".", "etc/a", "etc", "etc/sub/b", "etc/sub"]

    def test_append_owner_and_reproducible(self, load, source, tree) -> None:
        self.pack(load, source, tree, **{"root-node": "omit"}, owner={"user": "7", "group": "8"}, reproducible=False)
        data = self.pack(load, source, tree, append=True)
        listing = run("cpio", "-itvn", "--quiet", data=data).decode().splitlines()
        assert len(listing) == 6 + 7
        assert {tuple(line.split()[2:4]) for line in listing[:6]} == {("7", "8")}

    def test_a_missing_tree_fails(self, load, tree) -> None:
        with pytest.raises(FileNotFoundError):
            self.pack(load, {"tree": {"path": str(tree / "none")}}, tree)


@needs("zip")
class TestZip:
    def names(self, load, source, tree, **options: Any) -> list[str]:
        load("zip").main(source, str(tree), {"filename": "o.zip", **options})
        with zipfile.ZipFile(tree / "o.zip") as archive:
            return archive.namelist()

    def test_order_and_patterns(self, load, source, tree) -> None:
        assert self.names(load, source, tree) == ["etc/", "etc/sub/", "etc/sub/b", "etc/a", "link", "z"]
        (tree / "o.zip").unlink()
        assert self.names(load, source, tree, include=["etc/s*"]) == ["etc/sub/", "etc/sub/b"]

    def test_links_to_directories_are_followed_in_the_tree(self, load, source, tree) -> None:
        (Path(source["tree"]["path"]) / "d").symlink_to("etc/sub")
        assert {"d/", "d/b"} < set(self.names(load, source, tree))

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "missing"])
    def test_links_out_of_the_tree_are_refused(self, load, source, tree, target) -> None:
        (Path(source["tree"]["path"]) / "bad").symlink_to(target)
        with pytest.raises(ValueError, match=re.escape(f"link /bad points to {target}, which is not in the tree")):
            self.names(load, source, tree)
        assert not (tree / "o.zip").exists()

    def test_links_in_circles_are_refused(self, load, source, tree) -> None:
        (Path(source["tree"]["path"]) / "etc/up").symlink_to("..")
        with pytest.raises(ValueError, match="link /etc/up points to a directory it lies in"):
            self.names(load, source, tree)


@ROOT
class TestIdmap:
    @pytest.mark.parametrize(
        ("maps", "old", "expected"),
        [
            (["5000:0:10"], (0, 9), (5000, 5009)),
            (["u:5000:0:10"], (0, 0), (5000, 65534)),
            (["g:7000:0:1", "u:1:0:1"], (0, 1), (1, 65534)),
            (["b:0:1000:10", "b:9:1000:10"], (1003, 1010), (3, 65534)),
        ],
    )
    def test_maps(self, load, maps, old, expected) -> None:
        module = load("idmap")
        assert module.determine_new_ids(*old, [module.parse(text) for text in maps]) == expected

    def test_modes_capabilities_and_links(self, load, tree, outside) -> None:
        capability = b"\x01\x00\x00\x02\x00\x04\x00\x00" + bytes(12)
        (tree / "a").mkdir()
        (tree / "a/f").touch()
        os.setxattr(tree / "a/f", "security.capability", capability)
        (tree / "a/s").touch()
        (tree / "a/s").chmod(0o6755)
        os.link(tree / "a/s", tree / "a/t")
        (tree / "a/out").symlink_to(outside)
        load("idmap").main(str(tree), {"items": {"/a": ["5:0:1", "9:5:1"]}})
        assert {path.lstat().st_uid for path in (tree / "a", *(tree / "a").iterdir())} == {5}
        assert (tree / "a/s").stat().st_mode & 0o7777 == 0o6755
        assert os.getxattr(tree / "a/f", "security.capability") == capability
        assert outside.stat().st_uid == 0

    def test_several_ranges_of_a_user_follow_each_other(self, load, tree) -> None:
        (tree / "etc").mkdir()
        (tree / "etc/subuid").write_text("u:1000:2\nv:1:1\nu:9000:2\n")
        (tree / "etc/subgid").write_text("u:500:1\n")
        (tree / "a").touch()
        os.chown(tree / "a", 3, 0)
        load("idmap").main(str(tree), {"items": {"/a": {"user": "u", "group": "u"}}})
        assert ((tree / "a").stat().st_uid, (tree / "a").stat().st_gid) == (9001, 500)

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            ({"/a": ["1:0:1"], "/none": ["1:0:1"]}, "items: /none does not exist in the tree"),
            ({"/a": ["1:0:1"], "/etc": {"user": "x", "group": "x"}}, "'x' has no range in /etc/subuid of the tree"),
        ],
    )
    def test_nothing_is_changed_when_something_is_wrong(self, load, tree, items, message) -> None:
        (tree / "a").touch()
        (tree / "etc").mkdir()
        with pytest.raises(ValueError, match=message):
            load("idmap").main(str(tree), {"items": items})
        assert (tree / "a").stat().st_uid == 0


class TestSmallOnes:
    @pytest.mark.parametrize("algorithm", ["sha1", "sha224", "sha256", "sha384", "sha512"])
    def test_hmac(self, load, tree, algorithm) -> None:
        (tree / "boot").mkdir()
        (tree / "boot/vmlinuz").write_bytes(b"kernel")
        load("hmac").main(str(tree), {"paths": ["/boot/vmlinuz"], "algorithm": algorithm})
        expected = hmac.new(b"FIPS-FTW-RHT2009", b"kernel", algorithm).hexdigest()
        assert (tree / "boot/.vmlinuz.hmac").read_text() == f"{expected}  vmlinuz\n"

    @pytest.mark.parametrize("path", ["/none", "/boot", "../../../etc/passwd", "/link"])
    def test_hmac_wants_files_of_the_tree(self, load, tree, outside, path) -> None:
        (outside / "f").touch()
        (tree / "boot").mkdir()
        (tree / "link").symlink_to(outside / "f")
        (tree / "good").touch()
        with pytest.raises(ValueError, match=re.escape(f"paths: {path} is not a file of the tree")):
            load("hmac").main(str(tree), {"paths": ["/good", path], "algorithm": "sha1"})
        assert not (tree / ".good.hmac").exists()

    def test_createaddrsize(self, load, tree) -> None:
        (tree / "initrd").write_bytes(bytes(0x1234))
        load("createaddrsize").main(str(tree), {"initrd": "initrd", "addrsize": "/o"})
        assert (tree / "o").read_bytes().hex() == "00000000020000000000000000001234"

    def test_createaddrsize_stays_in_the_tree(self, load, tree, outside) -> None:
        (outside / "f").touch()
        (tree / "i").symlink_to(outside / "f")
        with pytest.raises(FileNotFoundError):
            load("createaddrsize").main(str(tree), {"initrd": "i", "addrsize": "o"})
        assert not (tree / "o").exists()

    def test_chattr_takes_files_of_the_tree_and_its_mounts(self, load, arguments, tree, outside, tmp_path, monkeypatch) -> None:
        seen = []
        monkeypatch.setattr(subprocess, "run", lambda command, **_kwargs: seen.append(command))
        mount = tmp_path / "mount"
        mount.mkdir()
        for path in (tree / "a", mount / "b"):
            path.touch()
        (tree / "link").symlink_to("/a")
        mounts = {"root": {"path": str(mount)}}
        items = {"tree:///link": {"immutable": True}, "mount://root/b": {"immutable": False}}
        load("chattr").main(arguments(mounts=mounts), {"items": items})
        assert seen == [["chattr", "+i", f"{tree}/a"], ["chattr", "-i", f"{mount}/b"]]
        (outside / "f").touch()
        (tree / "out").symlink_to(outside / "f")
        for path in ("out", "none"):
            with pytest.raises(ValueError, match=f"items: tree:///{path} does not exist"):
                load("chattr").main(arguments(mounts=mounts), {"items": {**items, f"tree:///{path}": {"immutable": True}}})
        assert len(seen) == 2


@needs("qemu-img")
class TestBoxes:
    @pytest.fixture
    def vmdk(self, tree: Path) -> Path:
        run("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized", str(tree / "box.vmdk"), "3G")
        return tree / "box.vmdk"

    def test_a_libvirt_box(self, load, tree, tmp_path) -> None:
        run("qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "disk"), "3G")
        entry = files_input(tmp_path, disk=(tmp_path / "disk").read_bytes())
        load("vagrant").main(str(tree), {"provider": "libvirt"}, {"image": entry})
        assert json.loads((tree / "metadata.json").read_text()) == {"provider": "libvirt", "format": "qcow2", "virtual_size": 3}
        assert (tree / "box.img").read_bytes() == (tmp_path / "disk").read_bytes()

    def test_a_libvirt_box_of_another_format(self, load, tree, tmp_path) -> None:
        entry = files_input(tmp_path / "i", disk=bytes(4096))
        with pytest.raises(ValueError, match="must be of format qcow2 for the provider libvirt, found raw"):
            load("vagrant").main(str(tree), {"provider": "libvirt"}, {"image": entry})
        assert list(tree.iterdir()) == []

    @pytest.mark.parametrize(("kind", "expected"), [("rsync", ', type: "rsync"'), ("vboxfs", ', type: "virtualbox"'), (None, "")])
    def test_a_virtualbox_box(self, load, tree, tmp_path, kind, expected) -> None:
        folder = {"type": kind} if kind else {}
        options = {"provider": "virtualbox", "virtualbox": {"mac_address": "AA"}, "synced_folders": {"/vagrant": folder}}
        load("vagrant").main(str(tree), options, {"image": files_input(tmp_path / "i", disk=b"x")})
        lines = (tree / "Vagrantfile").read_text().splitlines()
        assert lines[1:3] == ['    config.vm.base_mac = "AA"', f'    config.vm.synced_folder ".", "/vagrant"{expected}']
        assert (tree / "box.vmdk").read_bytes() == b"x"

    def test_an_ovf_is_well_formed_and_reproducible(self, load, tree, vmdk) -> None:
        options = {"vmdk": "box.vmdk", "vmware": {"os_type": 'a<b"'}, "virtualbox": {"os_type": "Debian_64", "mac_address": "0A"}}
        load("ovf").main(options, str(tree))
        first = (tree / "box.ovf").read_bytes()
        names = {"o": "http://schemas.dmtf.org/ovf/envelope/1", "vbox": "http://www.virtualbox.org/"}
        root = ET.fromstring(first)
        disk = root.find("o:DiskSection/o:Disk", names)
        assert disk is not None
        assert disk.get(f"{{{names['o']}}}capacity") == str(3 << 30)
        system = root.find("o:VirtualSystem/o:OperatingSystemSection", names)
        assert system is not None
        assert system.get("{http://www.vmware.com/schema/ovf}osType") == 'a<b"'
        adapter = root.find(".//vbox:Adapter", names)
        assert adapter is not None
        assert adapter.get("MACAddress") == "0A"
        sums = [hashlib.sha256(data).hexdigest() for data in (first, vmdk.read_bytes())]
        assert (tree / "box.mf").read_text() == f"SHA256(box.ovf)= {sums[0]}\nSHA256(box.vmdk)= {sums[1]}\n"
        load("ovf").main(options, str(tree))
        assert (tree / "box.ovf").read_bytes() == first

    def test_a_mac_address_is_the_disks(self, load) -> None:
        module = load("ovf")
        assert re.fullmatch("080027[0-9A-F]{6}", module.vbox_mac_address({}, "disk"))
        assert module.vbox_mac_address({}, "disk") != module.vbox_mac_address({}, "other")

    @pytest.mark.parametrize(("name", "kind"), [('"x.vmdk', ValueError), ("xvmdk", ValueError), ("none.vmdk", OSError)])
    def test_an_ovf_needs_a_disk(self, load, tree, name, kind) -> None:
        with pytest.raises(kind):
            load("ovf").main({"vmdk": name}, str(tree))
        assert list(tree.iterdir()) == []

    def test_an_ovf_of_another_format(self, load, tree) -> None:
        (tree / "x.vmdk").write_bytes(bytes(4096))
        with pytest.raises(ValueError, match="vmdk must be an image of format vmdk, found raw"):
            load("ovf").main({"vmdk": "x.vmdk"}, str(tree))
