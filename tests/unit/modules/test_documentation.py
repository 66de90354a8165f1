# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is documented is what is accepted; roles' defaults are those of their specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import MODULES, REPO, argument_spec, documentation, module

ROLES = sorted(path.name for path in (REPO / "roles").iterdir() if (path / "meta" / "argument_specs.yml").exists())


def differences(documented: dict[str, Any], accepted: dict[str, Any], where: str = "") -> list[str]:
    found = [f"{where}{name} is documented only" for name in sorted(set(documented) - set(accepted))]
    found += [f"{where}{name} is accepted only" for name in sorted(set(accepted) - set(documented))]
    for name in sorted(set(documented) & set(accepted)):
        text, spec = documented[name], accepted[name]
        for key in ("type", "default", "choices", "elements", "aliases"):
            if text.get(key) != spec.get(key):
                found.append(f"{where}{name}.{key}: {text.get(key)!r} is documented, {spec.get(key)!r} is accepted")
        if bool(text.get("required")) != bool(spec.get("required")):
            found.append(f"{where}{name}.required differs")
        found += differences(text.get("suboptions") or {}, spec.get("options") or {}, f"{where}{name}.")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_options_are_documented_as_they_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = argument_spec(name, monkeypatch)
    assert differences(documentation(name)["options"], seen["argument_spec"]) == []
    assert seen["supports_check_mode"] is True


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_documented_completely(name: str) -> None:
    text = documentation(name)
    assert text["module"] == name and text["version_added"] and text["short_description"]
    for wanted in ("check_mode", "diff_mode", "idempotent", "platform", "action_group"):
        assert text["attributes"][wanted]["support"], wanted
    examples = yaml.safe_load(module(name).EXAMPLES)
    assert module(name).EXAMPLES.lstrip().startswith("---") and all(task["name"] for task in examples)
    returned = yaml.safe_load(module(name).RETURN)
    incomplete = [key for key, one in returned.items() if not {"description", "returned", "type"} <= set(one)]
    assert incomplete == []
    assert [key for key, one in returned.items() if "sample" not in one and "contains" not in one] == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_options_that_exist(name: str) -> None:
    for task in yaml.safe_load(module(name).EXAMPLES):
        for key, args in task.items():
            if key.startswith("debian_forge.osbuild."):
                options = documentation(key.rpartition(".")[2])["options"]
                names = set(options) | {alias for one in options.values() for alias in one.get("aliases", [])}
                assert set(args or {}) <= names, key


def test_the_action_group_has_every_module() -> None:
    runtime = yaml.safe_load((REPO / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["osbuild"]) == MODULES


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_defaults_are_those_of_its_spec(role: str) -> None:
    specs = yaml.safe_load((REPO / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((REPO / "roles" / role / "defaults" / "main.yml").read_text())
    options = specs["main"]["options"]
    assert {name: one.get("default") for name, one in options.items() if "default" in one} == defaults
    assert all(name.startswith(f"{role}_") for name in options)
    assert all(one["description"] and one["type"] for one in options.values())


@pytest.mark.parametrize("path", sorted((REPO / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_the_playbooks_header_names_its_variables(path: Path) -> None:
    header = path.read_text().partition("- name:")[0]
    options = yaml.safe_load(path.read_text())[0]["vars"][f"__{path.stem}_options"]
    assert options
    for name in options:
        assert f"#   {name} " in header, name
