# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""grub's configuration from the boot entries of OSTree: the generator, and the stages that bring it into place."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.forge import ostreegrub
from stages.forge.errors import StageError

pytestmark = pytest.mark.root
_RUN = """
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader("stage", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("stage", loader))
loader.exec_module(module)
from stages.forge.errors import run_stage
arguments = json.load(sys.stdin)
sys.exit(run_stage(lambda: module.main(**arguments)))
"""
TEST = {"osname": "debian", "ref": "test"}
ENTRY = """title {title}
version {version}
options {options}
linux {prefix}/ostree/debian-{version}/vmlinuz
initrd {prefix}/ostree/debian-{version}/initramfs.img
"""


def put(tree: Path, path: str, text: str = "", mode: int = 0o644) -> Path:
    place = tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(mode)
    return place


def give_programs(tree: Path, *names: str) -> None:
    """The host's programs and the libraries they need, so that they run with `tree` as root."""
    for name in names:
        program = shutil.which(name)
        assert program
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
        for line in [program, *(word for word in listed if word.startswith("/"))]:
            place = tree / ("usr/bin/" + name if line == program else line.lstrip("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(line), place)


def entry(tree: Path, version: int, prefix: str = "", title: str = "Debian's (ostree:0)", options: str = "rw") -> None:
    text = ENTRY.format(title=title, version=version, prefix=prefix, options=options)
    put(tree, f"boot/loader.1/entries/ostree-{version}-debian.conf", text)


@pytest.fixture
def machine(tree: Path) -> Path:
    """The root of a system as the generator sees it."""
    for name in ("bin", "lib", "lib64"):
        (tree / f"usr/{name}").mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    give_programs(tree, "sh", "cat", "sed", "sort")
    put(tree, "generator", ostreegrub.GENERATOR, 0o755)
    put(tree, "ostree/repo/config", "[core]\nmode=bare\n\n[sysroot]\nbootloader=grub2\nbootprefix=true\n")
    (tree / "boot/loader.1/entries").mkdir(parents=True)
    (tree / "boot/loader").symlink_to("loader.1")
    return tree


def generate(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    words = words or ("-o", "/boot/loader.1/grub.cfg")
    return subprocess.run(["chroot", root, "/generator", *words], capture_output=True, text=True, check=False)


def written(root: Path) -> str:
    return (root / "boot/loader.1/grub.cfg").read_text()


class TestGenerator:
    def test_is_clean_for_shellcheck(self, tmp_path: Path) -> None:
        if shutil.which("shellcheck") is None:
            pytest.skip("needs shellcheck")
        path = put(tmp_path, "generator", ostreegrub.GENERATOR)
        found = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout

    def test_the_newest_entry_is_the_first(self, machine: Path) -> None:
        for version in (2, 10, 9):
            entry(machine, version)
        assert generate(machine).returncode == 0
        assert re.findall(r"--id '(.*?)'", written(machine)) == ["ostree-10-debian", "ostree-9-debian", "ostree-2-debian"]

    @pytest.mark.parametrize("prefix", ["", "/boot"])
    def test_paths_get_boot_in_front_once(self, machine: Path, prefix: str) -> None:
        entry(machine, 1, prefix)
        assert generate(machine).returncode == 0
        assert "    linux /boot/ostree/debian-1/vmlinuz rw\n    initrd /boot/ostree/debian-1/initramfs.img\n}" in written(machine)

    def test_paths_stay_where_boot_is_a_file_system(self, machine: Path) -> None:
        put(machine, "ostree/repo/config", "[sysroot]\nbootprefix=false\n")
        entry(machine, 1)
        assert generate(machine).returncode == 0
        assert "    linux /ostree/debian-1/vmlinuz rw\n" in written(machine)

    def test_grub_takes_nothing_in_an_entry_for_a_command(self, machine: Path) -> None:
        entry(machine, 1, title="Debian's $x; } 'quoted'", options='rw a=b;c d="e f" g=$h {i} #j \\k')
        assert generate(machine).returncode == 0
        assert "menuentry 'Debian'\\''s $x; } '\\''quoted'\\''' --class" in written(machine)
        assert 'rw a=b\\;c d="e f" g=\\$h \\{i\\} \\#j \\\\k\n' in written(machine)
        if shutil.which("grub-script-check"):
            subprocess.run(["grub-script-check", machine / "boot/loader.1/grub.cfg"], check=True)

    def test_settings_are_those_of_debian(self, machine: Path) -> None:
        entry(machine, 1)
        put(machine, "etc/default/grub", "GRUB_TIMEOUT=5\n")
        put(machine, "etc/default/grub.d/50-image.cfg", "GRUB_TIMEOUT=7\nGRUB_SERIAL_COMMAND='serial --unit=0'\n")
        assert generate(machine).returncode == 0
        assert "set timeout=7\n" in written(machine)
        assert "if serial --unit=0; then\n    terminal_input console serial\n" in written(machine)

    def test_by_hand_it_takes_the_entries_that_are_in_use(self, machine: Path) -> None:
        entry(machine, 3)
        result = generate(machine, "--output=/boot/grub.cfg", "-v")
        assert result.returncode == 0, result.stderr
        assert "--id 'ostree-3-debian'" in (machine / "boot/grub.cfg").read_text()
        assert "--id 'ostree-3-debian'" in generate(machine, "-v").stdout

    def test_fails_without_a_repository(self, machine: Path) -> None:
        (machine / "ostree/repo/config").unlink()
        assert generate(machine).returncode != 0

    def test_counts_down_and_falls_back(self, machine: Path) -> None:
        """grub's script is a shell script but for two commands: what they do is replaced."""
        entry(machine, 1)
        assert generate(machine).returncode == 0
        text = written(machine).split("\nmenuentry", 1)[0]
        script = re.sub(r"(?m)^(\s*)set (\w+)=", r"\1\2=", text).replace("load_env", ":").replace("save_env boot_counter", "saved=yes")
        for counter, success, expected in (
            ("3", "0", "2 0 yes"), ("9", "", "8 0 yes"), ("1", "0", "0 0 yes"), ("0", "0", "0 1 "), ("", "", " 0 "),
            ("3", "1", "3 0 "), ("0", "1", "0 0 "), ("many", "0", "many 0 "), ("10", "0", "10 0 "),
        ):  # fmt: skip
            run = f'boot_counter="{counter}"; boot_success="{success}"; saved=\n{script}\necho "=$boot_counter $default $saved"'
            shown = subprocess.run(["sh", "-c", run], capture_output=True, text=True, check=True).stdout
            assert shown.splitlines()[-1] == f"={expected}", (counter, success)


@pytest.fixture
def run(repo: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a stage in a process of its own: it changes its root."""

    def start(name: str, tree: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{repo / 'engine'}:{repo}", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-c", _RUN, str(repo / f"stages/org.osbuild.debian.ostree.{name}")], env=environment,
            input=json.dumps({"tree": str(tree), "options": options}), capture_output=True, text=True, check=False,
        )

    return start


class TestGeneratorStage:
    @pytest.fixture
    def system(self, machine: Path) -> Path:
        # Stands in for the real one, which needs a package database.
        put(machine, "usr/bin/dpkg-divert", '#!/bin/sh\necho "$@" >/diverted\n', 0o755)
        put(machine, "usr/sbin/grub-mkconfig", "#!/bin/sh\n", 0o755)
        return machine

    def test_puts_the_program_in_place_of_debians(self, system: Path, run) -> None:
        result = run("generator", system, serial="--unit=0 --speed=115200", timeout=3)
        assert result.returncode == 0, result.stderr
        assert (system / "usr/sbin/grub-mkconfig").read_text() == ostreegrub.GENERATOR
        assert (system / "usr/sbin/grub-mkconfig").stat().st_mode & 0o7777 == 0o755
        assert "--rename --divert /usr/sbin/grub-mkconfig.debian --add /usr/sbin/grub-mkconfig" in (system / "diverted").read_text()
        settings = (system / "etc/default/grub.d/50-image.cfg").read_text()
        assert "GRUB_TIMEOUT=3\n" in settings and "GRUB_SERIAL_COMMAND='serial --unit=0 --speed=115200'\n" in settings

    def test_says_what_is_missing(self, system: Path, run) -> None:
        (system / "usr/sbin/grub-mkconfig").unlink()
        result = run("generator", system)
        assert result.returncode != 0 and "install the package grub-common" in result.stderr
        assert not (system / "etc").exists()

    def test_refuses_a_tree_that_was_prepared(self, system: Path, run) -> None:
        (system / "usr/etc").mkdir()
        result = run("generator", system)
        assert result.returncode != 0 and "before org.osbuild.ostree.preptree" in result.stderr

    def test_a_link_out_of_the_tree_is_followed_inside_it(self, system: Path, run, outside: Path) -> None:
        (system / "etc").mkdir()
        (system / "etc/default").symlink_to(outside)
        run("generator", system)
        assert not list(outside.iterdir())


def ostree(*words: str | Path) -> str:
    return subprocess.run(["ostree", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.skipif(shutil.which("ostree") is None, reason="needs ostree")
class TestSysrootStage:
    @pytest.fixture
    def place(self, machine: Path) -> Path:
        """A deployment of the ref `test`; the machine's root is its sysroot."""
        repo = machine / "ostree/repo"
        (repo / "config").unlink()
        ostree("init", "--mode=bare", f"--repo={repo}")
        ostree("config", "set", "sysroot.bootprefix", "true", f"--repo={repo}")
        commit = ostree("commit", "--branch=test", f"--tree=dir={machine / 'boot'}", f"--repo={repo}")
        place = machine / f"ostree/deploy/debian/deploy/{commit}.0"
        for name in ("boot", "sysroot"):
            (place / name).mkdir(parents=True)
        for name in ("usr", "bin", "lib", "lib64"):
            shutil.move(machine / name, place / name)
        (place / "ostree").symlink_to("sysroot/ostree")
        put(place, "usr/sbin/grub-mkconfig", ostreegrub.GENERATOR, 0o755)
        put(place, "usr/sbin/grub-mkconfig.debian")
        put(place, "usr/lib/grub/i386-pc/normal.mod", "module")
        entry(machine, 1)
        return place

    def test_makes_grubs_directory_and_has_the_deployment_write_its_configuration(self, machine: Path, place: Path, run) -> None:
        result = run("grub", machine, deployment=TEST, platforms=["i386-pc"])
        assert result.returncode == 0, result.stderr
        assert os.readlink(machine / "boot/grub/grub.cfg") == "../loader/grub.cfg"
        assert "linux /boot/ostree/debian-1/vmlinuz rw\n" in written(machine)
        assert (machine / "boot/grub/i386-pc/normal.mod").read_text() == "module"
        block = (machine / "boot/grub/grubenv").read_text()
        assert len(block) == 1024 and block.startswith("# GRUB Environment Block\n#")
        assert not list((place / "boot").iterdir()) and not list((place / "sysroot").iterdir())

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda root, place: shutil.rmtree(root / "boot/loader.1"), "runs after org.osbuild.ostree.deploy"),
            (lambda root, place: (place / "usr/sbin/grub-mkconfig.debian").unlink(), "run that stage on the tree before"),
            (lambda root, place: (place / "boot").rmdir(), "its /boot is no directory"),
            (lambda root, place: (root / "boot/loader.1/entries/ostree-1-debian.conf").unlink(), "no boot entry that grub could start"),
        ],
    )
    def test_says_what_is_wrong(self, machine: Path, place: Path, run, spoil, message: str) -> None:
        spoil(machine, place)
        result = run("grub", machine, deployment=TEST)
        assert result.returncode != 0 and message in result.stderr

    def test_a_platform_that_is_not_there_is_named(self, load, machine: Path, place: Path) -> None:
        with pytest.raises(FileNotFoundError, match="no /usr/lib/grub/arm64-efi"):
            load("debian.ostree.grub").main(str(machine), {"deployment": TEST, "platforms": ["arm64-efi"]})

    def test_a_deployment_that_is_not_there_is_named(self, load, machine: Path) -> None:
        with pytest.raises(StageError, match="deployment: "):
            load("debian.ostree.grub").main(str(machine), {"deployment": TEST})

    def test_a_link_out_of_the_sysroot_is_followed_inside_it(self, machine: Path, place: Path, run, outside: Path) -> None:
        (machine / "boot/grub").symlink_to(outside)
        run("grub", machine, deployment=TEST, platforms=["i386-pc"])
        assert not list(outside.iterdir())
