# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller knows of the collection."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.debian_forge.osbuild.plugins.plugin_utils import controller


def test_the_version_of_this_checkout_is_that_of_galaxy_yml() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-\w+)?", controller.version())


def test_an_installed_collection_knows_its_version_from_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "4.5.6"}}))
    (tmp_path / "galaxy.yml").write_text("version: 1.1.1\n")
    assert controller.version(tmp_path) == "4.5.6"


def test_without_either_the_sentence_names_both(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match=r"MANIFEST\.json and galaxy\.yml"):
        controller.version(tmp_path)


def test_a_collection_without_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="carries no engine"):
        controller.digest(tmp_path)


def test_this_checkout_has_an_engine() -> None:
    assert re.fullmatch("[0-9a-f]{64}", controller.digest())
