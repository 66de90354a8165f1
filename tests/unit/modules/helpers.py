# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's ``main()`` in this process, and read its documentation with the fragments."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from pathlib import Path
from typing import Any
from unittest import mock

import ansible.module_utils
import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

REPO = Path(__file__).parents[3]
COLLECTION = "ansible_collections.debian_forge.osbuild.plugins"
MODULES = sorted(path.stem for path in (REPO / "plugins" / "modules").glob("*.py") if path.stem != "__init__")


def module(name: str) -> Any:
    return importlib.import_module(f"{COLLECTION}.modules.{name}")


def _as_on_a_host() -> contextlib.AbstractContextManager[object]:
    """A module's warnings belong into its result, but ansible-core shows them itself where the controller's code is loaded."""
    internal = getattr(ansible.module_utils, "_internal", None)
    return contextlib.nullcontext() if internal is None else mock.patch.object(internal, "is_controller", False)


def run(name: str, check: bool = False, diff: bool = False, **args: Any) -> dict[str, Any]:
    """The result of a module; a failure is a result with ``failed``."""
    options = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
    output = io.StringIO()
    with (
        patch_module_args({**args, **options}),
        contextlib.redirect_stdout(output),
        pytest.raises(SystemExit),
        _as_on_a_host(),
    ):
        module(name).main()
    return json.loads(output.getvalue())  # type: ignore[no-any-return]


def fragment(name: str) -> dict[str, Any]:
    file, _ignored, part = name.removeprefix("debian_forge.osbuild.").partition(".")
    found = importlib.import_module(f"{COLLECTION}.doc_fragments.{file}").ModuleDocFragment
    return yaml.safe_load(getattr(found, (part or "documentation").upper()))  # type: ignore[no-any-return]


def documentation(name: str) -> dict[str, Any]:
    """A module's documentation, fragments merged in as ansible-doc does."""
    found: dict[str, Any] = yaml.safe_load(module(name).DOCUMENTATION)
    for one in found.get("extends_documentation_fragment", []):
        more = fragment(one)
        for key in ("options", "attributes"):
            for option, text in more.get(key, {}).items():
                found.setdefault(key, {})[option] = {**text, **found.get(key, {}).get(option, {})}
    return found


def argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a module's ``main()`` gives to AnsibleModule."""
    seen: dict[str, Any] = {}

    class Seen(Exception):
        pass

    def catch(**values: Any) -> None:
        seen.update(values)
        raise Seen

    monkeypatch.setattr(module(name), "AnsibleModule", catch)
    with pytest.raises(Seen):
        module(name).main()
    return seen
