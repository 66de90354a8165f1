# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Changing a machine's deployments."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from ..errors import OstreeError
from . import deployments, kernelargs
from .deployments import Deployment, Sysroot
from .program import has_admin_command


@dataclass(frozen=True)
class Wish:
    """A commit that shall be what boots next.

    :ivar origin: what upgrades follow, REMOTE:REF; None keeps the checksum as origin.
    :ivar staged: write the boot entries only when the machine goes down.
    :ivar retain: keep deployments that would go.
    """

    osname: str
    commit: str
    origin: str | None = None
    arguments_present: tuple[str, ...] = ()
    arguments_absent: tuple[str, ...] = ()
    staged: bool = False
    retain: bool = False


def _base(found: list[Deployment], osname: str) -> Deployment | None:
    """The deployment whose /etc and kernel arguments a new one takes over, as libostree chooses it."""
    now = deployments.booted(found)
    if now is not None and now.osname == osname:
        return now
    return next((one for one in found if one.osname == osname and not one.staged), None)


def arguments(found: list[Deployment], wish: Wish) -> tuple[str, ...]:
    """Kernel arguments that the deployment shall have."""
    base = _base(found, wish.osname)
    words = base.kernel_arguments if base is not None else ()
    return kernelargs.change(words, wish.arguments_present, wish.arguments_absent)


def is_done(found: list[Deployment], wish: Wish) -> bool:
    """Whether what boots next is what is wanted."""
    if not found:
        return False
    first = found[0]
    if (first.commit, first.osname) != (wish.commit, wish.osname):
        return False
    if wish.origin is not None and first.origin != wish.origin:
        return False
    if first.staged:
        # Its arguments are not written yet, so that they cannot be compared.
        return not (wish.arguments_present or wish.arguments_absent)
    return first.kernel_arguments == kernelargs.change(
        first.kernel_arguments, wish.arguments_present, wish.arguments_absent
    )


def execute(sysroot: Sysroot, found: list[Deployment], wish: Wish) -> None:
    """Deploy; the commit must be in the sysroot's repository."""
    if wish.staged and deployments.booted(found) is None:
        raise OstreeError(
            f"{sysroot.path} is not what this machine was booted from, so nothing can be staged; use state=deployed"
        )
    words = [f"--os={wish.osname}"]
    words += ["--stage"] if wish.staged else []
    words += ["--retain"] if wish.retain else []
    if wish.arguments_present or wish.arguments_absent:
        words += ["--karg-none", *(f"--karg-append={word}" for word in arguments(found, wish))]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".origin") as origin:
        if wish.origin is not None:
            origin.write(f"[origin]\nrefspec={wish.origin}\n")
            origin.flush()
            words.append(f"--origin-file={origin.name}")
        sysroot.admin("deploy", *words, wish.commit)


def pin(sysroot: Sysroot, deployment: Deployment, wanted: bool) -> None:
    sysroot.admin("pin", *([] if wanted else ["--unpin"]), str(deployment.index))


def undeploy(sysroot: Sysroot, deployment: Deployment) -> None:
    sysroot.admin("undeploy", str(deployment.index))


def make_first(sysroot: Sysroot, found: list[Deployment], target: Deployment) -> str:
    """Have the target boot next; returns by what means.

    libostree before 2024 cannot reorder deployments.  There, those before the target go if none of them runs; otherwise
    its commit is deployed anew, with the running one's /etc.
    """
    if has_admin_command("set-default"):
        sysroot.admin("set-default", str(target.index))
        return "set-default"
    before = [one for one in found if one.index < target.index]
    if not any(one.booted or one.pinned for one in before):
        for _one in before:
            sysroot.admin("undeploy", "0")
        return "undeploy"
    words = ["--karg-none", *(f"--karg-append={word}" for word in target.kernel_arguments)]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".origin") as origin:
        origin.write(f"[origin]\nrefspec={target.origin or target.commit}\n")
        origin.flush()
        sysroot.admin(
            "deploy", f"--os={target.osname}", "--retain", f"--origin-file={origin.name}", *words, target.commit
        )
    return "deploy"
