# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Units that run a script at a machine's first boot, once.

They look for a stamp of their own: ConditionFirstBoot= of systemd.unit(5) does not hold on a system whose
/etc/machine-id is an empty file, as images have it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..blueprint import FirstbootScript
from .definition import Definition
from .openscap import scap_script
from .systemfile import SystemFile

_DIRECTORY = "/usr/local/lib/firstboot"
_STAMPS = "/var/lib/firstboot"

_UNIT = """[Unit]
Description=First boot: {name}
ConditionPathExists=!{stamp}
Wants=network-online.target
After={after}
{more}
[Service]
Type=oneshot
ExecStart={dash}{script}
ExecStartPost=/bin/mkdir -p {stamps}
ExecStartPost=/bin/touch {stamp}
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""

# The key is a parameter of its own file, so that no other process sees it on a command line.
_CALLBACK = """#!/bin/sh
set -eu
exec curl --fail --silent --show-error --location --retry 10 --retry-delay 30 --retry-connrefused \\
    {cacert}--data-urlencode host_config_key@{key} {url}
"""


def first_boot(definition: Definition) -> tuple[FirstbootScript, ...]:
    """All scripts, in their order."""
    return (*definition.customizations.firstboot, *scap_script(definition))


def _unit(script: FirstbootScript) -> str:
    return f"firstboot-{script.name}.service"


def first_boot_units(definition: Definition) -> list[str]:
    return [_unit(script) for script in first_boot(definition)]


def _unit_text(script: FirstbootScript, before: Sequence[FirstbootScript]) -> str:
    after = ["network-online.target", *script.after]
    more = []
    if before:
        # In the given order; what must succeed and does not keeps back those that follow.
        after.append(_unit(before[-1]))
        if not before[-1].ignore_failure:
            more.append(f"Requires={_unit(before[-1])}")
    if script.before:
        more.append(f"Before={' '.join(script.before)}")
    return _UNIT.format(
        name=script.name,
        stamp=f"{_STAMPS}/{script.name}",
        stamps=_STAMPS,
        after=" ".join(after),
        more="".join(f"{line}\n" for line in more),
        dash="-" if script.ignore_failure else "",
        script=f"{_DIRECTORY}/{script.name}",
    )


def _script_files(script: FirstbootScript) -> list[SystemFile]:
    path = f"{_DIRECTORY}/{script.name}"
    if script.type == "custom":
        text = script.contents if script.contents.startswith("#!") else f"#!/bin/sh\n{script.contents}"
        return [SystemFile(path, text if text.endswith("\n") else f"{text}\n", "0700")]
    files = [SystemFile(f"{path}.key", script.key, "0600")]
    cacert = ""
    if script.cacerts:
        files.append(SystemFile(f"{path}.pem", "".join(script.cacerts)))
        cacert = f"--cacert {path}.pem "
    text = _CALLBACK.format(cacert=cacert, key=f"{path}.key", url=shlex.quote(script.url))
    return [SystemFile(path, text, "0700"), *files]


def first_boot_files(definition: Definition) -> list[SystemFile]:
    result: list[SystemFile] = []
    scripts = first_boot(definition)
    for number, script in enumerate(scripts):
        result += _script_files(script)
        result.append(SystemFile(f"/etc/systemd/system/{_unit(script)}", _unit_text(script, scripts[:number])))
    return result
