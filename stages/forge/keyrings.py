# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Archive keys in a tree: armoured or binary OpenPGP keyrings where apt looks for them. Source: apt-secure(8)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import StageError

#: Directory below the tree by the value of the option `directory`.
DIRECTORIES = {"keyrings": "etc/apt/keyrings", "trusted.gpg.d": "etc/apt/trusted.gpg.d"}
_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def check_name(what: str, name: str) -> str:
    """`name` if it can be a file's name in apt's directories, else StageError."""
    if not _NAME.fullmatch(name):
        raise StageError(
            f"{what} {name!r} is no usable file name: letters, digits and -, _, ., + are allowed, a letter or digit first"
        )
    return name


def armoured(what: str, key: str) -> bytes:
    """The key block as a file, checked to be one. StageError otherwise."""
    text = key.strip()
    if not text.startswith(_BEGIN) or not text.endswith(_END):
        raise StageError(f"{what} is not an armoured public key: it must start with {_BEGIN!r} and end with {_END!r}")
    return (text + "\n").encode("utf-8")


def plan(keyrings: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Files below the tree for a stage's option `keyrings`. StageError naming the entry."""
    files: dict[str, bytes] = {}
    for keyring in keyrings:
        name = check_name("keyring name", keyring["name"])
        stem = name.removesuffix(".asc").removesuffix(".gpg")
        if ("key" in keyring) == ("data" in keyring):
            raise StageError(f"keyring {name}: exactly one of key (armoured text) and data (base64) is allowed")
        if "key" in keyring:
            suffix, content = ".asc", armoured(f"key of keyring {name}", keyring["key"])
        else:
            try:
                suffix, content = ".gpg", base64.b64decode(keyring["data"], validate=True)
            except binascii.Error:
                raise StageError(f"data of keyring {name} is not base64") from None
            if not content or not content[0] & 0x80:
                raise StageError(f"data of keyring {name} is not a binary OpenPGP keyring")
        path = f"{DIRECTORIES[keyring.get('directory', 'keyrings')]}/{stem}{suffix}"
        if path in files:
            raise StageError(f"keyring {name} is given twice")
        files[path] = content
    return files
