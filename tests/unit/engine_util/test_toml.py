# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from osbuild.util import toml


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"a": 1, "b": -2, "c": 1.5, "d": True, "e": "text", "f": float("inf"), "g": 1e30},
        {"quotes": 'a"b\\c\n\t\x01\x7f ü€', "key with blank": "x", "": "empty", "ü": 1},
        {"t": {"x": 1, "u": {"y": []}}, "late": 2},
        {"only": {"tables": {"deep": {"x": 1}}}, "empty": {}},
        {"install": [{"name": "a", "sub": {"x": 1}}, {"name": "b"}], "mixed": [1, {"a": [1, 2]}, {}]},
        {"when": datetime.datetime(2026, 1, 2, 3, 4, 5), "day": datetime.date(2026, 1, 2), "at": datetime.time(1, 2)},
    ],
)
def test_what_is_written_reads_back(tmp_path: Path, data: dict[str, Any]) -> None:
    file = tmp_path / "x.toml"
    toml.dump_to_file(data, file)
    assert tomllib.loads(file.read_text()) == data
    assert toml.load_from_file(file) == data


def test_layout_is_that_of_python3_toml(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    toml.dump_to_file(
        {"storage": {"driver": "overlay", "options": {"size": "1G", "stores": ["/a", "/b"]}}, "x": 1},
        file,
        header=["made by", "hand"],
    )
    assert file.read_text() == (
        '# made by\n# hand\n\nx = 1\n\n[storage]\ndriver = "overlay"\n\n'
        '[storage.options]\nsize = "1G"\nstores = [ "/a", "/b",]\n'
    )


def test_bad_value_is_named_and_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("old = 1\n")
    with pytest.raises(TypeError, match="a.b is of type NoneType"):
        toml.dump_to_file({"a": {"b": None}}, file)
    assert file.read_text() == "old = 1\n"


def test_import_without_any_parser_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def import_module(name: str, package: str | None = None) -> Any:
        if name in ("tomllib", "tomli", "toml", "pytoml"):
            raise ModuleNotFoundError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="no TOML module"):
        importlib.reload(toml)
    monkeypatch.undo()
    importlib.reload(toml)
