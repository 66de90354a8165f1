# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing an existing system with its own dpkg."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .conftest import Runner, Workshop, host_architecture, in_tree, last_line, succeeded

pytestmark = pytest.mark.root

NATIVE = host_architecture()
Apt = Callable[..., Any]


@pytest.fixture(scope="session")
def first_tree(small_system: Workshop, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small system with two applications and a library, as others start from it."""
    place = tmp_path_factory.mktemp("first")
    (place / "tree").mkdir()
    (place / "packages").mkdir()
    workshop = Workshop(place / "packages")
    workshop.deb("app", {"usr/bin/app": "1", "etc/app.conf": "default\n"}, Depends="lib",
                 control={"conffiles": "/etc/app.conf\n"}, scripts={"postrm": "echo postrm $1 >>/root/log\n"})
    workshop.deb("lib", {"usr/lib/lib": "1"})
    workshop.deb("tool", {"usr/bin/tool": "1"}, version="2")
    packages = [*small_system.built.values(), *workshop.built.values()]
    options = {"suite": "small", "architecture": NATIVE, "variant": "essential"}
    succeeded(Runner(repo)("debootstrap", place / "tree", packages, options, {"lib": {"deb.auto": True}}))
    return place / "tree"


@pytest.fixture
def tree(first_tree: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    subprocess.run(["cp", "-a", "--", str(first_tree), str(path)], check=True)
    return path


@pytest.fixture
def apt(run_stage: Runner, tree: Path) -> Apt:
    def run(*packages: Path, metadata: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> Any:
        given = {key.replace("_", "-"): value for key, value in options.items()}
        return run_stage("apt", tree, packages, given, metadata)

    return run


def state(tree: Path, names: Sequence[str] = ("app", "lib", "tool")) -> dict[str, str]:
    shown = in_tree(tree, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}${Version}\n", *names).stdout
    return dict(line.split(" ", 1) for line in shown.splitlines())


def audit(tree: Path) -> None:
    for question in ("--audit", "-V"):
        result = in_tree(tree, "dpkg", question)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def automatic(tree: Path) -> set[str]:
    text = (tree / "var/lib/apt/extended_states").read_text()
    return {line.split()[1] for line in text.splitlines() if line.startswith("Package:")}


def test_new_packages_are_installed_and_marked(apt: Apt, workshop: Workshop, tree: Path) -> None:
    packages = [workshop.deb("new", {"usr/bin/new": "n"}, Depends="libnew", scripts={"postinst": "echo new >>/root/log\n"}),
                workshop.deb("libnew", {"usr/lib/new": "n"})]
    succeeded(apt(*packages, install=["new"], metadata={"libnew": {"deb.auto": True}, "new": {"deb.auto": True}}))
    assert state(tree, ("new", "libnew")) == {"new": "ii 1", "libnew": "ii 1"}
    assert automatic(tree) == {"lib", "libnew"}
    assert (tree / "root/log").read_text() == "new\n"
    audit(tree)


def test_an_upgrade_keeps_a_changed_conffile_unless_told_otherwise(apt: Apt, workshop: Workshop, tree: Path) -> None:
    (tree / "etc/app.conf").write_text("mine\n")
    path = workshop.deb("app", {"usr/bin/app": "2", "etc/app.conf": "newer\n"}, version="2", Depends="lib",
                        control={"conffiles": "/etc/app.conf\n"})
    succeeded(apt(path))
    assert (tree / "usr/bin/app").read_text() == "2"
    assert (tree / "etc/app.conf").read_text() == "mine\n"
    path = workshop.deb("app", {"usr/bin/app": "3", "etc/app.conf": "newest\n"}, version="3", Depends="lib",
                        control={"conffiles": "/etc/app.conf\n"})
    succeeded(apt(path, conffiles="new"))
    assert (tree / "etc/app.conf").read_text() == "newest\n"
    assert state(tree)["app"] == "ii 3"


def test_initramfs_tools_are_upgraded_and_make_one_image_at_the_end(apt: Apt, workshop: Workshop, tree: Path) -> None:
    def maker(version: str) -> Path:
        return workshop.deb(
            "initramfs-tools", {"usr/sbin/update-initramfs": f"#!/bin/sh\necho {version} \"$@\" >>/root/made\n"},
            version=version, modes={"usr/sbin/update-initramfs": 0o755}, scripts={"postinst": "update-initramfs -u\n"},
        )

    kernel = workshop.deb("kernel", scripts={"postinst": "update-initramfs -c -k 6.1\ntest ! -e /root/made\n"})
    succeeded(apt(maker("1")))
    assert (tree / "root/made").read_text() == "1 -u\n"
    (tree / "root/made").unlink()
    succeeded(apt(maker("2"), kernel, install=["kernel"]))
    assert state(tree, ("initramfs-tools",)) == {"initramfs-tools": "ii 2"}
    assert (tree / "root/made").read_text() == "2 -c -k 6.1\n"
    audit(tree)


def test_an_upgrade_can_be_forbidden(apt: Apt, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("tool", version="3")
    assert "installed as 2; option upgrade is false, so 3 cannot replace it" in last_line(apt(path, upgrade=False))
    assert state(tree)["tool"] == "ii 2"


def test_a_downgrade_must_be_allowed(apt: Apt, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("tool", {"usr/bin/tool": "1"}, version="1~rc1")
    assert "which is newer than 1~rc1; option allow-downgrade permits that" in last_line(apt(path))
    succeeded(apt(path, allow_downgrade=True))
    assert state(tree)["tool"] == "ii 1~rc1"


def test_the_same_version_again_changes_nothing(apt: Apt, workshop: Workshop, tree: Path) -> None:
    before = (tree / "var/lib/dpkg/status").read_bytes()
    assert "tool 2 is installed already" in succeeded(apt(workshop.deb("tool", {"usr/bin/tool": "x"}, version="2")))
    assert (tree / "usr/bin/tool").read_text() == "1"
    assert (tree / "var/lib/dpkg/status").read_bytes() == before


def test_removal_keeps_configuration_and_purge_does_not(apt: Apt, tree: Path) -> None:
    succeeded(apt(remove=["app"]))
    assert state(tree)["app"] == "rc 1"
    assert (tree / "etc/app.conf").exists() and not (tree / "usr/bin/app").exists()
    succeeded(apt(purge=["app", "lib"]))
    assert not (tree / "etc/app.conf").exists()
    assert set(state(tree)) == {"tool"}
    assert (tree / "root/log").read_text() == "postrm remove\npostrm purge\n"
    assert automatic(tree) == set()
    audit(tree)


def test_removing_what_is_not_there_is_no_failure(apt: Apt) -> None:
    assert "nothere is not installed, so it is not removed" in succeeded(apt(remove=["nothere"]))


def test_removing_what_others_need_is_refused_before_anything_happens(apt: Apt, tree: Path) -> None:
    before = (tree / "var/lib/dpkg/status").read_bytes()
    assert last_line(apt(remove=["lib"])) == (
        "error: dependencies are not satisfied: app depends on lib, but lib is not there"
    )
    assert (tree / "var/lib/dpkg/status").read_bytes() == before


def test_a_package_may_take_the_place_of_a_removed_one(apt: Apt, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("lib-ng", {"usr/lib/lib": "ng"}, Provides="lib", Conflicts="lib", Replaces="lib")
    succeeded(apt(path, remove=["lib"]))
    assert state(tree, ("app", "lib-ng")) == {"app": "ii 1", "lib-ng": "ii 1"}
    assert (tree / "usr/lib/lib").read_text() == "ng"
    audit(tree)


def test_essential_packages_are_not_removed(apt: Apt) -> None:
    assert "package base-passwd cannot be processed" in last_line(apt(remove=["base-passwd"]))


def test_a_missing_dependency_is_named(apt: Apt, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("new", Depends="lib (>= 2)")
    assert last_line(apt(path)) == (
        "error: dependencies are not satisfied: new depends on lib (>= 2), but lib is there as 1 for all"
    )
    assert "new" not in state(tree, ("new",))


def test_a_conflict_is_named(apt: Apt, workshop: Workshop) -> None:
    assert last_line(apt(workshop.deb("new", Conflicts="tool"))) == (
        "error: dependencies are not satisfied: new conflicts with tool, but tool 2 is there"
    )


@pytest.mark.parametrize(("script", "said"), [
    ("preinst", "new package pre-installation script subprocess returned error exit status 3; its output: broken here"),
    ("postinst", "installed new package post-installation script subprocess returned error exit status 3; "
                 "its output: broken here"),
])
def test_a_failing_script_is_named_with_its_output(apt: Apt, workshop: Workshop, script: str, said: str) -> None:
    sentence = last_line(apt(workshop.deb("new", scripts={script: "echo broken here\nexit 3\n"})))
    assert sentence.startswith("error: package new cannot be processed (dpkg --")
    assert sentence.endswith(said)


def test_predependencies_are_configured_first(apt: Apt, workshop: Workshop, tree: Path) -> None:
    packages = [
        workshop.deb("new", Pre_Depends="helper", scripts={"preinst": "test -e /root/helper-is-ready\n"}),
        workshop.deb("helper", scripts={"postinst": "touch /root/helper-is-ready\n"}),
    ]
    succeeded(apt(*packages))
    assert state(tree, ("new", "helper")) == {"new": "ii 1", "helper": "ii 1"}


def test_holds_and_marks(apt: Apt, workshop: Workshop, tree: Path) -> None:
    succeeded(apt(hold=["tool"], auto=["tool"], manual=["lib"]))
    assert state(tree)["tool"] == "hi 2"
    assert automatic(tree) == {"tool"}
    assert "package tool is held at 2; 3 cannot replace it" in last_line(apt(workshop.deb("tool", version="3")))
    succeeded(apt(unhold=["tool"]))
    assert state(tree)["tool"] == "ii 2"


def test_marking_what_is_not_installed_fails(apt: Apt) -> None:
    assert last_line(apt(hold=["nothere"])).endswith("package nothere is to be marked or held, but is not installed")


def test_asking_for_what_is_nowhere_fails(apt: Apt) -> None:
    assert "option install names nothere, which neither input packages nor the tree has" in last_line(
        apt(install=["nothere"]))


def test_installing_and_removing_the_same_fails(apt: Apt, workshop: Workshop) -> None:
    assert "tool is to be removed and is among the packages to install" in last_line(
        apt(workshop.deb("tool", version="3"), remove=["tool"]))


def test_dpkg_options_are_used(apt: Apt, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("new", {"usr/bin/tool": "new's"})
    assert "trying to overwrite '/usr/bin/tool', which is also in package tool 2" in last_line(apt(path))


def test_overwriting_can_be_forced(apt: Apt, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("new", {"usr/bin/tool": "new's"})
    succeeded(apt(path, dpkg_options=["--force-overwrite"]))
    assert (tree / "usr/bin/tool").read_text() == "new's"


def test_another_architecture_is_refused(apt: Apt, workshop: Workshop) -> None:
    assert last_line(apt(workshop.deb("new", architecture="hurd-i386"))) == (
        f"error: package new is built for hurd-i386; allowed in this tree are {NATIVE} and all"
    )


def test_what_was_there_before_is_not_cleaned_away(apt: Apt, workshop: Workshop, tree: Path) -> None:
    (tree / "etc/ssh").mkdir()
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/passwd-", "tmp/kept", "run/kept"):
        (tree / name).write_text("kept")
    (tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    path = workshop.deb("new", scripts={"postinst":
                        "echo x >/etc/machine-id; echo k >/etc/ssh/ssh_host_dsa_key; echo t >/tmp/gone; echo r >/run/x\n"})
    succeeded(apt(path))
    for name in ("etc/ssh/ssh_host_rsa_key", "etc/passwd-", "tmp/kept", "run/kept"):
        assert (tree / name).read_text() == "kept"
    assert (tree / "etc/machine-id").read_text() == "0123456789abcdef0123456789abcdef\n"
    assert not (tree / "etc/ssh/ssh_host_dsa_key").exists()
    assert os.listdir(tree / "tmp") == ["kept"] and os.listdir(tree / "run") == ["kept"]
    assert str(tree) not in Path("/proc/self/mounts").read_text()


def test_a_tree_without_a_system_is_refused(run_stage: Runner, tmp_path: Path, workshop: Workshop) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run_stage("apt", empty, [workshop.deb("new")], {})
    assert last_line(result) == "error: the tree has no dpkg database; org.osbuild.debootstrap makes a first system"


@pytest.mark.parametrize("name", ["run", "dev"])
def test_links_in_place_of_runtime_directories_are_refused(apt: Apt, tree: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(tree / name)
    (tree / name).symlink_to(outside)
    assert last_line(apt(remove=["app"])).startswith(f"error: /{name} of the tree is not a directory")
    assert list(outside.iterdir()) == []
