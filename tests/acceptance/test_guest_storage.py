# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups, LUKS containers, vfat mounts and partition nodes, built in a guest whose kernel and udev know them; and booted.

One run of an emulated build host makes everything: tiny trees on every kind of device, the recorded cases that the recording
machine could not run, and whole images on volume groups and in containers. The trees of the images are built here and handed
over in the store, so that the guest has only the disks to make.

FORGE_GUEST_KEEP      not empty: leave store, guest and images in build/guest, and take what is there next time
FORGE_GUEST_LAYOUTS   images to make and boot, separated by blanks; default: all
FORGE_BOOT_TIMEOUT    seconds to a prompt; default 1500
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.boot import machine
from tests.conftest import REPO, shared_dir
from tests.support import guest, guest_manifests, planned, storage

FOLDER = REPO / "build" / "guest"
LAYOUTS = [name for name in storage.LAYOUTS if name in os.environ.get("FORGE_GUEST_LAYOUTS", " ".join(storage.LAYOUTS)).split()]
TIMEOUT = float(os.environ.get("FORGE_BOOT_TIMEOUT") or 1500)
FIRMWARE = {"lvm": "uefi", "encrypted": "bios", "encrypted-lvm": "uefi", "encrypted-btrfs": "bios"}

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(guest.missing()), reason=f"an emulated build host takes {guest.missing()}"),
]


def recorded() -> dict[str, dict[str, Any]]:
    """The cases about devices and mounts that the recording machine's kernel kept from running."""
    found = {}
    for pattern in ("org.osbuild.mount.*", "org.osbuild.lvm2.*", "org.osbuild.luks2.*"):
        for path in sorted((shared_dir() / "conformance" / "stages").glob(f"{pattern}/*.json")):
            case = json.loads(path.read_text())
            if "environment_limited" in case:
                found[case["name"].replace("/", "-")] = case
    return found


RECORDED = recorded()


def guest_image(store: Path) -> Path:
    """The build host: Debian 13, made as any other image."""
    image = FOLDER / "guest" / "image" / "disk.raw"
    if not image.exists():
        planned.build(planned.manifest(guest.blueprint(), "raw"), store, FOLDER / "guest", "image", ["build"])
    return image


def tree_in_store(name: str, customizations: dict[str, Any], work: Path) -> None:
    """Plan an image, and build all of it that takes no device."""
    document = planned.manifest(storage.blueprint(name, customizations), "raw")
    (work / f"image-{name}.json").write_text(json.dumps(document))
    shutil.rmtree(FOLDER / "seen", ignore_errors=True)
    planned.build(planned.until(document, "os"), work / "store", FOLDER / "seen", "seen", ["build", "os"])


@pytest.fixture(scope="module")
def done() -> Iterator[Mapping[str, guest.Done]]:
    """What became of everything that the guest was given to do."""
    work, results, scratch = FOLDER / "work", FOLDER / "results", FOLDER / "scratch"
    work.mkdir(parents=True, exist_ok=True)
    for one in (results, scratch):
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir()
    try:
        image = guest_image(FOLDER / "guest-store")
        jobs = [guest.compile_job()]
        key = FOLDER / "key"
        key.write_text(f"{storage.PASSPHRASE}\n")
        for name, customizations in storage.layouts(key).items():
            if name in LAYOUTS:
                tree_in_store(name, customizations, work)
                jobs.append(guest.engine_job(f"image-{name}", f"image-{name}.json", "image", 3600))
        manifests = {name: make() for name, make in guest_manifests.ALL.items()}
        manifests |= {name: case["manifest"] for name, case in RECORDED.items()}
        for name, document in manifests.items():
            (work / f"{name}.json").write_text(json.dumps(document))
            jobs.append(guest.engine_job(name, f"{name}.json", "tree"))
        jobs.append(guest.Job("verity-opened", ("sh", "-c", guest_manifests.OPEN_VERITY)))
        guest.fill(work, jobs)
        disk = scratch / "work.raw"
        guest.make_disk(work, disk)
        guest.run(image, disk, scratch, jobs, REPO / "build" / "boot" / "guest.log")
        found = guest.collect(disk, scratch, results, jobs)
        disk.unlink()
        for name, one in found.items():
            print(f"{name}: status {one.status}, {one.seconds:.0f} s")
        yield found
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not os.environ.get("FORGE_GUEST_KEEP"):
            shutil.rmtree(FOLDER, ignore_errors=True)


def succeeded(one: guest.Done) -> Path:
    """The tree of a job's build, which let go of all its devices."""
    assert one.status == 0, f"{one.stdout[-3000:]}\n{one.stderr[-3000:]}"
    assert not one.left
    return one.folder / "out"


