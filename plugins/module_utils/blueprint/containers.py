# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[[containers]]`` and ``[customizations.containers-storage]``."""

from __future__ import annotations

import re

from ..containers.model import Container
from .describe import YES, section
from .fields import Table, show, unique
from .paths import canonical

# The distribution project's reference grammar: a host that is recognised by a dot, a port or localhost, lower-case
# path components, a tag, a digest.
_REFERENCE = re.compile(
    r"(?:(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?|[A-Za-z0-9-]+:\d+|localhost)/)?"
    r"[a-z0-9]+(?:(?:[._-]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._-]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_RULE = "an image reference without a transport, such as registry.example.com/team/app:1.2"

FIELDS = section(
    "containers[]",
    (
        "source", YES, "image reference",
        "Image to copy into the system; its digest is looked up when the image is planned, and kept in the lock "
        "file.",
    ),
    ("name", YES, "image reference", "Name it shall have there; by default that of `source`."),
    ("tls-verify", YES, "boolean", "False: do not verify the registry's certificate. Also `tls_verify`."),
    ("tls_verify", YES, "boolean", "The Cloud API's spelling of `tls-verify`."),
    ("local-storage", YES, "boolean", "The image comes from the container storage of the building host. Also `local_storage`."),
    ("local_storage", YES, "boolean", "The Cloud API's spelling of `local-storage`."),
)
STORAGE_FIELDS = section(
    "customizations.containers-storage",
    (
        "destination-path", YES, "absolute path",
        "Where `containers` are stored; storage.conf names it as a further image store. Also `destination_path`.",
    ),
    ("destination_path", YES, "absolute path", "The Cloud API's spelling of `destination-path`."),
)


def read_containers(table: Table) -> tuple[Container, ...]:
    found = []
    for item in table.tables("containers"):
        source = item.required("source", item.text("source", _REFERENCE, _RULE))
        verify = item.either("tls-verify", "tls_verify")
        found.append(
            Container(
                source,
                item.text("name", _REFERENCE, _RULE) or source.partition("@")[0],
                tls_verify=item.boolean(verify, default=True),
                local=item.boolean(item.either("local-storage", "local_storage")),
            )
        )
        if not found[-1].tls_verify:
            item.warn(verify, f"the certificate of the registry of '{source}' is not verified")
        item.close()
    return unique(tuple(found), lambda one: one.name, table.at("containers"), "name")


def read_storage(table: Table | None) -> str:
    """The directory of the image store; empty for podman's own."""
    if table is None:
        return ""
    key = table.either("destination-path", "destination_path")
    path = table.text(key) or ""
    problem = canonical(path) if path else None
    if path == "/" or (path and ":" in path):
        problem = "must be a directory without a colon in its name"
    if problem:
        raise table.error(key, f"{show(path)} {problem}")
    table.close()
    return path
