# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of keys says neither less nor more than the code that reads them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint import load
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint.fields import Table
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint.reference import ALIASES, FIELDS
from ansible_collections.debian_forge.osbuild.plugins.module_utils.blueprint.unsupported import NEVER, generic
from ansible_collections.debian_forge.osbuild.plugins.module_utils.errors import BlueprintError

from tests.support.blueprints import FULL, OTHERS

DOCUMENTED = {field.path for field in FIELDS}
TAKEN_NOT_KEYS = ("customizations.debian.scripts[].environment.",)


def common(path: str) -> str:
    """A path with the Cloud API's tables under our names."""
    for alias, name in ALIASES.items():
        if path.startswith(alias):
            return name + path.removeprefix(alias)
    return path


def is_table(path: str) -> bool:
    return any(other.startswith((f"{path}.", f"{path}[]")) for other in DOCUMENTED)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Paths of the keys that were asked for while blueprints with every key were read."""
    found: set[str] = set()
    plain = Table.take

    def take(self: Table, key: str) -> Any:
        found.add(common(generic(self.at(key))))
        return plain(self, key)

    monkeypatch.setattr(Table, "take", take)
    for content in (FULL, *OTHERS):
        load(copy.deepcopy(content))
    return {path for path in found if not path.startswith(TAKEN_NOT_KEYS)}


def test_every_key_that_is_read_is_in_the_table(taken: set[str]) -> None:
    assert not {path for path in taken if path not in DOCUMENTED and not is_table(path)}


def test_every_key_of_the_table_is_read_or_refused(taken: set[str]) -> None:
    assert not {path for path in DOCUMENTED if path not in taken and path not in NEVER}
    assert {field.path for field in FIELDS if field.verdict == "NO"} == set(NEVER)


def test_each_key_has_one_row_with_a_rule_and_a_meaning() -> None:
    assert len(FIELDS) == len(DOCUMENTED)
    assert not [field.path for field in FIELDS if field.verdict != "NO" and not field.rule]
    assert not [field.path for field in FIELDS if not field.meaning]


@pytest.mark.parametrize("content", [FULL, *OTHERS], ids=lambda content: content["name"])
def test_no_key_of_them_is_unknown(content: dict[str, Any]) -> None:
    assert not [text for text in load(content).warnings if "unknown key" in text]


@pytest.mark.parametrize("path", NEVER)
def test_each_refused_key_gives_the_reason_and_what_to_use(path: str) -> None:
    content: dict[str, Any] = {"name": "x"}
    inner: Any = content
    *tables, key = path.split(".")
    for name in tables:
        if name.endswith("[]"):
            inner = inner.setdefault(name.removesuffix("[]"), [{}])[0]
        else:
            inner = inner.setdefault(name, {})
    inner[key] = {"a": "b"}
    with pytest.raises(BlueprintError) as caught:
        load(content)
    reason, alternative = NEVER[path]
    assert str(caught.value) == f"{path.replace('[]', '[0]')}: not supported on Debian: {reason}; use {alternative}"
    for nothing in ({}, [], "", False, None):
        inner[key] = nothing
        if "repositories" not in path and "openscap" not in path:
            assert load(content).warnings == ()