@pytest.mark.parametrize("name", guest_manifests.GOOD)
def test_a_tree_is_written_to_devices_and_read_back(done: Mapping[str, guest.Done], name: str) -> None:
    out = succeeded(done[name]) / "tree" / "out"
    assert (out / "etc" / "hostname").read_text() == "tiny\n"
    assert (out / "data" / "below").is_dir()
    if name in guest_manifests.MOUNTED_APART:
        return
    assert (out / "data").stat().st_mode & 0o7777 == 0o700


def inspect(disk: Path, *command: str) -> str:
    return subprocess.run([*command, str(disk)], check=True, capture_output=True, text=True).stdout


def test_a_group_is_named_and_described(done: Mapping[str, guest.Done]) -> None:
    content = (succeeded(done["lvm"]) / "tree" / guest_manifests.DISK).read_bytes()[: 1024**2]
    for text in (b"tiny-vg {", b'creation_host = "builder"', b"creation_time = 1700000000", b'description = "by a test"'):
        assert text in content


def test_only_the_users_key_opens_a_container(done: Mapping[str, guest.Done], tmp_path: Path) -> None:
    disk = succeeded(done["encrypted"]) / "tree" / guest_manifests.DISK
    header = json.loads(inspect(disk, "cryptsetup", "luksDump", "--dump-json-metadata"))
    assert len(header["keyslots"]) == 1
    for secret, opens in ((guest_manifests.KEY.strip(), True), (guest_manifests.PASSPHRASE.encode(), False)):
        (tmp_path / "secret").write_bytes(secret)
        command = ["cryptsetup", "open", "--test-passphrase", "--key-file", str(tmp_path / "secret"), str(disk)]
        assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) == opens


def test_systemd_boot_is_installed_on_the_mounted_partition(done: Mapping[str, guest.Done]) -> None:
    efi = succeeded(done["systemd-boot"]) / "tree" / "out" / "efi"
    for name in ("EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"):
        assert (efi / name).read_bytes()[:2] == b"MZ"
    assert (efi / "loader" / "loader.conf").exists()


def test_the_device_mapper_takes_the_hashes(done: Mapping[str, guest.Done]) -> None:
    succeeded(done["verity"])
    opened = done["verity-opened"]
    assert opened.status == 0, opened.stderr
    assert "tiny" in opened.stdout


def test_a_build_that_fails_lets_go_of_everything(done: Mapping[str, guest.Done]) -> None:
    failed = done["failing"]
    assert failed.status == 1
    document = failed.document()
    assert document["success"] is False and "copy" in json.dumps(document["error"])
    assert not failed.left


@pytest.mark.parametrize("name", RECORDED or [pytest.param("none", marks=pytest.mark.skip(reason="no recorded cases: set FORGE_SHARED"))])
def test_a_case_that_the_recording_machine_could_not_run(done: Mapping[str, guest.Done], name: str) -> None:
    case = RECORDED[name]
    out = succeeded(done[name])
    for pipeline, stages in done[name].document()["log"].items():
        recorded_ids = [one["id"] for one in case["ids"].get(pipeline, {}).get("stages", [])]
        assert [one["id"] for one in stages] == recorded_ids
    back = out / "tree" / "out" / "etc" / "hostname"
    options = case["manifest"]["pipelines"][-1]["stages"][-1].get("mounts", [{}])[0].get("options", {})
    if "fat" in name:
        assert back.read_text() == "in-fs\n"
        assert (back.stat().st_uid, back.stat().st_gid) == (options.get("uid", 0), options.get("gid", 0))
        assert back.stat().st_mode & 0o777 == 0o777 & ~int(options.get("umask", "022"), 8)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_image_boots_from_what_the_guest_made(done: Mapping[str, guest.Done], name: str, tmp_path: Path) -> None:
    image = succeeded(done[f"image-{name}"]) / "image" / "disk.raw"
    if lacking := machine.missing_tools():
        pytest.skip(f"booting takes {lacking}")
    log = REPO / "build" / "boot" / f"{name}.log"
    with machine.boot(image, FIRMWARE[name], tmp_path, log=log) as console:
        if name.startswith("encrypted"):
            console.expect(r"Please unlock disk root[^\n]*: ?", TIMEOUT)
            console.send(storage.PASSPHRASE)
        console.login(storage.USER, storage.PASSWORD, TIMEOUT)
        console.become_root(storage.PASSWORD)
        assert console.run("systemctl is-system-running --wait", TIMEOUT).text == "running", console.run("systemctl --failed").text
        for target, source in storage.EXPECTED[name].items():
            assert console.run(f"findmnt -no SOURCE {target}").text == source
        swap = console.run("swapon --noheadings --show=TYPE").text
        assert swap == ("partition" if "lvm" in name else "")
        assert console.run("dpkg --verify", TIMEOUT).text == ""
