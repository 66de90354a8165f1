# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Ed25519 keys as ostree writes them, used through openssl(1). No secret is ever an argument or on a disk.

A secret key is the base64 form of seed and public key (64 bytes), a public key that of its 32 bytes: ostree-sign(1).
"""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
from dataclasses import dataclass

from .errors import StageError

# RFC 8410: what stands before the 32 bytes in PKCS #8 and in a SubjectPublicKeyInfo.
_PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC_SIZE = 44


def _openssl(*args: str, data: bytes = b"", keep: tuple[int, ...] = ()) -> bytes:
    try:
        result = subprocess.run(["openssl", *args], input=data, capture_output=True, check=False, pass_fds=keep)
    except FileNotFoundError:
        raise StageError("the build root has no `openssl` program, which Ed25519 keys need; install the package openssl there") from None
    if result.returncode != 0:
        raise StageError(f"openssl {args[0]} failed: {result.stderr.decode('utf-8', 'replace').strip()}")
    return result.stdout


@dataclass(frozen=True, repr=False)
class Key:
    """A secret key."""

    seed: bytes
    public: bytes

    @classmethod
    def generate(cls) -> Key:
        return cls.of_seed(os.urandom(32))

    @classmethod
    def of_seed(cls, seed: bytes) -> Key:
        encoded = _openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=_PRIVATE + seed)
        if len(encoded) != _PUBLIC_SIZE:
            raise StageError("openssl gave no Ed25519 public key")
        return cls(seed, encoded[-32:])

    @classmethod
    def read(cls, path: str, option: str) -> Key:
        """The key in a file as `genkey` writes it. StageError naming `option`; the content is never shown."""
        try:
            with open(path, "rb") as file:
                raw = base64.b64decode(file.read(1024).strip(), validate=True)
        except FileNotFoundError:
            raise StageError(f"{option}: there is no such file") from None
        except OSError as error:
            raise StageError(f"{option}: {error.strerror}") from None
        except binascii.Error:
            raise StageError(f"{option}: the file is no Ed25519 secret key: it must be one line of base64") from None
        if len(raw) != 64:
            raise StageError(f"{option}: an Ed25519 secret key has 64 bytes, this one has {len(raw)}")
        key = cls.of_seed(raw[:32])
        if key.public != raw[32:]:
            raise StageError(f"{option}: the halves of the Ed25519 secret key do not belong together")
        return key

    def public_text(self) -> str:
        return base64.b64encode(self.public).decode()

    def secret_text(self) -> str:
        return base64.b64encode(self.seed + self.public).decode()

    def sign(self, path: str) -> bytes:
        """The signature (64 bytes) over the content of a file."""
        body = base64.b64encode(_PRIVATE + self.seed)
        fd = os.memfd_create("key")
        try:
            os.write(fd, b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n")
            return _openssl("pkeyutl", "-sign", "-rawin", "-inkey", f"/proc/self/fd/{fd}", "-in", path, keep=(fd,))
        finally:
            os.close(fd)
