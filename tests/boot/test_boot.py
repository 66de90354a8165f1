# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image boots under UEFI and under BIOS, and is what its blueprint says."""

from __future__ import annotations

import hashlib
import json
import re
import shlex

import pytest


def listed(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_every_unit_has_started(running):
    state = running.run("systemctl is-system-running --wait", timeout=600)
    failed = running.output("systemctl --failed --no-legend --plain")
    assert failed == "", running.output(f"systemctl status --no-pager {' '.join(x.split()[0] for x in listed(failed))} || true")
    assert state.text == "running"


def test_the_firmware_is_the_one_that_was_asked_for(running):
    assert (running.run("test -d /sys/firmware/efi").status == 0) == (running.firmware == "uefi")


def test_the_root_file_system_is_writable(running):
    options, kind = running.output("findmnt --noheadings --output OPTIONS,FSTYPE /").split()
    assert "rw" in options.split(",")
    assert kind == "ext4"
    running.output("touch /var/tmp/written && rm /var/tmp/written")


def test_the_root_has_grown_into_the_bigger_disk(running):
    partition = running.output("findmnt --noheadings --output SOURCE /")
    disk = running.output(f"lsblk --nodeps --noheadings --output PKNAME {partition}").strip()
    whole = int(running.output(f"blockdev --getsize64 /dev/{disk}"))
    end = running.output(f"lsblk --nodeps --noheadings --bytes --output START,SIZE {partition}").split()
    behind = whole - int(end[0]) * 512 - int(end[1])
    assert behind < 16 * 1024**2, f"{behind} bytes of the disk are unused behind the root partition"
    size = int(running.output("findmnt --noheadings --bytes --output SIZE /"))
    assert size > 0.9 * int(end[1]), "the file system does not fill its partition"


def test_no_package_is_broken_and_no_file_changed(running):
    assert running.output("dpkg --audit") == ""
    assert running.output("dpkg --verify", timeout=600) == ""


def test_packages_of_the_blueprint_are_installed(running, image):
    names = [package["name"] for package in image.blueprint.get("packages", [])]
    if not names:
        pytest.skip("the blueprint lists no packages")
    text = running.output(f"dpkg-query --show --showformat '${{db:Status-Abbrev}}${{Package}}\\n' {' '.join(names)}")
    assert sorted(listed(text)) == sorted(f"ii {name}" for name in names)


def test_host_name(running, image):
    wanted = image.customizations.get("hostname") or "debian"
    assert running.output("hostname") == wanted
    assert running.output(f"getent hosts {wanted}").split()[1] == wanted


def test_users(running, image):
    for user in image.customizations["user"]:
        entry = running.output(f"getent passwd {user['name']}").split(":")
        assert entry[4].split(",")[0] == user.get("description", "")
        assert entry[5] == user.get("home", f"/home/{user['name']}")
        assert entry[6] == user.get("shell", "/bin/bash")
        groups = running.output(f"id --name --groups {user['name']}").split()
        assert {"sudo" if name == "wheel" else name for name in user.get("groups", [])} <= set(groups)
        owner = running.output(f"stat --format '%U %F' {shlex.quote(entry[5])}")
        assert owner == f"{user['name']} directory"


def test_files(running, image):
    for file in image.customizations.get("files", []):
        path = shlex.quote(file["path"])
        digest = running.output(f"sha256sum {path}").split()[0]
        assert digest == hashlib.sha256(file["data"].encode()).hexdigest(), file["path"]
        mode, user, group = running.output(f"stat --format '%a %U %G' {path}").split()
        assert int(mode, 8) == int(str(file.get("mode", "0644")), 8)
        assert (user, group) == (file.get("user", "root"), file.get("group", "root"))


def test_directories(running, image):
    for directory in image.customizations.get("directories", []):
        mode, user, group, kind = running.output(
            f"stat --format '%a %U %G %F' {shlex.quote(directory['path'])}"
        ).split()
        assert kind == "directory"
        assert int(mode, 8) == int(str(directory.get("mode", "0755")), 8)
        assert (user, group) == (directory.get("user", "root"), directory.get("group", "root"))


def test_locale(running, image):
    languages = image.customizations.get("locale", {}).get("languages", [])
    if not languages:
        pytest.skip("the blueprint names no language")
    assert f"LANG={languages[0]}" in listed(running.output("cat /etc/default/locale"))
    known = {name.replace("utf8", "UTF-8") for name in listed(running.output("locale --all-locales"))}
    assert set(languages) <= known
    # What a login session gets, not only what is written down.
    session = running.output(f"su --login {image.user['name']} --command locale")
    assert f"LANG={languages[0]}" in session.replace('"', "").splitlines()
    assert "Cannot set" not in session


def test_time_zone(running, image):
    zone = image.customizations.get("timezone", {}).get("timezone") or "UTC"
    assert running.output("timedatectl show --property Timezone --value") == zone


def test_services(running, image):
    services = image.customizations.get("services", {})
    for wanted, names in (("enabled", services.get("enabled", [])), ("disabled", services.get("disabled", []))):
        for name in names:
            assert running.run(f"systemctl is-enabled {name}").text == wanted, name
    for name in services.get("enabled", []):
        assert running.output(f"systemctl is-active {name}") == "active"


def test_kernel_arguments(running, image):
    arguments = running.output("cat /proc/cmdline").split()
    wanted = image.customizations.get("kernel", {}).get("append", "").split()
    assert {"console=tty0", *wanted} <= set(arguments)
    assert any(word.startswith("console=ttyS0") for word in arguments)


def test_the_network_is_configured(running):
    links = json.loads(running.output("ip --json -4 address show scope global"))
    assert [address["local"] for link in links for address in link["addr_info"]], "no address was given by DHCP"
    assert running.output("readlink --canonicalize /etc/resolv.conf").startswith("/run/systemd/resolve/")


def test_each_machine_makes_its_own_identity(machines):
    both = [future.result() for future in machines.values()]
    ids = [one.output("cat /etc/machine-id") for one in both]
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in ids)
    keys = [one.output("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1] for one in both]
    assert len(set(ids)) == len(set(keys)) == len(both)


def test_the_boot_menu_can_be_made_anew(running):
    arguments = running.output("cat /proc/cmdline").split()
    answer = running.run("update-grub", timeout=600)
    assert answer.status == 0, answer.text
    assert "warning" not in answer.text and "error" not in answer.text
    entries = running.output("grep -E '^\\s+linux\\s' /boot/grub/grub.cfg").splitlines()
    # BOOT_IMAGE is grub's own, the rest has to survive.
    kept = [word for word in arguments if not word.startswith("BOOT_IMAGE=")]
    assert kept == entries[0].split()[2:]


def test_the_boot_loader_can_be_installed_anew(running):
    # What the trigger of Debian's package does after an upgrade of grub or shim.
    if running.run("test -e /etc/grub.d/enable_cloud").status != 0:
        pytest.skip("the image's boot loader package has no such trigger")
    answer = running.run(
        "dpkg-trigger --no-await --by-package=grub-cloud-amd64 /usr/lib/shim; dpkg --configure --pending", timeout=900
    )
    assert answer.status == 0, answer.text
    assert "Installation finished. No error reported." in answer.text
    assert running.output("dpkg --audit") == ""


def test_the_image_itself_stays_as_it_is(machines, image):
    # Booting writes to overlays; a test that changed the image would spoil what the user just built.
    before = image.path.stat().st_mtime_ns
    for future in machines.values():
        future.result().output("sync")
    assert image.path.stat().st_mtime_ns == before
