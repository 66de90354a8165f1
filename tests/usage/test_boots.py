# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are neither plain disks nor trees boot: live media, unified kernel images, systemd-boot, verified roots."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.boot import machine
from tests.conftest import REPO

from .conftest import DISTROS, Built

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(machine.missing_tools()), reason=f"booting takes {machine.missing_tools()}"),
]
TIMEOUT = float(os.environ.get("FORGE_BOOT_TIMEOUT") or 900)
PASSWORD = "hello-debian"

# A user who may become root; the password's hash is that of examples/hello-debian.toml.
BLUEPRINT = """
name = "boots"
version = "1.0.0"
[customizations]
hostname = "boots"
[[customizations.user]]
name = "forge"
password = "$6$hellodebian$Mo8TybQ8wWZG4iuqa9/WD8o3dCw3wIjY/I4LCW3qJptHvNWgNoPOOMhuafgmdw7AGlTNjB3H5PiyrO/CrYn78/"
groups = ["sudo"]
shell = "/bin/bash"
"""


@pytest.fixture(params=DISTROS)
def distro(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def booted(image: Path, firmware: str, scratch: Path, name: str, medium: str = "disk") -> Iterator[machine.Console]:
    """The console of a machine that has booted the image, with a root shell."""
    log = REPO / "build" / "boot" / f"{name}-{firmware}-{medium}.log"
    with machine.boot(image, firmware, scratch / "machine", log=log, medium=medium) as console:
        console.login("forge", PASSWORD, TIMEOUT)
        console.become_root(PASSWORD)
        yield console


def output(console: machine.Console, command: str) -> str:
    answer = console.run(command, 600)
    assert answer.status == 0, f"{command}: exit status {answer.status}: {answer.text}"
    return answer.text


def is_well(console: machine.Console) -> None:
    console.run("systemctl is-system-running --wait", 900)
    assert output(console, "systemctl --failed --no-legend --plain") == ""
    assert output(console, "hostname") == "boots"
    assert output(console, "dpkg --audit") == ""


@pytest.mark.parametrize(("firmware", "medium"), [("bios", "cdrom"), ("uefi", "cdrom"), ("bios", "stick"), ("uefi", "stick")])
def test_a_live_medium_boots_and_keeps_changes_in_memory(
    built: Built, distro: str, tmp_path: Path, firmware: str, medium: str
) -> None:
    image = built("iso", distro, BLUEPRINT, "iso") / "live.iso"
    with booted(image, firmware, tmp_path, f"{distro}-iso", medium) as console:
        is_well(console)
        assert "boot=live" in output(console, "cat /proc/cmdline")
        assert output(console, "findmnt -n -o FSTYPE /") == "overlay"
        assert "squashfs" in output(console, "findmnt -n -l -o FSTYPE")
        output(console, "touch /usr/written && rm /usr/written")
        assert (console.run("test -d /sys/firmware/efi").status == 0) == (firmware == "uefi")


def test_the_firmware_boots_a_unified_kernel_image(built: Built, distro: str, tmp_path: Path) -> None:
    image = built("uki", distro, BLUEPRINT, "uki") / "disk.qcow2"
    with booted(image, "uefi", tmp_path, f"{distro}-uki") as console:
        is_well(console)
        assert output(console, "ls /boot/efi/EFI/BOOT") == "BOOTX64.EFI", "no boot loader is there"
        assert "debian-" in output(console, "ls /boot/efi/EFI/Linux")
        assert output(console, "cat /proc/cmdline").startswith("root=UUID=")
        assert output(console, "dpkg-query -W -f '${Status}' grub-common 2>/dev/null || echo none").endswith("none")


def test_a_disk_boots_with_secure_boot_enforced(built: Built, distro: str, tmp_path: Path) -> None:
    image = built("qcow2", distro, BLUEPRINT, "secure-boot") / "disk.qcow2"
    with booted(image, "secure", tmp_path, f"{distro}-secure-boot") as console:
        is_well(console)
        # Four bytes of attributes, then the value (UEFI specification, 3.3).
        state = output(console, "od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
        assert state.split()[-1] == "1"
        assert "[integrity]" in output(console, "cat /sys/kernel/security/lockdown")


def test_systemd_boot_starts_the_kernel_and_knows_its_entries(built: Built, distro: str, tmp_path: Path) -> None:
    blueprint = BLUEPRINT + '\n[customizations.debian]\nboot_loader = "systemd-boot"\n'
    image = built("qcow2", distro, blueprint, "systemd-boot") / "disk.qcow2"
    with booted(image, "uefi", tmp_path, f"{distro}-systemd-boot") as console:
        is_well(console)
        status = output(console, "bootctl status --no-pager")
        assert "systemd-boot" in status
        assert "debian-" in output(console, "ls /boot/efi/loader/entries")


@pytest.mark.parametrize("firmware", machine.FIRMWARE)
def test_a_root_on_a_subvolume_boots(built: Built, distro: str, tmp_path: Path, firmware: str) -> None:
    blueprint = BLUEPRINT + """
[[customizations.disk.partitions]]
type = "btrfs"
subvolumes = [{ name = "@", mountpoint = "/" }, { name = "@home", mountpoint = "/home" }]
"""
    image = built("qcow2", distro, blueprint, "btrfs") / "disk.qcow2"
    with booted(image, firmware, tmp_path, f"{distro}-btrfs") as console:
        is_well(console)
        assert output(console, "findmnt -n -o FSROOT /") == "/@"
        assert output(console, "findmnt -n -o FSROOT /home") == "/@home"
        # What update-grub writes says the same.
        said = output(console, "cat /proc/cmdline").split(maxsplit=1)[1]
        assert "rootflags=subvol=@" in said
        assert said in output(console, "update-grub 2>/dev/null && grep -m 1 'linux.*/vmlinuz' /boot/grub/grub.cfg")


# Firmware, kind of the partition table, file system of the root.
LAYOUTS = {"dos": ("bios", "dos", "ext4"), "xfs": ("uefi", "gpt", "xfs")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_partitions_of_ones_own_are_mounted(built: Built, distro: str, tmp_path: Path, layout: str) -> None:
    firmware, label, root = LAYOUTS[layout]
    blueprint = BLUEPRINT + f"""
[customizations.disk]
type = "{label}"
partitions = [
    {{ fs_type = "{root}", mountpoint = "/", minsize = "2 GiB" }},
    {{ fs_type = "ext4", mountpoint = "/var", label = "variable", minsize = "1 GiB" }},
    {{ fs_type = "swap", minsize = "128 MiB" }},
]
"""
    image = built("qcow2", distro, blueprint, layout) / "disk.qcow2"
    with booted(image, firmware, tmp_path, f"{distro}-{layout}") as console:
        is_well(console)
        assert output(console, "lsblk -n -d -o PTTYPE /dev/vda") == label
        assert output(console, "findmnt -n -o FSTYPE /") == root
        assert output(console, "findmnt -n -o FSTYPE,LABEL /var").split() == ["ext4", "variable"]
        assert output(console, "swapon --noheadings --show=TYPE") == "partition"
        assert int(output(console, "findmnt -b -n -o SIZE /")) > 1900 * 2**20


def test_a_verified_root_is_read_only_and_changes_are_gone_after_a_reboot(built: Built, distro: str, tmp_path: Path) -> None:
    blueprint = BLUEPRINT + "\n[customizations.debian]\nverity = true\n"
    image = built("uki", distro, blueprint, "verity") / "disk.qcow2"
    with booted(image, "uefi", tmp_path, f"{distro}-verity") as console:
        is_well(console)
        assert "roothash=" in output(console, "cat /proc/cmdline")
        assert re.search(r"status: +verified", output(console, "veritysetup status root"))
        assert output(console, "blockdev --getro /dev/mapper/root") == "1"
        assert output(console, "findmnt -n -o FSTYPE /") == "overlay"
        output(console, "echo changed > /etc/changed && sync")
    with booted(image, "uefi", tmp_path / "again", f"{distro}-verity-again") as console:
        assert console.run("test -e /etc/changed").status != 0


def test_a_root_that_was_tampered_with_does_not_boot(built: Built, distro: str, tmp_path: Path) -> None:
    import subprocess

    blueprint = BLUEPRINT + "\n[customizations.debian]\nverity = true\n"
    image = built("uki", distro, blueprint, "verity") / "disk.qcow2"
    raw = tmp_path / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    content = raw.read_bytes()
    # The host name's file is read by every boot.
    place = content.index(b"boots\n", 600 * 2**20)
    with raw.open("r+b") as file:
        file.seek(place)
        file.write(b"other\n")
    log = REPO / "build" / "boot" / f"{distro}-verity-tampered.log"
    with machine.boot(raw, "uefi", tmp_path / "machine", log=log) as console:
        console.expect(r"device-mapper: verity: \S+: data block \d+ is corrupted", TIMEOUT)
