# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""``[customizations.debian.ostree]``: what the image types ``ostree-*`` are told beside the system itself."""

from __future__ import annotations

import re

from .describe import YES, section
from .fields import Table, show
from .ostreemodel import OSTree, OSTreeParent, OSTreeRemote, OSTreeSign
from .paths import canonical

# libostree's own rule for refs; a remote's and a stateroot's name are one part of it.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REF = re.compile(rf"{_PART}(?:/{_PART})*")
_NAME = re.compile(_PART)
_COMMIT = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"(?:https?|file)://[^\s]+")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]*")
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

FIELDS = section(
    "customizations.debian.ostree",
    ("ref", YES, "words joined by `/`", "Branch of the commit; by default made of distribution, architecture and name."),
    ("osname", YES, "name", "Stateroot of the deployment; by default `debian`."),
    ("remote.name", YES, "name", "Where machines look for updates."),
    ("remote.url", YES, "URL", "Its address."),
    ("remote.gpg_keys", YES, "array of armoured keys", "What its commits are signed with; none: not verified, with a warning."),
    ("remote.gpg_key_paths", YES, "array of paths", "The same, as files of the machine."),
    ("parent.url", YES, "URL", "Repository with the commit before this one."),
    ("parent.commit", YES, "64 hex digits", "That commit."),
    ("parent.gpg_keys", YES, "array of armoured keys", "What it is signed with."),
    ("sign.gpg_key_file", YES, "absolute path on the building host", "Private key that signs the commit; never in the manifest."),
    ("sign.gpg_key_checksum", YES, "`sha256:HEX`", "Its checksum."),
    ("sign.gpg_key_id", YES, "fingerprint or address", "Which of the file's keys."),
)


def read_ostree(table: Table | None) -> OSTree | None:
    if table is None:
        return None
    found = OSTree(
        ref=table.text("ref", _REF, "words of letters, digits, '.', '_' and '-', joined by '/'") or "",
        osname=table.text("osname", _NAME, "a name of letters, digits, '.', '_' and '-'") or "debian",
        remote=_remote(table.table("remote")),
        parent=_parent(table.table("parent")),
        sign=_sign(table.table("sign")),
    )
    table.close()
    return found


def _keys(table: Table) -> tuple[str, ...]:
    keys = table.texts("gpg_keys")
    for number, key in enumerate(keys):
        if _ARMOUR not in key:
            raise table.error(f"gpg_keys[{number}]", f"must be an armoured public key, which has the line {_ARMOUR}")
    return keys


def _url(table: Table) -> str:
    return table.required("url", table.text("url", _URL, "an http, https or file URL"))


def _remote(table: Table | None) -> OSTreeRemote | None:
    if table is None:
        return None
    paths = table.texts("gpg_key_paths")
    for number, path in enumerate(paths):
        if problem := canonical(path):
            raise table.error(f"gpg_key_paths[{number}]", f"{show(path)} {problem}")
        if "," in path or ";" in path:
            raise table.error(f"gpg_key_paths[{number}]", f"{show(path)} has a ',' or ';', which separate paths there")
    name = table.required("name", table.text("name", _NAME, "a name of letters, digits, '.', '_' and '-'"))
    remote = OSTreeRemote(name, _url(table), _keys(table), paths)
    if not remote.gpg_keys and not paths:
        table.warn("gpg_keys", f"without keys, machines do not verify what they get from remote '{name}'")
    table.close()
    return remote


def _parent(table: Table | None) -> OSTreeParent | None:
    if table is None:
        return None
    commit = table.required("commit", table.text("commit", _COMMIT, "the id of a commit, 64 hex digits"))
    parent = OSTreeParent(_url(table), commit, _keys(table))
    table.close()
    return parent


def _sign(table: Table | None) -> OSTreeSign | None:
    if table is None:
        return None
    path = table.required("gpg_key_file", table.text("gpg_key_file"))
    if problem := canonical(path):
        raise table.error("gpg_key_file", f"{show(path)} {problem}")
    checksum = table.required(
        "gpg_key_checksum", table.text("gpg_key_checksum", _SHA256, "sha256: and 64 hex digits (sha256sum(1))")
    )
    key_id = table.text("gpg_key_id", _KEY_ID, "a key's fingerprint or the address of its owner") or ""
    table.close()
    return OSTreeSign(path, checksum, key_id)
