# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules show of their parameters, and who may read what they write."""

from __future__ import annotations

import json

import pytest
from ansible_collections.debian_forge.osbuild.plugins.module_utils import arguments, plan

SOURCE = {"uris": ["https://deb.example.com/debian"], "suites": ["trixie"], "components": ["main"]}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a"},
        'name = "a"\n[[customizations.user]]\npassword = "hunter2"\n',
        'customizations.user = [{name = "a", password = "hunter2"}]',
        '{"customizations": {"user": [{"name": "a", "password": "hunter2"}]}}',
    ],
)
def test_a_blueprint_is_mentioned_but_not_repeated(value: object) -> None:
    shown = arguments.invocation({"blueprint": value, "image_type": "raw"})["module_args"]
    assert shown["image_type"] == "raw"
    assert shown["blueprint"].startswith("(a ") and "hunter2" not in shown["blueprint"]


def test_a_blueprints_path_is_shown() -> None:
    assert arguments.invocation({"blueprint": "/srv/web.toml"})["module_args"]["blueprint"] == "/srv/web.toml"


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ({"mode": "0644", "url": "https://deb.example.com/debian/a@b"}, 0o644),
        ({"users": {"a": {"password": "$6$x$y"}}}, 0o600),
        ({"path": "/etc/key", "mode": "0600"}, 0o600),
        ({"path": "/etc/key", "mode": "0640"}, 0o600),
        ({"url": "https://me:hunter2@deb.example.com/debian"}, 0o600),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_manifest_with_secrets_is_for_its_owner_only(content: object, mode: int, indent: int | None) -> None:
    assert arguments.file_mode(json.dumps(content, indent=indent).encode()) == mode


def test_an_expired_release_is_accepted_only_where_the_task_says_so() -> None:
    sources = plan.parse_sources([SOURCE, {**SOURCE, "check_valid_until": False}])
    assert sources is not None and [source.check_valid_until for source in sources] == [True, False]
