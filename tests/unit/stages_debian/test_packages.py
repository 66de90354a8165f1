# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading packages: containers, compressions, control data, hostile archives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stages.forge import deb, foreign, packages, tar
from stages.forge.errors import StageError
from stages.forge.stanza import parse_stanza, parse_stanzas
from stages.forge.streams import Stream

from .conftest import Workshop, control_text, member


def names_of(path: Path) -> list[str]:
    package = deb.read_package(str(path))
    with open(path, "rb") as file:
        stream = deb.data_stream(file.fileno(), package)
        found = []
        for entry in tar.entries(stream):
            found.append(entry.path.decode())
            stream.copy(entry.size, None)
    return found


@pytest.mark.parametrize("compress", ["none", "gzip", "xz", "zstd"])
def test_every_compression_is_read(workshop: Workshop, compress: str) -> None:
    if compress == "zstd" and not shutil.which("zstd"):
        pytest.skip("the host has no zstd")
    path = workshop.deb("a", {"usr/share/a/x": "x" * 100_000}, compress=compress)
    assert names_of(path) == ["", "usr", "usr/share", "usr/share/a", "usr/share/a/x"]


def test_control_data_is_read(workshop: Workshop) -> None:
    path = workshop.deb(
        "libx", {"etc/x": "1"}, version="2:1.0-1", architecture="amd64", Multi_Arch="same",
        control={"conffiles": "/etc/x\nremove-on-upgrade /etc/old\n"},
    )
    package = deb.read_package(str(path))
    assert (package.name, package.version, package.architecture) == ("libx", "2:1.0-1", "amd64")
    assert package.qualified == "libx:amd64"
    assert package.conffiles == [("/etc/x", False), ("/etc/old", True)]


def test_long_names_and_targets_are_whole(workshop: Workshop) -> None:
    name = "usr/" + "d" * 90 + "/" + "f" * 120
    path = workshop.deb("a", {name: "-> " + "t" * 180})
    assert names_of(path)[-1] == name


def test_pax_paths_are_understood() -> None:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("ünï/" + "x" * 150))
    found = [entry.path.decode() for entry in tar.entries(Stream(iter([buffer.getvalue()])))]
    assert found == ["ünï/" + "x" * 150]


@pytest.mark.parametrize("path", ["../x", "./usr/../../x", "usr/.."])
def test_paths_that_climb_out_are_refused(workshop: Workshop, path: str) -> None:
    with pytest.raises(tar.TarError, match="climbs out of the tree"):
        names_of(workshop.raw("evil", [member(path, data=b"x")]))


def test_absolute_paths_lie_in_the_tree(workshop: Workshop) -> None:
    assert names_of(workshop.raw("a", [member("/etc/x", data=b"x")])) == ["etc/x"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not start as an ar archive"),
        (b"hello, world", "does not start as an ar archive"),
        (b"!<arch>\n" + b"x" * 70, "bad ar header"),
        (b"!<arch>\n", "has no debian-binary and no control.tar and no data.tar"),
    ],
)
def test_files_that_are_no_packages_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(content)
    with pytest.raises(StageError, match=f"package file thing .*{said}"):
        deb.read_package(str(path), file="thing")


def test_a_truncated_package_is_named(workshop: Workshop, tmp_path: Path) -> None:
    whole = workshop.deb("a", {"usr/x": "x" * 5000}, compress="xz").read_bytes()
    path = tmp_path / "cut.deb"
    path.write_bytes(whole[:-200])
    with pytest.raises(StageError, match=r"it ends within data\.tar"):
        deb.read_package(str(path), file="cut")


def test_metadata_must_be_true_of_the_package(workshop: Workshop) -> None:
    path = workshop.deb("a", {})
    source = {"path": str(path.parent), "data": {"files": {path.name: {"deb.version": "2"}}}}
    with pytest.raises(StageError, match=r"package a .* metadata says version '2', the file itself '1'"):
        packages.load(source)


