# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that modules written for osbuild import, and how they are called: `data/signatures.txt`, below the package osbuild."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from pathlib import Path
from typing import Any

import pytest

LINES = (Path(__file__).parent / "data" / "signatures.txt").read_text().splitlines()


@pytest.fixture(autouse=True)
def template_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One module needs a package that hardly any host has."""
    package, module = types.ModuleType("mako"), types.ModuleType("mako.template")
    package.template = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mako", package)
    monkeypatch.setitem(sys.modules, "mako.template", module)


def find(name: str) -> Any:
    words = name.split(".")
    for i in range(len(words), -1, -1):
        module = ".".join(["osbuild", *words[:i]])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            assert module.startswith(str(error.name)), f"{module} needs {error.name}"
            continue
        for word in words[i:]:
            found = getattr(found, word)
        return found
    raise AssertionError(name)


OURS = ("consume", "job", "kept")


@pytest.mark.parametrize("line", LINES)
def test_name_is_there_and_is_called_so(line: str) -> None:
    name, paren, parameters = line.partition("(")
    found = find(name)
    if not paren:
        return
    signature = inspect.signature(found)
    # What only this engine knows is optional and comes last, so that nobody who calls as before notices.
    ours = [each for each in signature.parameters.values() if each.name in OURS and each.name not in parameters]
    assert all(each.default is not each.empty for each in ours)
    assert not ours or list(signature.parameters.values())[-len(ours):] == ours
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values() if each not in ours]
    assert str(inspect.Signature(bare)) == f"({parameters}"
