# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Languages and keyboards: from a blueprint's spelling to Debian's."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Part of the C library, never generated.
BUILT_IN = frozenset({"C", "POSIX", "C.UTF-8"})

# Console keymaps as blueprints for other distributions name them -> XKB layout and variant (keyboard(5)).
# Only names that differ from their XKB layout.
_KEYMAPS = {
    "be-latin1": ("be", ""),
    "br-abnt": ("br", ""),
    "br-abnt2": ("br", ""),
    "cf": ("ca", ""),
    "croat": ("hr", ""),
    "cz-lat2": ("cz", "qwerty"),
    "cz-qwertz": ("cz", ""),
    "de-latin1": ("de", ""),
    "de-latin1-nodeadkeys": ("de", "nodeadkeys"),
    "de-nodeadkeys": ("de", "nodeadkeys"),
    "de_CH": ("ch", "de"),
    "de_CH-latin1": ("ch", "de"),
    "dk-latin1": ("dk", ""),
    "dvorak": ("us", "dvorak"),
    "fr-latin1": ("fr", "latin9"),
    "fr-latin9": ("fr", "latin9"),
    "fr_CH": ("ch", "fr"),
    "fr_CH-latin1": ("ch", "fr"),
    "is-latin1": ("is", ""),
    "it2": ("it", ""),
    "jp106": ("jp", ""),
    "ko": ("kr", ""),
    "la-latin1": ("latam", ""),
    "no-latin1": ("no", ""),
    "pl2": ("pl", ""),
    "pt-latin1": ("pt", ""),
    "sg": ("ch", "de"),
    "sg-latin1": ("ch", "de"),
    "slovene": ("si", ""),
    "sv-latin1": ("se", ""),
    "trq": ("tr", ""),
    "ua-utf": ("ua", ""),
    "uk": ("gb", ""),
    "us-acentos": ("us", "intl"),
}


def locale_name(language: str) -> str:
    """A locale as the package ``locales`` spells it: ``de_DE`` and ``de_DE.utf8`` are ``de_DE.UTF-8``."""
    if language in ("C", "POSIX"):
        return language
    found = re.fullmatch(r"([^.@]+)(?:\.([^@]+))?(@.+)?", language)
    if found is None:
        return language
    name, codeset, modifier = found[1], found[2], found[3] or ""
    if codeset is None or codeset.lower() in ("utf8", "utf-8"):
        # de_DE alone would be the locale in its old 8-bit encoding, which nobody means.
        codeset = "UTF-8"
    return f"{name}.{codeset}{modifier}"


def locale_names(languages: Iterable[str]) -> list[str]:
    """All of them in Debian's spelling, each once, in the given order."""
    return list(dict.fromkeys(locale_name(language) for language in languages))


def to_generate(languages: Iterable[str]) -> list[str]:
    """Those that have to be generated, which takes the package ``locales``."""
    return [name for name in locale_names(languages) if name not in BUILT_IN]


def keyboard(name: str) -> tuple[str, str]:
    """XKB layout and variant for a keyboard as a blueprint names it."""
    return _KEYMAPS.get(name, (name, ""))


def needs_keyboard_packages(name: str | None) -> bool:
    """The kernel's own keymap is the US one: only others take console-setup."""
    return name is not None and keyboard(name) != ("us", "")
