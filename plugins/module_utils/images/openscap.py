# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``customizations.openscap``: the first boot evaluates and remediates the system, since oscap(8) looks at a running one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from ..blueprint import FirstbootScript, Openscap
from ..errors import ImageError
from ..manifest import Stage
from .definition import Definition
from .systemfile import SystemFile

_GUIDE = "/usr/share/xml/scap/ssg/content/"
_TAILORING = "/etc/openscap/tailoring.xml"
_RESULTS = "/var/lib/openscap"

_REMEDIATE = """#!/bin/sh
set -eu
mkdir -p {results}
{prepare}status=0
oscap xccdf eval --remediate --profile {profile} {tailoring}--results-arf {results}/results.xml \\
    --report {results}/report.html {datastream} || status=$?
# 2: it was done, and some rules fail even so (oscap(8)).
[ "$status" = 0 ] || [ "$status" = 2 ]
"""


def scap_packages(wanted: Openscap) -> list[str]:
    result = ["openscap-scanner"]
    if wanted.datastream.startswith(f"{_GUIDE}ssg-debian"):
        result.append("ssg-debian")
    elif wanted.datastream.startswith(_GUIDE):
        result.append("ssg-debderived")
    if wanted.tailoring_file:
        # autotailor(8)
        result.append("openscap-utils")
    return result


def _tailored(wanted: Openscap) -> bool:
    return bool(wanted.selected or wanted.unselected or wanted.tailoring_file)


def _profile(wanted: Openscap) -> str:
    """The profile that is evaluated: the tailored one if there is one."""
    if wanted.tailoring_file:
        return wanted.tailored_profile
    return f"{wanted.profile_id}_image" if _tailored(wanted) else wanted.profile_id


def tailoring(wanted: Openscap) -> str:
    """A tailoring file, XCCDF 1.2, 6.8 (NIST IR 7275)."""
    rules = [(rule, "true") for rule in wanted.selected] + [(rule, "false") for rule in wanted.unselected]
    selects = "".join(f"    <select idref={quoteattr(rule)} selected={quoteattr(how)}/>\n" for rule, how in rules)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="xccdf_image_tailoring_image">\n'
        f"  <benchmark href={quoteattr(wanted.datastream)}/>\n"
        # Required, and the same for the same blueprint.
        '  <version time="1970-01-01T00:00:00">1</version>\n'
        f"  <Profile id={quoteattr(_profile(wanted))} extends={quoteattr(wanted.profile_id)}>\n"
        "    <title>Tailored for the image</title>\n"
        f"{selects}  </Profile>\n"
        "</Tailoring>\n"
    )


def scap_files(definition: Definition) -> list[SystemFile]:
    wanted = definition.customizations.openscap
    if wanted is None or not (wanted.selected or wanted.unselected):
        return []
    return [SystemFile(_TAILORING, tailoring(wanted))]


def scap_script(definition: Definition) -> tuple[FirstbootScript, ...]:
    """What the first boot runs.

    :raises ImageError: it is not said which data to use.
    """
    wanted = definition.customizations.openscap
    if wanted is None:
        return ()
    if not wanted.datastream:
        raise ImageError(
            "customizations.openscap.datastream: is required, since Debian's packages have no data for their own release; "
            f"must be a file of package ssg-debian below {_GUIDE}, or one that customizations.files brings"
        )
    prepare = option = ""
    if wanted.tailoring_file:
        source, target = shlex.quote(wanted.tailoring_file), f"{_RESULTS}/tailoring.xml"
        prepare = f"autotailor --json-tailoring {source} --output {target} {shlex.quote(wanted.datastream)}\n"
        option = f"--tailoring-file {target} "
    elif _tailored(wanted):
        option = f"--tailoring-file {_TAILORING} "
    text = _REMEDIATE.format(
        results=_RESULTS,
        prepare=prepare,
        profile=shlex.quote(_profile(wanted)),
        tailoring=option,
        datastream=shlex.quote(wanted.datastream),
    )
    return (FirstbootScript("custom", "openscap-remediation", text),)


def scap_check(definition: Definition) -> Iterable[Stage]:
    """The build fails, not the first boot, if the datastream lacks the profile."""
    wanted = definition.customizations.openscap
    if wanted is None:
        return
    data = shlex.quote(wanted.datastream)
    lost = shlex.quote(f"customizations.openscap.profile_id: {wanted.datastream} has no profile {wanted.profile_id}; it has those above")
    # It lists "ID:TITLE"; its option --profile succeeds for profiles that are not there, too.
    pattern = shlex.quote("^" + re.escape(wanted.profile_id) + ":")
    command = f"oscap info --profiles {data} | grep {pattern} || {{ oscap info --profiles {data}; echo {lost} >&2; exit 1; }}"
    yield Stage("org.osbuild.debian.run", {"commands": [command], "label": "openscap"})
