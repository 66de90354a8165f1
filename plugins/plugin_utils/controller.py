# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller knows of this collection: its version, and the engine that it carries.

Private to the collection's action plugins.
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail

from ..module_utils.driver import bundle
from ..module_utils.errors import EngineError

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]


def version(root: Path = ROOT) -> str:
    """The collection's version: from MANIFEST.json where it was installed, from galaxy.yml in a checkout."""
    try:
        return str(json.loads((root / "MANIFEST.json").read_bytes())["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        pass
    try:
        found = re.search(
            r"^version:\s*[\"']?([^\s\"'#]+)", (root / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        found = None
    if found is None:
        raise AnsibleActionFail(
            f"the collection in {root} does not tell its version: MANIFEST.json and galaxy.yml are missing"
        )
    return found.group(1)


def digest(root: Path = ROOT) -> str:
    """The digest of the collection's engine and stages."""
    try:
        return bundle.digest(root / "engine")
    except (EngineError, OSError) as exc:
        raise AnsibleActionFail(f"the collection in {root} carries no engine: {exc}") from exc


def install(plugin: ActionBase, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """Install the engine on the target: ask whether it is needed, and only then send the archive."""
    wanted = dict(args)
    if wanted.get("state", "present") == "present" and not wanted.get("archive"):
        wanted.setdefault("version", version())
        wanted.setdefault("digest", digest())
    name = "debian_forge.osbuild.engine"
    result = plugin._execute_module(module_name=name, module_args=wanted, task_vars=task_vars)
    if result.get("failed") or not result.pop("needs_archive", False):
        return t.cast("dict[str, t.Any]", result)
    tmp = plugin._connection._shell.tmpdir or plugin._make_tmp_path()
    remote = plugin._connection._shell.join_path(tmp, "engine.tar.gz")
    plugin._transfer_data(remote, bundle.pack(ROOT / "engine"))
    plugin._fixup_perms2((tmp, remote))
    module_args = {**wanted, "archive": remote}
    return t.cast(
        "dict[str, t.Any]", plugin._execute_module(module_name=name, module_args=module_args, task_vars=task_vars)
    )
