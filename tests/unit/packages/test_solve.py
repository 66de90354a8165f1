# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen for a package set, and how a set without solution is told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils import packages
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import PackageError
from ansible_collections.debian_forge.osbuild.plugins.module_utils.packages import PackageSet, Pin, Resolution


def names(resolution: Resolution, name: str = "os") -> list[str]:
    return [package.name for package in resolution.sets[name]]


def version(resolution: Resolution, name: str) -> str:
    return next(package.version for package in resolution.sets["os"] if package.name == name)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("essential", ["base", "libc"]),
        ("minbase", ["apt", "base", "libapt", "libc", "tools"]),
        ("standard", ["apt", "base", "libapt", "libc", "logs", "tools"]),
        ("buildd", ["apt", "base", "build-essential", "libapt", "libc", "tools"]),
        ("none", ["water"]),
    ],
)
def test_variant_selects_by_flag_and_priority(repo: Any, resolve: Any, variant: str, expected: list[str]) -> None:
    include = ("water",) if variant == "none" else ()
    assert names(resolve(repo.source(), *include, variant=variant)) == expected


def test_package_carries_what_the_index_says_and_points_at_the_file(repo: Any, resolve: Any) -> None:
    found = {package.name: package for package in resolve(repo.source(), "with+plus").sets["os"]}
    libc, odd = found["libc"], found["with+plus"]
    assert (libc.source, libc.source_version, libc.multi_arch) == ("glibc", "2.41", "same")
    assert (libc.suite, libc.component, libc.installed_size, libc.section) == ("stable", "main", 4, "misc")
    assert found["base"].essential and not libc.essential
    assert odd.spec == "with+plus:amd64=1.0+b~1"
    assert "+" not in urlsplit(odd.url).path
    data = Path(unquote(urlsplit(odd.url).path)).read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (odd.sha256, odd.size)


def test_auto_is_what_was_neither_named_nor_of_the_variant(repo: Any, resolve: Any) -> None:
    found = {package.name: package.auto for package in resolve(repo.source(), "editor").sets["os"]}
    assert found == {"apt": False, "base": False, "editor": False, "tools": False,
                     "libapt": True, "libc": True, "libedit": True}


def layers(resolution: Resolution) -> dict[str, str]:
    return {package.name: package.layer for package in resolution.sets["os"] if package.layer}


def test_what_the_blueprint_adds_to_a_base_is_told_and_does_not_change_the_choice(repo: Any, resolve: Any) -> None:
    whole = resolve(repo.source(), "water", "editor", "libapt", base=("water",))
    assert layers(whole) == {"editor": "added", "libedit": "added", "libapt": "named"}
    assert names(whole) == names(resolve(repo.source(), "water", "editor", "libapt"))
    assert not layers(resolve(repo.source(), "water", base=("water",))), "it is the base"
    assert not layers(resolve(repo.source(), "water", "editor")), "nobody says what the base is"


@pytest.mark.parametrize(("include", "base"), [
    # Another version, another package, and none at all.
    (("shell=1:5.9-3", "water"), ("shell",)), (("mail-big", "water"), ("mail-small",)), (("water",), ("needy",)),
])
def test_a_base_that_is_not_part_of_the_whole_is_none(repo: Any, resolve: Any, include: Any, base: Any) -> None:
    assert not layers(resolve(repo.source(), *include, base=base))


def test_recommends_and_excludes_hold_for_their_own_set_only(repo: Any, resolve: Any) -> None:
    sets = {
        "plain": PackageSet(("editor",), variant="none"),
        "rich": PackageSet(("editor",), variant="none", recommends=True),
        "without": PackageSet(("editor",), exclude=("extr*",), variant="none", recommends=True),
    }
    found = resolve(repo.source(), sets=sets)
    assert names(found, "plain") == ["editor", "libedit"]
    assert names(found, "rich") == ["editor", "extras", "libedit"]
    assert names(found, "without") == ["editor", "libedit"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("shell", "1:6.0~rc1-1"),
        ("shell=*", "1:6.0~rc1-1"),
        ("shell=5.*", "1:5.10-1+b1"),
        ("shell=1:5.*", "1:5.10-1+b1"),
        ("shell=5.9", "1:5.9-3"),
        ("shell=1:5.1-2", "1:5.1-2"),
        ("shell=5.1-2", "1:5.1-2"),
    ],
)
def test_version_globs_take_the_newest_in_dpkg_order(repo: Any, resolve: Any, wanted: str, expected: str) -> None:
    assert version(resolve(repo.source(), wanted, variant="none"), "shell") == expected


def test_exact_dependencies_follow_an_older_version(repo: Any, resolve: Any) -> None:
    found = resolve(repo.source(), "apt=3.0.3")
    assert (version(found, "apt"), version(found, "libapt")) == ("3.0.3", "3.0.3")


def test_impossible_version_names_the_versions_there_are(repo: Any, resolve: Any) -> None:
    with pytest.raises(PackageError, match=r"package set 'os': package 'shell' has no version '9\.\*'; there are "
                                           r"1:6\.0~rc1-1, 1:5\.10-1\+b1, 1:5\.9-3, 1:5\.1-2$"):
        resolve(repo.source(), "shell=9.*")


def test_unknown_package_is_named_with_close_matches(repo: Any, resolve: Any) -> None:
    with pytest.raises(PackageError, match="package set 'os': unknown package 'edittor'; close matches: editor"):
        resolve(repo.source(), "edittor")


