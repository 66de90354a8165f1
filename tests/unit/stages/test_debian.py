# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own files for locale, keyboard and time zone."""

from __future__ import annotations

import contextlib
import os

import pytest


@pytest.fixture
def locales(tree):
    """A tree with what the package locales brings."""
    (tree / "usr/share/i18n").mkdir(parents=True)
    (tree / "usr/share/i18n/SUPPORTED").write_text("de_DE.UTF-8 UTF-8\nde_DE ISO-8859-1\nen_US.UTF-8 UTF-8\n")
    (tree / "etc").mkdir()
    (tree / "etc/locale.gen").write_text("# This file lists locales\n# de_DE ISO-8859-1\n# de_DE.UTF-8 UTF-8\n")
    return tree


class TestLocale:
    @pytest.fixture
    def stage(self, load, monkeypatch):
        """The stage with the chroot replaced; `stage.ran` holds what would have run there."""
        module = load("debian.locale")
        module.ran = []

        @contextlib.contextmanager
        def chroot(root):
            class Fake:
                def run(self, command, **kwargs):
                    module.ran.append((root, command))

            yield Fake()

        monkeypatch.setattr(module, "Chroot", chroot)
        return module

    def test_enables_generates_and_sets(self, stage, locales) -> None:
        stage.main(str(locales), {"languages": ["de_DE.UTF-8", "en_US.UTF-8", "C.UTF-8"]})
        assert (locales / "etc/locale.gen").read_text().splitlines() == [
            "# This file lists locales",
            "# de_DE ISO-8859-1",
            "de_DE.UTF-8 UTF-8",
            "en_US.UTF-8 UTF-8",
        ]
        assert stage.ran == [(str(locales), ["locale-gen"])]
        assert (locales / "etc/locale.conf").read_text() == "LANG=de_DE.UTF-8\n"
        assert os.readlink(locales / "etc/default/locale") == "../locale.conf"

    def test_c_utf8_needs_no_package(self, stage, tree) -> None:
        stage.main(str(tree), {"languages": []})
        assert (tree / "etc/default/locale").read_text() == "LANG=C.UTF-8\n"
        assert stage.ran == []

    def test_replaces_what_is_there(self, stage, locales) -> None:
        (locales / "etc/default").mkdir()
        (locales / "etc/default/locale").write_text("LANG=fr_FR.UTF-8\n")
        stage.main(str(locales), {"languages": ["en_US.UTF-8"], "lang": "C.UTF-8"})
        assert (locales / "etc/default/locale").read_text() == "LANG=C.UTF-8\n"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"languages": ["xx_XX.UTF-8"]}, "languages: 'xx_XX.UTF-8' is not in"),
            ({"languages": ["de_DE.UTF-8\nx"]}, "languages must be a locale"),
            ({"languages": ["de_DE.UTF-8"], "lang": "en_US.UTF-8"}, "lang must be one of languages"),
        ],
    )
    def test_refuses_before_anything_is_changed(self, stage, locales, options, message) -> None:
        before = (locales / "etc/locale.gen").read_text()
        with pytest.raises(ValueError, match=message):
            stage.main(str(locales), options)
        assert (locales / "etc/locale.gen").read_text() == before
        assert not (locales / "etc/locale.conf").exists()

    def test_says_which_package_is_missing(self, stage, tree) -> None:
        with pytest.raises(ValueError, match="install the package locales"):
            stage.main(str(tree), {"languages": ["de_DE.UTF-8"]})


class TestKeyboard:
    def test_writes_the_file_and_drops_the_cache(self, load, tree) -> None:
        (tree / "etc/console-setup").mkdir(parents=True)
        (tree / "etc/console-setup/cached_setup_keyboard.sh").touch()
        load("debian.keyboard").main(
            str(tree), {"layout": "us,de", "variant": ",nodeadkeys", "options": ["ctrl:nocaps"]}
        )
        assert (tree / "etc/default/keyboard").read_text() == (
            'XKBMODEL="pc105"\nXKBLAYOUT="us,de"\nXKBVARIANT=",nodeadkeys"\nXKBOPTIONS="ctrl:nocaps"\n\nBACKSPACE="guess"\n'
        )
        assert os.listdir(tree / "etc/console-setup") == []

    @pytest.mark.parametrize(
        ("field", "value"), [("layout", 'de"; x'), ("variant", "a b"), ("model", "$(x)"), ("layout", "")]
    )
    def test_refuses_what_is_no_name(self, load, tree, field, value) -> None:
        with pytest.raises(ValueError, match=field):
            load("debian.keyboard").main(str(tree), {"layout": "de", field: value})
        assert os.listdir(tree) == []


def test_timezone_writes_the_name(load, tree) -> None:
    load("debian.timezone").main(str(tree), {"zone": "Europe/Berlin"})
    assert (tree / "etc/timezone").read_text() == "Europe/Berlin\n"
    with pytest.raises(ValueError, match="zone must be a name"):
        load("debian.timezone").main(str(tree), {"zone": "../x"})
