# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Passwords of a blueprint: crypt(5) text passes, plain text is hashed at once and kept nowhere."""

from __future__ import annotations

import base64
import hashlib
import re

from .shacrypt import sha512_crypt

# yescrypt, gost-yescrypt, scrypt, bcrypt, sha512, sha256, md5 - what Debian's libcrypt takes, crypt(5).
_CRYPTED = re.compile(r"\$(?:y|gy|7|2[abxy]|6|5|1)\$[^:\s!*;\\]+")
_WEAK = ("$1$",)
# Ten times the scheme's default, since the salt below is predictable; about 0.1 s here, unnoticed at a login.
ROUNDS = 50_000


def is_crypted(text: str) -> bool:
    return _CRYPTED.fullmatch(text) is not None


def is_weak(text: str) -> bool:
    return text.startswith(_WEAK)


def salt(blueprint: str, user: str) -> str:
    """The salt for a user of a blueprint, 96 bits.

    It must not be random: the hash goes into the manifest, and equal blueprints must give equal manifests.  It must
    not be made from the password either: a fast digest of it in the open would let guesses be tried without the
    slow rounds.  Names alone still keep one table of hashes from serving two users or two images; who wants a
    random salt gives a crypted password.
    """
    digest = hashlib.sha256(b"\0".join((b"debian_forge.osbuild password salt", blueprint.encode(), user.encode())))
    return base64.b64encode(digest.digest()[:12], b"./").decode("ascii")


def crypt_password(text: str, blueprint: str, user: str) -> str:
    """crypt(5) text for a plain password."""
    return sha512_crypt(text, salt(blueprint, user), ROUNDS)