def test_glob_in_a_name_takes_all_matches_and_refuses_none(repo: Any, resolve: Any) -> None:
    assert names(resolve(repo.source(), "lib*", variant="none")) == ["libapt", "libc", "libedit"]
    with pytest.raises(PackageError, match=r"no package matches 'zz\*'"):
        resolve(repo.source(), "zz*")


def test_foreign_architecture_comes_with_its_own_dependencies(repo: Any, resolve: Any) -> None:
    found = resolve(repo.source(), "game:i386", variant="none").sets["os"]
    assert [package.spec for package in found] == ["game:i386=1.0", "libc:i386=2.41-1"]


def test_virtual_package_is_satisfied_by_what_is_there(repo: Any, resolve: Any) -> None:
    found = resolve(repo.source(), "mail-agent", "mail-big", variant="none")
    assert names(found) == ["mail-big"] and found.warnings == ()


def test_virtual_package_takes_debians_default_and_says_so(repo: Any, resolve: Any) -> None:
    found = resolve(repo.source(), "mail-agent", variant="none")
    assert names(found) == ["mail-small"]
    assert found.warnings == ("package set 'os': 'mail-agent' is a virtual package; mail-small was taken (others: mail-big)",)


def test_pins_decide_the_version(repo: Any, resolve: Any) -> None:
    pinned = resolve(repo.source(), "shell", variant="none", pins=[Pin("shell", "version 1:5.9*", 1001)])
    assert version(pinned, "shell") == "1:5.9-3"


@pytest.mark.parametrize(
    ("include", "exclude", "sentence"),
    [
        (("editor",), ("libedit",), r"editor 1\.0 depends on libedit, which is excluded"),
        (("needy",), (), r"needy 1\.0 depends on middle, and middle 1\.0 depends on nowhere \(>= 2\), which is not in"),
        (("wants-new",), (), r"wants-new 1\.0 depends on libc \(>= 9\), but the sources have only 2\.41-1"),
        (("fire", "water"), (), r"fire 1\.0 conflicts with water 1\.0, and both are needed"),
        (("init-a", "init-b"), (), r"init-\S+ 1\.0 conflicts with init-\S+ 1\.0, and both are needed"),
        (("single", "single:i386"), (), r"single\S* 1\.0 conflicts with single\S* 1\.0, and both are needed"),
        (("apt=3.0.3", "libapt=3.0.4"), (), r"apt 3\.0\.3 depends on libapt \(= 3\.0\.3\), but version 3\.0\.4 is asked for"),
        ((), ("base",), r"'base' is excluded but essential"),
        (("editor",), ("edit*",), r"'editor' is asked for and excluded \(by 'edit\*'\)"),
        (("shell=5.9", "shell=5.1"), (), r"'shell' is asked for in two versions"),
        (("mail-agent=1",), (), r"'mail-agent' is a virtual package and has no version '1' of its own"),
        (("what is this",), (), r"package 'what is this': not of the form"),
    ],
)
def test_no_solution_is_one_sentence(repo: Any, resolve: Any, include: Any, exclude: Any, sentence: str) -> None:
    with pytest.raises(PackageError, match=sentence) as caught:
        resolve(repo.source(), *include, exclude=exclude)
    assert "\n" not in str(caught.value)


def test_all_failing_pins_are_told(repo: Any, resolve: Any) -> None:
    with pytest.raises(PackageError, match="package 'water' has no version that the pins allow; there are 1.0"):
        resolve(repo.source(), "water", pins=[Pin("water", "release *", -1)])
    with pytest.raises(PackageError, match=r"editor 1\.0 depends on libedit, which the pins forbid"):
        resolve(repo.source(), "editor", pins=[Pin("libedit", "version *", -1)])


def test_same_request_gives_the_same_resolution(repo: Any, resolve: Any) -> None:
    assert resolve(repo.source(), "editor") == resolve(repo.source(), "editor")


def test_unknown_variant_and_word_breaking_input_are_refused_before_apt_runs(repo: Any, resolve: Any) -> None:
    with pytest.raises(PackageError, match="unknown variant 'tiny'; known are minbase"):
        resolve(repo.source(), variant="tiny")
    with pytest.raises(PackageError, match="suite 'a\nTrusted: yes' is not one word"):
        resolve(repo.source("a\nTrusted: yes"))
    with pytest.raises(PackageError, match="pin must be one line"):
        resolve(repo.source(), pins=[Pin("a", "release *\n\nPackage: *", 1)])


def test_each_set_is_solved_for_the_machine_its_tree_is_for(repo: Any) -> None:
    sets = {
        "build": packages.PackageSet(include=("editor",), variant="none"),
        "os": packages.PackageSet(include=("game",), variant="none", architecture="i386"),
    }
    request = packages.Request("debian-13", "stable", "amd64", (repo.source(),), sets)
    found = packages.resolve(request, proxy="")
    assert {package.architecture for package in found.sets["build"]} == {"amd64"}
    assert [package.spec for package in found.sets["os"]] == ["game:i386=1.0", "libc:i386=2.41-1"]
    assert len(found.releases) == 1, "the suite is the same for both"
    lock = packages.loads_lock(packages.dumps_lock(found, request))
    assert lock.matches(request)
    plain = {**sets, "os": packages.PackageSet(include=("game",), variant="none")}
    assert not lock.matches(packages.Request("debian-13", "stable", "amd64", (repo.source(),), plain))