def test_another_architecture_is_refused_in_one_sentence(workshop: Workshop) -> None:
    found = [deb.read_package(str(workshop.deb("a", {}, architecture="arm64")))]
    with pytest.raises(StageError, match="package a is built for arm64; allowed in this tree are amd64 and all"):
        packages.check_set(found, "amd64")


def test_two_versions_of_a_package_are_refused(workshop: Workshop) -> None:
    found = [deb.read_package(str(workshop.deb("a", {}, version=version))) for version in ("1", "2")]
    with pytest.raises(StageError, match="package a is given twice, as 1 and as 2"):
        packages.check_set(found, "amd64")


def test_an_architecture_that_cannot_run_here_is_refused() -> None:
    with pytest.raises(StageError, match="option architecture is 'm68k', which is not this machine's .* no known emulator"):
        foreign.check_runnable("m68k")


@pytest.mark.root
@pytest.mark.parametrize("architecture", sorted(foreign._MACHINES))
def test_the_kernel_is_asked_whether_an_architecture_runs(monkeypatch: pytest.MonkeyPatch, architecture: str) -> None:
    if architecture == foreign.native():
        # Its own program must run, so that a failure of the others means something.
        monkeypatch.setattr(foreign, "native", lambda: "other")
        foreign.check_runnable(architecture)
        return
    monkeypatch.setattr(foreign, "_program", lambda machine: b"\x7fELF" + bytes(200))
    with pytest.raises(StageError, match=f"option architecture is '{architecture}'.*registers qemu-.* with the flag F"):
        foreign.check_runnable(architecture)


@pytest.mark.parametrize("architecture", sorted(foreign._MACHINES))
def test_the_probe_of_each_architecture_ends_well_under_its_emulator(tmp_path: Path, architecture: str) -> None:
    machine = foreign._MACHINES[architecture]
    emulator = shutil.which(f"qemu-{machine.qemu}-static") or shutil.which(f"qemu-{machine.qemu}")
    if emulator is None:
        pytest.skip(f"the host has no qemu-{machine.qemu}")
    probe = tmp_path / "probe"
    probe.write_bytes(foreign._program(machine))
    probe.chmod(0o755)
    assert subprocess.run([emulator, str(probe)], check=False).returncode == 0


def test_stanzas_keep_order_blanks_and_continuations() -> None:
    stanza = parse_stanza("Package: a\nDescription: short \n long\n .\n end\nX: y\n", "a")
    assert stanza.fields == [("Package", "a"), ("Description", "short \n long\n .\n end"), ("X", "y")]
    assert stanza["description"].startswith("short ")


def test_malformed_control_data_is_named_with_its_line() -> None:
    with pytest.raises(StageError, match="package a: line 2 of its control data is no field: 'nonsense'"):
        list(parse_stanzas("Package: a\nnonsense\n", "package a"))


@pytest.mark.parametrize(("field", "value"), [("Package", "../../etc/x"), ("Architecture", "a/b"), ("Version", "1 2")])
def test_fields_that_would_become_paths_are_checked(workshop: Workshop, field: str, value: str) -> None:
    path = workshop.raw("a", [], {"control": control_text("a", "1", "all", {field: value})})
    with pytest.raises(StageError, match=f"has the field {field} .*, which dpkg does not allow"):
        deb.read_package(str(path))


def test_what_unpacks_to_very_much_is_read_in_parts(workshop: Workshop) -> None:
    path = workshop.deb("a", {"usr/zeros": b"\0" * (64 << 20)}, compress="gzip")
    package = deb.read_package(str(path))
    largest = 0

    def write(view: memoryview) -> int:
        nonlocal largest
        largest = max(largest, len(view))
        return len(view)

    with open(path, "rb") as file:
        stream = deb.data_stream(file.fileno(), package)
        for entry in tar.entries(stream):
            stream.copy(entry.size, write)
    assert 0 < largest <= 8 << 20
