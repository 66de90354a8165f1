# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""All keys of a blueprint, collected from the code that reads them; ``docs/blueprint-reference.md`` is made from it."""

from __future__ import annotations

from . import (
    access,
    accounts,
    archive,
    buildwork,
    containers,
    customizations,
    debian,
    disk,
    firewall,
    firstboot,
    network,
    nodes,
    ostree,
    repositories,
    unsupported,
    upkeep,
)
from .describe import Field
from .load import FIELDS as _LOAD

#: In the order people read them.
FIELDS: tuple[Field, ...] = (
    *_LOAD,
    *containers.FIELDS,
    *customizations.FIELDS,
    *accounts.FIELDS,
    *firewall.FIELDS,
    *access.FIELDS,
    *nodes.FIELDS,
    *disk.FIELDS,
    *repositories.FIELDS,
    *firstboot.FIELDS,
    *containers.STORAGE_FIELDS,
    *debian.FIELDS,
    *archive.FIELDS,
    *buildwork.FIELDS,
    *network.FIELDS,
    *upkeep.FIELDS,
    *ostree.FIELDS,
    *unsupported.FIELDS,
)

#: Tables that are read as others are: the Cloud API's spelling -> ours.
ALIASES = {
    "customizations.users[]": "customizations.user[]",
    "customizations.groups[]": "customizations.group[]",
    "customizations.containers[]": "containers[]",
    "customizations.custom_repositories[]": "customizations.repositories[]",
    "customizations.debian.preseed[]": "customizations.debian.debconf[]",
}
