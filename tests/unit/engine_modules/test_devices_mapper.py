# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the device mapper. Test hosts have none as a rule, so the tools are played by scripts."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from osbuild.testutil import mock_command
from osbuild.util import udev

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def make(load_program: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Any]:
    monkeypatch.setattr(udev.UdevInhibitor, "for_dm_name", lambda name: inhibited(tmp_path / f"dm-{name}"))
    (tmp_path / "dev").mkdir()

    def make(program: str) -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            fd = sock.detach()
        cls = {"luks2": "LUKSDevice", "lvm2.lv": "LVService"}[program]
        module = load_program(f"devices/org.osbuild.{program}")
        return getattr(module, cls).from_args(["--service-fd", str(fd)])

    return make


def inhibited(path: Path) -> udev.UdevInhibitor:
    inhibitor = udev.UdevInhibitor(path)
    inhibitor.inhibit()
    return inhibitor


def module_of(service: Any) -> Any:
    return sys.modules[type(service).__module__]


def node(path: Path) -> tuple[int, int]:
    info = path.stat()
    assert stat.S_ISBLK(info.st_mode)
    return os.major(info.st_rdev), os.minor(info.st_rdev)


@pytest.mark.root
@needs_root
def test_encrypted_volume_is_opened_and_closed(
    make: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make("luks2")
    host = tmp_path / "host"
    (host / "mapper").mkdir(parents=True)
    monkeypatch.setattr(module_of(service), "DEV", str(host))
    script = f"""
if [ "$2" = open ]; then cat >{tmp_path}/secret; mknod {host}/mapper/$5 b 253 7; else rm {host}/mapper/$3; fi
"""
    with mock_command("cryptsetup", script) as cryptsetup:
        reply = service.open(str(tmp_path / "dev"), "loop0", "/", {"passphrase": "geheim ß"})
        name = reply["name"]
        assert name.startswith("osbuild-luks-") and len(name) == len("osbuild-luks-") + 36
        assert reply == {"path": f"mapper/{name}", "name": name, "node": {"major": 253, "minor": 7}}
        assert node(tmp_path / "dev/mapper" / name) == (253, 7)
        assert (tmp_path / "secret").read_text() == "geheim ß"
        assert (tmp_path / f"dm-{name}").exists()
        service.close()
        service.close()
        # Where the host has no node of the parent, the parent's own is taken.
        opened = ["-q", "open", "--key-file=-", f"{tmp_path}/dev/loop0", name]
        assert cryptsetup.call_args_list == [opened, ["-q", "close", name]]
    assert not (tmp_path / f"dm-{name}").exists()


def test_volume_that_cannot_be_opened_says_why(make: Callable[[str], Any], tmp_path: Path) -> None:
    service = make("luks2")
    with (
        mock_command("cryptsetup", "echo No key available with this passphrase. >&2; exit 2"),
        pytest.raises(RuntimeError, match=r"cannot open the LUKS volume on loop0: No key available.*\(code: 2\)"),
    ):
        service.open(str(tmp_path / "dev"), "loop0", "/", {"passphrase": "wrong"})
    service.close()
    assert os.listdir(tmp_path) == ["dev"]
    with pytest.raises(ValueError, match="needs a parent"):
        service.open(str(tmp_path / "dev"), None, "/", {"passphrase": ""})


def pvs(*rows: tuple[str, str, str]) -> str:
    table = [{"pv_name": pv, "vg_name": vg, "vg_uuid": uuid} for pv, vg, uuid in rows]
    return f"cat <<'END'\n{json.dumps({'report': [{'pv': table}]})}\nEND\n"


LVS = pvs().replace('"pv": []', '"lv": [{"lv_kernel_major": "253", "lv_kernel_minor": "3"}]')


@pytest.mark.parametrize(("options", "expected"), [({}, "/dev/loop0"), ({"vg_partnum": 2}, "/dev/loop0p2")])
def test_physical_volume_is_the_parent_or_a_partition(
    make: Callable[[str], Any], options: dict[str, Any], expected: str
) -> None:
    assert make("lvm2.lv").get_parent_path("loop0", options) == expected


def test_dashes_are_doubled_for_the_mapper(make: Callable[[str], Any]) -> None:
    assert make("lvm2.lv").escaped_lv_mapper_name("my-vg", "root-a-b") == "my--vg-root--a--b"


@pytest.mark.root
@needs_root
def test_logical_volume_is_activated_and_deactivated(
    make: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make("lvm2.lv")
    monkeypatch.setattr(module_of(service), "PAUSE", 0)
    # Busy the first time it is to be deactivated.
    change = f'if [ "$4" = n ] && [ ! -e {tmp_path}/tried ]; then touch {tmp_path}/tried; exit 5; fi'
    rows = [("/dev/null", "my-vg", "u1"), ("/dev/sda1", "hostvg", "u2"), ("/dev/sdb", "", "")]
    with mock_command("pvs", pvs(*rows)), mock_command("lvs", LVS), mock_command("lvchange", change) as lvchange:
        reply = service.open(str(tmp_path / "dev"), "null", "/", {"volume": "root"})
        assert reply == {
            "path": "my-vg/root",
            "node": {"major": 253, "minor": 3},
            "lvm": {"vg_name": "my-vg", "lv_name": "root"},
        }
        assert node(tmp_path / "dev/my-vg/root") == node(tmp_path / "dev/mapper/my--vg-root") == (253, 3)
        service.close()
        service.close()
        assert [args[-2:] for args in lvchange.call_args_list] == [["y", "my-vg/root"]] + [["n", "my-vg/root"]] * 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("/dev/null", "vg", "u1"), ("/dev/sda1", "vg", "u2")], "the host has a volume group 'vg' itself, on /dev/sda1"),
        ([("/dev/sda1", "vg", "u2")], "/dev/null is no physical volume of LVM, or the host has one with the same id"),
        ([("/dev/null", "", "")], "the physical volume /dev/null is in no volume group"),
    ],
)  # fmt: skip
def test_volume_group_must_be_the_only_one_of_its_name(
    make: Callable[[str], Any], tmp_path: Path, rows: list[tuple[str, str, str]], message: str
) -> None:
    service = make("lvm2.lv")
    with mock_command("pvs", pvs(*rows)), mock_command("lvchange", "") as lvchange:
        with pytest.raises(RuntimeError, match=message):
            service.open(str(tmp_path / "dev"), "null", "/", {"volume": "root"})
        service.close()
        assert lvchange.call_args_list == []
    assert os.listdir(tmp_path / "dev") == []


def test_lvm_that_fails_says_why(make: Callable[[str], Any], tmp_path: Path) -> None:
    service = make("lvm2.lv")
    with mock_command("pvs", "echo no driver >&2; exit 5"), pytest.raises(RuntimeError, match=r"pvs: no driver \(code: 5\)"):  # fmt: skip
        service.open(str(tmp_path / "dev"), "null", "/", {"volume": "root"})
    with pytest.raises(ValueError, match="there is no /dev/none on this host"):
        service.open(str(tmp_path / "dev"), "none", "/", {"volume": "root"})
