# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of M(debian_forge.osbuild.build).

The module only starts the build, on a host that owns it.  This half asks how it goes, which also keeps its lease alive,
and shows each stage.  When the controller is interrupted nobody asks any more, and the host ends the build by itself:
a controller that is dying could not be relied on to do it.
"""

from __future__ import annotations

import os
import signal
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils.jobs import report
from ..plugin_utils import controller

_BUILD = "debian_forge.osbuild.build"
_INFO = "debian_forge.osbuild.build_info"
# Looks that may fail in a row (a connection that is down for a moment) before the task gives up.
_PATIENCE = 5


class ActionModule(ActionBase):
    """Starts a build, follows it, and returns what it came to."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        try:
            result.update(self._run(task_vars))
        finally:
            if not self._task.async_val:
                self._remove_tmp_path(self._connection._shell.tmpdir)
        return t.cast("dict[str, t.Any]", result)

    def _run(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        args = dict(self._task.args)
        if args.get("state", "present") != "present":
            return self._module(_BUILD, args, task_vars)
        if not args.get("libdir") and not args.get("bundle_digest"):
            args["bundle_digest"] = controller.digest()
        installed = {}
        if self._flag(args, "install", False) and not args.get("libdir"):
            installed = self._install(args, task_vars)
            if installed.get("failed"):
                return installed
        if self._task.async_val or self._task.check_mode or not self._flag(args, "wait", True):
            if self._task.async_val:
                args.setdefault("wait", True)
            return self._with_install(self._module(_BUILD, args, task_vars, self._task.async_val), installed)
        args["wait"] = False
        # Without our asking the build shall end; only the user may want it otherwise.
        if args.get("detach") is None:
            args["detach"] = False
        started = self._module(_BUILD, args, task_vars)
        if not started.get("failed") and started.get("state") in {"queued", "running"}:
            started = self._follow(started, args, task_vars)
        return self._with_install(started, installed)

    @staticmethod
    def _with_install(result: dict[str, t.Any], installed: dict[str, t.Any]) -> dict[str, t.Any]:
        if installed.get("changed"):
            result["changed"] = True
        return result

    @staticmethod
    def _flag(args: dict[str, t.Any], name: str, default: bool) -> bool:
        value = args.get(name)
        try:
            return default if value is None else bool(boolean(value))
        except TypeError as exc:
            raise AnsibleActionFail(f"{name} is {value!r}; it must be a boolean") from exc

    @staticmethod
    def _number(args: dict[str, t.Any], name: str, default: float) -> float:
        value = args.get(name)
        try:
            return default if value is None else float(value)
        except (TypeError, ValueError) as exc:
            raise AnsibleActionFail(f"{name} is {value!r}; it must be a number of seconds") from exc

    def _module(
        self, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any], in_background: int = 0
    ) -> dict[str, t.Any]:
        found = self._execute_module(
            module_name=name, module_args=args, task_vars=task_vars, wrap_async=bool(in_background)
        )
        return t.cast("dict[str, t.Any]", found)

    def _install(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        wanted = {key: args[key] for key in ("jobs_directory",) if args.get(key)}
        return controller.install(self, wanted, task_vars)

    def _follow(
        self, started: dict[str, t.Any], args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        """Ask until the build has ended; the whole task's result."""
        interval = max(0.2, self._number(args, "poll_interval", 2.0))
        show = self._flag(args, "display_progress", True)
        query: dict[str, t.Any] = {"build_id": started["build_id"], "progress_offset": 0}
        if args.get("jobs_directory"):
            query["jobs_directory"] = args["jobs_directory"]
        host = task_vars.get("inventory_hostname", "localhost")
        if show and started.get("joined"):
            self._say(f"[{host}] joining build {started['build_id']}, which is running")
        failures = 0
        parent = os.getppid()
        while True:
            if os.getppid() != parent:
                # A worker outlives a killed ansible-playbook; to go on asking would keep the build alive for nobody.
                raise AnsibleActionFail(f"the play is gone, so build {started['build_id']} is not waited for any more")
            try:
                answer = self._module(_INFO, query, task_vars)
            except AnsibleConnectionFailure as exc:
                answer = {"unreachable": True, "msg": str(exc)}
            if answer.get("failed") or answer.get("unreachable"):
                failures += 1
                if failures >= _PATIENCE:
                    words = answer.get("msg", "no answer")
                    raise AnsibleActionFail(f"the build {started['build_id']} cannot be looked at any more: {words}")
                time.sleep(interval)
                continue
            failures = 0
            if not answer["builds"]:
                raise AnsibleActionFail(f"the job folder of build {started['build_id']} was taken away while it ran")
            found = answer["builds"][0]
            query["progress_offset"] = found["progress_offset"]
            for step in found.pop("steps", []):
                text = report.line(step)
                if show and text:
                    self._say(f"[{host}] {text}")
            if found["state"] not in {"queued", "running"}:
                return self._outcome(started, found)
            time.sleep(interval)

    def _say(self, text: str) -> None:
        """Show a line.

        A worker that is ended in the middle of it keeps the lock of the queue that leads to the screen, and ansible-playbook, on
        its way out after Ctrl-C, would wait for that for ever.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            self._display.display(text)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @staticmethod
    def _outcome(started: dict[str, t.Any], found: dict[str, t.Any]) -> dict[str, t.Any]:
        error = found.pop("error", None)
        found.pop("progress_offset", None)
        found.pop("progress", None)
        result = {**started, **found}
        if error is not None:
            return {**result, **error, "failed": True, "changed": False}
        title = started["msg"].partition("the build of ")[2].removesuffix(" was running already")
        result["msg"] = f"built {title or started['build_id']} in {result['duration']:.0f} s"
        return result
