# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first system from packages: the direct way, dpkg's way, and what is refused."""

from __future__ import annotations

import importlib.util
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import Runner, Workshop, host_architecture, in_tree, last_line, member, succeeded

pytestmark = pytest.mark.root

Bootstrap = Callable[..., Any]
NATIVE = host_architecture()


@pytest.fixture(scope="session")
def compare(repo: Path) -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("compare", repo / "tests/tree/compare.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["compare"] = module
    spec.loader.exec_module(module)
    return module


def healthy(tree: Path) -> None:
    for question in ("--audit", "-V"):
        result = in_tree(tree, "dpkg", question)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def status_of(tree: Path, name: str) -> str:
    return in_tree(tree, "dpkg-query", "-W", "-f", "${Status}|${Version}|${Conffiles}", name).stdout


@pytest.mark.parametrize("method", ["direct", "dpkg"])
def test_packages_end_up_installed_with_links_conffiles_and_modes(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path, method: str
) -> None:
    path = workshop.deb(
        "app",
        {"usr/bin/app": "#!/bin/sh\n", "usr/bin/also": "-> app", "etc/app.conf": "x=1\n", "var/spool/app": None,
         "lib/systemd/system/app-x\\x2dy.service": "[Unit]\n"},
        modes={"usr/bin/app": 0o4755, "var/spool/app": 0o2770}, control={"conffiles": "/etc/app.conf\n"},
        scripts={"preinst": "echo preinst $1 $DPKG_MAINTSCRIPT_PACKAGE >>/root/log\n",
                 "postinst": "echo postinst $1 $DPKG_MAINTSCRIPT_PACKAGE >>/root/log\n"},
    )
    succeeded(bootstrap(path, method=method))
    healthy(tree)
    assert (tree / "root/log").read_text() == "preinst install app\npostinst configure app\n"
    assert stat.S_IMODE((tree / "usr/bin/app").stat().st_mode) == 0o4755
    assert stat.S_IMODE((tree / "var/spool/app").stat().st_mode) == 0o2770
    assert stat.S_IMODE((tree / "root").stat().st_mode) == 0o700
    assert os.readlink(tree / "usr/bin/also") == "app"
    assert (tree / "etc/app.conf").read_text() == "x=1\n"
    assert not list(tree.rglob("*.dpkg-new"))
    assert status_of(tree, "app").startswith("install ok installed|1| /etc/app.conf ")
    # A backslash in a name is listed as it is.
    assert "/lib/systemd/system/app-x\\x2dy.service" in (tree / "var/lib/dpkg/info/app.list").read_text().splitlines()
    assert os.readlink(tree / "lib") == "usr/lib"
    assert (tree / "usr/lib/systemd/system/app-x\\x2dy.service").is_file()


def test_both_methods_give_the_same_tree(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path, compare: ModuleType
) -> None:
    packages = [
        workshop.deb("one", {"etc/one": "1", "usr/share/x/one": "1"}, control={"conffiles": "/etc/one\n"}),
        workshop.deb("two", {"usr/share/x/two": "2", "var/lib/two": None}, modes={"var/lib/two": 0o750},
                     control={"triggers": "interest /usr/share/x\ninterest-noawait named\n"}),
        workshop.deb("libm", {"usr/lib/m/x": "m"}, architecture=NATIVE, Multi_Arch="same",
                     control={"triggers": "interest-noawait /usr/lib/m\n"}),
    ]
    trees = []
    for method in ("direct", "dpkg"):
        succeeded(bootstrap(*packages, method=method))
        trees.append(compare.read_tree(tree))
        tree.rename(tree.parent / method)
        tree.mkdir()
    # Only dpkg, not the stage, leaves its locks and what it would find nothing in.
    assert [path for path, *_ignored in compare.differences(*trees, ("var/lib/dpkg/triggers/*", "var/lib/dpkg/lock*"))] == []
    for name in ("File", "named"):
        files = [(tree.parent / method / "var/lib/dpkg/triggers" / name).read_text() for method in ("direct", "dpkg")]
        assert sorted(files[0].splitlines()) == sorted(files[1].splitlines())


def test_two_runs_give_the_same_tree(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path, compare: ModuleType
) -> None:
    packages = [workshop.deb(f"p{number}", {f"usr/share/p/{number}": "x" * number * 1000, "usr/share/p": None},
                             modes={"usr/share/p": 0o700 + number}) for number in range(20)]
    trees = []
    for turn in ("first", "second"):
        succeeded(bootstrap(*(packages if turn == "first" else reversed(packages))))
        trees.append(compare.read_tree(tree))
        tree.rename(tree.parent / turn)
        tree.mkdir()
    assert list(compare.differences(*trees)) == []
    assert trees[0]["usr/share/p"].mode == 0o700  # the first package by name decides


def test_a_multi_arch_same_package_has_its_architecture_in_its_files(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path
) -> None:
    path = workshop.deb("libm", {"usr/lib/m": "m"}, architecture=NATIVE, Multi_Arch="same", scripts={"postinst": "true\n"})
    succeeded(bootstrap(path))
    assert (tree / f"var/lib/dpkg/info/libm:{NATIVE}.list").is_file()
    assert (tree / f"var/lib/dpkg/info/libm:{NATIVE}.postinst").is_file()
    healthy(tree)


def test_a_conffile_to_be_removed_on_upgrade_is_known_but_absent(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path
) -> None:
    path = workshop.deb("app", {"etc/new": "n"}, control={"conffiles": "/etc/new\nremove-on-upgrade /etc/old\n"})
    succeeded(bootstrap(path))
    assert " /etc/old newconffile remove-on-upgrade" in status_of(tree, "app").splitlines()
    assert not (tree / "etc/old").exists()
    healthy(tree)


@pytest.mark.parametrize("detected", ["md5sums", "links"])
def test_packages_that_replace_each_others_files_are_left_to_dpkg(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path, detected: str
) -> None:
    content = {"md5sums": ("old", "new"), "links": ("-> old", "-> new")}[detected]
    packages = []
    for name, text, fields in (("aa", content[0], {}), ("bb", content[1], {"Replaces": "aa"})):
        packages.append(workshop.deb(name, {"usr/share/shared": text, f"usr/share/{name}": name}, **fields))
    said = succeeded(bootstrap(*packages))
    assert "unpacked by dpkg: aa, bb: they ship the same path as another package" in said
    shared = tree / "usr/share/shared"
    assert (os.readlink(shared) if detected == "links" else shared.read_text()) == content[1].removeprefix("-> ")
    assert "/usr/share/shared" not in (tree / "var/lib/dpkg/info/aa.list").read_text().splitlines()
    assert in_tree(tree, "dpkg", "--audit").stdout == ""
    assert "/usr/share/aa" in (tree / "var/lib/dpkg/info/aa.list").read_text()


def test_packages_that_clash_without_replaces_fail_by_name(bootstrap: Bootstrap, workshop: Workshop) -> None:
    packages = [workshop.deb(name, {"usr/share/shared": name}) for name in ("aa", "bb")]
    assert last_line(bootstrap(*packages)) == (
        "error: package bb cannot be processed (dpkg --unpack): "
        "trying to overwrite '/usr/share/shared', which is also in package aa 1"
    )


def test_the_direct_method_refuses_what_dpkg_must_do(bootstrap: Bootstrap, workshop: Workshop) -> None:
    packages = [workshop.deb("aa", {"usr/x": "-> a"}), workshop.deb("bb", {"usr/x": "-> b"}, Replaces="aa")]
    assert "method 'direct' cannot unpack aa, bb" in last_line(bootstrap(*packages, method="direct"))


def test_a_link_where_another_package_has_a_directory_is_left_to_dpkg(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path
) -> None:
    packages = [workshop.deb("aa", {"usr/share/real/x": "x", "usr/share/d": "-> real"}),
                workshop.deb("bb", {"usr/share/d/y": "y"})]
    said = succeeded(bootstrap(*packages))
    assert "unpacked by dpkg: aa, bb" in said
    assert (tree / "usr/share/real/y").read_text() == "y"


def test_a_diversion_made_by_a_preinst_is_honoured(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    packages = [
        workshop.deb("bb", {"usr/bin/tool": "original"}),
        workshop.deb("aa", {"usr/share/aa": "a"}, scripts={
            "preinst": "dpkg-divert --package aa --add --rename --divert /usr/bin/tool.real /usr/bin/tool\n"}),
    ]
    said = succeeded(bootstrap(*packages))
    assert "unpacked by dpkg: bb: a package script diverts" in said
    assert (tree / "usr/bin/tool.real").read_text() == "original"
    assert not (tree / "usr/bin/tool").exists()


def test_an_override_made_by_a_preinst_is_honoured(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    packages = [
        workshop.deb("bb", {"usr/bin/tool": "t"}, modes={"usr/bin/tool": 0o755}),
        workshop.deb("aa", scripts={"preinst": "dpkg-statoverride --add root root 4711 /usr/bin/tool\n"}),
    ]
    succeeded(bootstrap(*packages))
    assert stat.S_IMODE((tree / "usr/bin/tool").stat().st_mode) == 0o4711


def test_shared_paths_of_what_dpkg_needs_are_all_left_to_dpkg(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path
) -> None:
    packages = [workshop.deb("aa", {"usr/share/s": "-> a", "usr/share/t": "t"}, Essential="yes"),
                workshop.deb("bb", {"usr/share/s": "-> b"}, Replaces="aa")]
    assert "everything is unpacked by dpkg, as aa, bb need it" in succeeded(bootstrap(*packages))
    assert os.readlink(tree / "usr/share/s") == "b"
    assert in_tree(tree, "dpkg", "--audit").stdout == ""


def test_a_package_that_another_replaces_wholly_disappears(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path
) -> None:
    packages = [workshop.deb("aa", {"usr/share/s": "a"}, Essential="yes"),
                workshop.deb("bb", {"usr/share/s": "b"}, Replaces="aa")]
    succeeded(bootstrap(*packages))
    assert (tree / "usr/share/s").read_text() == "b"
    assert "not-installed" in status_of(tree, "aa")
    healthy(tree)


def test_links_out_of_the_tree_write_nothing_outside(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = [member(f"./{part}", tarfile.DIRTYPE) for part in ("usr", "usr/share")]
    evil = workshop.raw("evil", [
        *folder, member("./usr/share/way", tarfile.SYMTYPE, str(outside)),
        member("./usr/share/way/written", data=b"x"),
    ])
    sentence = last_line(bootstrap(evil))
    assert sentence == "error: package evil cannot write /usr/share/way/written: No such file or directory"
    assert list(outside.iterdir()) == []


def test_a_link_of_one_package_does_not_lead_another_outside(
    bootstrap: Bootstrap, workshop: Workshop, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    packages = [
        workshop.deb("aa", {"usr/share/way": f"-> {outside}"}),
        workshop.deb("bb", {"usr/share/way/written": "x"}),
    ]
    bootstrap(*packages)
    assert list(outside.iterdir()) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o700


@pytest.mark.parametrize("path", ["../../escaped", "usr/../../../escaped"])
def test_paths_that_climb_out_are_refused(
    bootstrap: Bootstrap, workshop: Workshop, tmp_path: Path, path: str
) -> None:
    sentence = last_line(bootstrap(workshop.raw("evil", [member(path, data=b"x")])))
    assert sentence == f"error: package evil has a bad data archive: path '{path}' climbs out of the tree"
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(("script", "expected"), [
    ("preinst", "error: package app cannot be installed: its preinst script failed with exit status 7; "
                "its output: it went / badly wrong"),
    ("postinst", "error: package app cannot be processed (dpkg --configure): installed app package post-installation "
                 "script subprocess returned error exit status 7; its output: it went / badly wrong"),
])
def test_a_failing_script_is_named_with_its_output(
    bootstrap: Bootstrap, workshop: Workshop, script: str, expected: str
) -> None:
    path = workshop.deb("app", scripts={script: "echo it went\necho badly wrong >&2\nexit 7\n"})
    assert last_line(bootstrap(path)) == expected


def test_a_missing_dependency_is_named_before_anything_is_written(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path
) -> None:
    path = workshop.deb("app", Depends="libnone (>= 2)")
    assert last_line(bootstrap(path)) == (
        "error: dependencies are not satisfied: app depends on libnone (>= 2), but libnone is not there"
    )
    assert list(tree.iterdir()) == []


def test_another_architecture_is_refused(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("app", architecture="hurd-i386")
    assert last_line(bootstrap(path)) == (
        f"error: package app is built for hurd-i386; allowed in this tree are {NATIVE} and all"
    )
    assert list(tree.iterdir()) == []


def test_a_variant_must_have_its_packages(bootstrap: Bootstrap) -> None:
    assert last_line(bootstrap(variant="minbase")) == (
        "error: input packages lacks apt, which variant 'minbase' needs"
    )


def test_components_are_checked_where_they_are_known(bootstrap: Bootstrap, workshop: Workshop) -> None:
    path = workshop.deb("app")
    sentence = last_line(bootstrap(path, components=["main"], metadata={"app": {"deb.component": "non-free"}}))
    assert sentence == "error: package app is of component 'non-free'; option components allows main"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_tree_that_is_not_empty_is_refused(bootstrap: Bootstrap, tree: Path, kind: str) -> None:
    (tree / "etc").mkdir()
    if kind == "file":
        (tree / "etc/x").touch()
    else:
        (tree / "etc/x").symlink_to("/etc")
    assert last_line(bootstrap()).startswith("error: the tree is not empty (/etc/x); org.osbuild.debootstrap makes")


@pytest.mark.parametrize("method", ["direct", "dpkg"])
def test_excluded_paths_are_not_unpacked_now_nor_later(
    bootstrap: Bootstrap, workshop: Workshop, tree: Path, method: str
) -> None:
    path = workshop.deb("app", {"usr/share/doc/app/copyright": "c", "usr/share/doc/app/news": "n", "usr/bin/app": "a"})
    options = {"path_exclude": ["/usr/share/doc/*"], "path_include": ["/usr/share/doc/*/copyright"]}
    succeeded(bootstrap(path, method=method, **options))
    assert (tree / "usr/share/doc/app/copyright").exists()
    assert not (tree / "usr/share/doc/app/news").exists()
    assert "/usr/share/doc/app/news" in (tree / "var/lib/dpkg/info/app.list").read_text().splitlines()
    assert (tree / "etc/dpkg/dpkg.cfg.d/50path-filters").read_text() == (
        "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n"
    )


def test_the_tree_is_clean_afterwards(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    path = workshop.deb("app", scripts={"postinst": """
        mkdir -p /etc/ssh /var/lib/dbus /var/lib/systemd /var/log/apt /var/cache/ldconfig
        echo id >/etc/machine-id; echo id >/var/lib/dbus/machine-id; echo k >/etc/ssh/ssh_host_rsa_key
        echo s >/var/lib/systemd/random-seed; echo l >/var/log/alternatives.log; echo t >/tmp/left; echo r >/run/left
        echo c >/var/cache/ldconfig/aux-cache; touch /dev/left
        test -c /dev/null; test -e /proc/self/status; test -w /run/lock
        test "$(cat /usr/sbin/policy-rc.d)" && ! sh /usr/sbin/policy-rc.d
        sleep 600 >/dev/null 2>&1 &
    """})
    succeeded(bootstrap(path))
    for name in ("dev", "proc", "run", "sys", "tmp", "etc/ssh", "var/lib/dbus", "var/lib/systemd", "var/log/apt",
                 "var/cache/ldconfig"):
        assert list((tree / name).iterdir()) == [], name
    assert (tree / "etc/machine-id").read_bytes() == b""
    for name in ("var/log/alternatives.log", "var/log/dpkg.log", "usr/sbin/policy-rc.d", "var/lib/dpkg/status-old"):
        assert not (tree / name).exists(), name
    assert str(tree) not in Path("/proc/self/mounts").read_text()
    roots = [os.readlink(f"/proc/{name}/root") for name in os.listdir("/proc")
             if name.isdigit() and os.path.exists(f"/proc/{name}/root")]
    assert str(tree) not in roots


def test_keyrings_marks_and_holds_are_recorded(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    packages = [
        workshop.deb("app", scripts={"postinst": "echo $SOURCE_DATE_EPOCH $DEBIAN_FRONTEND >/root/said\n"}),
        workshop.deb("lib"),
    ]
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----"
    succeeded(bootstrap(
        *packages, metadata={"lib": {"deb.auto": True, "deb.name": "lib"}}, hold=["app"],
        keyrings=[{"name": "own", "key": key},
                  {"name": "bin", "data": "mQENBA==", "directory": "trusted.gpg.d"}],
    ))
    assert (tree / "etc/apt/keyrings/own.asc").read_text() == key + "\n"
    assert (tree / "etc/apt/trusted.gpg.d/bin.gpg").read_bytes() == b"\x99\x01\x0d\x04"
    assert (tree / "var/lib/apt/extended_states").read_text() == (
        f"Package: lib\nArchitecture: {NATIVE}\nAuto-Installed: 1\n\n"
    )
    assert status_of(tree, "app").startswith("hold ok installed")
    assert (tree / "root/said").read_text() == "1750000000 noninteractive\n"


def test_scripts_see_the_given_environment(
    run_stage: Runner, small_system: Workshop, workshop: Workshop, tree: Path
) -> None:
    path = workshop.deb("app", scripts={"postinst": "echo $WISH >/root/said\n", "preinst": "echo $WISH >/root/before\n"})
    options = {"suite": "small", "architecture": NATIVE, "variant": "custom", "environment": {"WISH": "granted"}}
    succeeded(run_stage("debootstrap", tree, [*small_system.built.values(), path], options,
                        environment={"SECRET": "not for scripts", "WISH": "host's"}))
    assert (tree / "root/said").read_text() == "granted\n"
    assert (tree / "root/before").read_text() == "granted\n"


def test_an_initramfs_is_made_once_at_the_end(bootstrap: Bootstrap, workshop: Workshop, tree: Path) -> None:
    maker = workshop.deb("initramfs-tools", {"usr/sbin/update-initramfs":
                         '#!/bin/sh\n[ "$1" = --version ] && echo version && exit\necho "$@" >>/root/made\n'},
                         modes={"usr/sbin/update-initramfs": 0o755})
    kernel = workshop.deb("kernel", Depends="initramfs-tools", scripts={
        "postinst": "update-initramfs --version >/root/version\nupdate-initramfs -c -k 6.1\nupdate-initramfs -u\n"
                    "update-initramfs -c -k 6.1\ntest ! -e /root/made\n"})
    succeeded(bootstrap(maker, kernel))
    assert (tree / "root/made").read_text() == "-c -k 6.1\n"
    assert (tree / "root/version").read_text() == "version\n"
    healthy(tree)
