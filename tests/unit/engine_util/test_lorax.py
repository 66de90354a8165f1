# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lorax templates, with a stand-in for mako, which hardly any host has."""

from __future__ import annotations

import importlib
import string
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from osbuild.testutil import mock_command


class Template:
    def __init__(self, filename: str) -> None:
        self.text = Path(filename).read_text()

    def render(self, **args: Any) -> str:
        return string.Template(self.text).substitute(args)


@pytest.fixture
def lorax(monkeypatch: pytest.MonkeyPatch) -> Any:
    package, module = types.ModuleType("mako"), types.ModuleType("mako.template")
    package.template = module  # type: ignore[attr-defined]
    module.Template = Template  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mako", package)
    monkeypatch.setitem(sys.modules, "mako.template", module)
    monkeypatch.delitem(sys.modules, "osbuild.util.lorax", raising=False)
    return importlib.import_module("osbuild.util.lorax")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    (path / "etc").mkdir(parents=True)
    return path


def test_template_becomes_words(lorax: Any, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("# comment\n\nmkdir /a \"b c\" \\\n  /${arch}\nremove /x # rest\n")
    assert lorax.render_template(tmp_path / "t", {"arch": "amd64"}) == [["mkdir", "/a", "b c", "/amd64"], ["remove", "/x"]]


def test_commands_change_the_tree(lorax: Any, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "file").write_text("from the build tree\n")
    (tree / "etc" / "conf").write_text("level=1\n")
    (tree / "etc" / "old").write_text("")
    script = [
        ["mkdir", "/a/b"],
        ["append", "/a/text", "one", "two"],
        ["install", "/fi*", "/a/b"],
        ["move", "/a/text", "/a/b/text"],
        ["replace", "level=[0-9]", "level=9", "/etc/con*"],
        ["symlink", "target", "/etc/link"],
        ["symlink", "other", "/etc/link"],
        ["remove", "/etc/old*", "/etc/nothing"],
        ["-install", "/missing", "/a"],
    ]
    lorax.Script(script, tmp_path / "build", tree)()
    assert (tree / "a/b/text").read_text() == "one two\n"
    assert (tree / "a/b/file").read_text() == "from the build tree\n"
    assert (tree / "etc/conf").read_text() == "level=9\n"
    assert (tree / "etc/link").readlink() == Path("other")
    assert not (tree / "etc/old").exists()


def test_programs_run_in_the_tree(lorax: Any, tree: Path) -> None:
    with mock_command("chroot", "") as chroot:
        lorax.Script([["runcmd", "id", "-u"], ["systemctl", "mask", "a.service"]], tree, tree)()
        calls = chroot.call_args_list
    assert calls == [[str(tree), "id", "-u"], [str(tree), "systemctl", "--no-reload", "mask", "a.service"]]


def test_files_of_packages_and_modules_go(lorax: Any, tree: Path) -> None:
    (tree / "var/lib/dpkg").mkdir(parents=True)
    modules = tree / "lib/modules/6.1/kernel/drivers"
    (modules / "usb").mkdir(parents=True)
    for path in (tree / "usr-a", tree / "usr-b", modules / "usb/keep.ko", modules / "usb/drop.ko"):
        path.write_text("")
    script = [["removefrom", "pkg", "--allbut", "*-b"], ["removekmod", "drivers/usb", "--allbut", "keep"]]
    with mock_command("dpkg-query", "printf '/.\\n/usr-a\\n/usr-b\\n/lib\\n'"):
        lorax.Script(script, tree, tree)()
        assert not (tree / "usr-a").exists()
        assert (tree / "usr-b").exists()
        lorax.Script([["removepkg", "pkg"]], tree, tree)()
    assert not (tree / "usr-b").exists()
    assert [path.name for path in (modules / "usb").iterdir()] == ["keep.ko"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["explode"], ValueError, "Unknown command: 'explode'"),
        (["-explode"], ValueError, "Unknown command: 'explode'"),
        (["install", "/missing", "/a"], OSError, "nothing matching"),
        (["replace", "a", "b", "/missing"], OSError, "nothing matching"),
        (["removekmod", "x"], OSError, "no kernel module matches"),
        (["systemctl", "start", "a"], ValueError, "is not one of enable, disable, mask"),
        (["removefrom", "pkg"], ValueError, "needs a pattern"),
    ],
)
def test_what_cannot_be_done_is_said(lorax: Any, tree: Path, words: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lorax.Script([words], tree, tree)()


def test_nothing_outside_the_tree_is_changed(lorax: Any, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("host\n")
    (tree / "out").symlink_to(outside)
    (tree / "link").symlink_to(outside / "file")
    for words in (
        ["-append", "/link", "x"], ["-append", "/out/file", "x"], ["-remove", "/out/file"], ["-remove", "/../outside/file"],
        ["-replace", "host", "x", "/link"], ["-move", "/out/file", "/etc"], ["-symlink", "x", "/out/file"],
    ):  # fmt: skip
        lorax.Script([words], tree, tree)()
        assert (outside / "file").read_text() == "host\n", words
        assert [path.name for path in outside.iterdir()] == ["file"], words
