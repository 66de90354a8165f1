# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""SHA-512 crypt, "$6$" of crypt(5), after Ulrich Drepper's public "Unix crypt using SHA-256 and SHA-512".

In pure Python because Python 3.13 dropped ``crypt``, and a helper program would need the password on a pipe or,
worse, among its arguments.
"""

from __future__ import annotations

import hashlib

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DEFAULT_ROUNDS = 5000


def _sequence(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _encode(digest: bytes) -> str:
    # Bytes are taken in threes; the first index of each three runs through 0..20, the others follow by 21 and 42.
    text = []
    for step in range(21):
        order = [step, step + 21, step + 42]
        order = order[step % 3 :] + order[: step % 3]
        value = digest[order[0]] << 16 | digest[order[1]] << 8 | digest[order[2]]
        text += [_ALPHABET[value >> shift & 0x3F] for shift in (0, 6, 12, 18)]
    text += [_ALPHABET[digest[63] & 0x3F], _ALPHABET[digest[63] >> 6]]
    return "".join(text)


def sha512_crypt(password: str, salt: str, rounds: int = _DEFAULT_ROUNDS) -> str:
    """The crypt(5) text.  ``salt``: up to 16 characters of ``[./0-9A-Za-z]``; ``rounds``: 1000..999999999."""
    if not salt or len(salt) > 16 or not set(salt) <= set(_ALPHABET):
        raise ValueError("the salt must be 1 to 16 characters of [./0-9A-Za-z]")
    if not 1000 <= rounds <= 999_999_999:
        raise ValueError("rounds must be in 1000..999999999")
    secret, pepper = password.encode(), salt.encode()
    other = hashlib.sha512(secret + pepper + secret).digest()
    start = hashlib.sha512(secret + pepper + _sequence(other, len(secret)))
    length = len(secret)
    while length:
        start.update(other if length & 1 else secret)
        length >>= 1
    digest = start.digest()
    # One object per repetition rather than secret * len(secret): long passwords stay cheap in memory.
    many = hashlib.sha512()
    for _ignored in range(len(secret)):
        many.update(secret)
    p = _sequence(many.digest(), len(secret))
    s = _sequence(hashlib.sha512(pepper * (16 + digest[0])).digest(), len(pepper))
    for number in range(rounds):
        step = hashlib.sha512(p if number & 1 else digest)
        if number % 3:
            step.update(s)
        if number % 7:
            step.update(p)
        step.update(digest if number & 1 else p)
        digest = step.digest()
    prefix = "" if rounds == _DEFAULT_ROUNDS else f"rounds={rounds}$"
    return f"$6${prefix}{salt}${_encode(digest)}"
