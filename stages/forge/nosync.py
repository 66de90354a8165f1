# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Let no program wait for the disk: for this process and all it starts from then on, synchronising does nothing.

What a stage that is interrupted leaves is thrown away, so nobody gains by it; and dpkg is the least of it: each call of
dpkg-divert, update-alternatives, useradd or update-shells synchronises, some of them several times. A filter of system calls
does it, since a preloaded library would have to fit each program of the tree. Source: seccomp(2), linux/audit.h.
"""

from __future__ import annotations

import ctypes
import os
import struct

#: machine -> (AUDIT_ARCH_*, numbers of fsync, fdatasync, sync, syncfs, sync_file_range)
_CALLS = {
    "x86_64": (0xC000003E, (74, 75, 162, 306, 277)),
    "aarch64": (0xC00000B7, (82, 83, 81, 267, 84)),
}
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ARCHITECTURE, _NUMBER = 4, 0  # offsets in struct seccomp_data
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000

_libc = ctypes.CDLL(None, use_errno=True)


def _filter(architecture: int, calls: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """Instructions (code, jump if true, jump if false, operand): errno 0 for `calls`, everything else as ever."""
    count = len(calls)
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        # Programs of another architecture have other numbers.
        (_JUMP_EQUAL, 0, count + 1, architecture),
        (_LOAD, 0, 0, _NUMBER),
        *((_JUMP_EQUAL, count - at, 0, number) for at, number in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO),
    ]


def suppress() -> bool:
    """Do so, for good. False where the machine or the kernel has no way; all works then, but slower."""
    known = _CALLS.get(os.uname().machine)
    if known is None:
        return False
    instructions = _filter(*known)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
    program = ctypes.create_string_buffer(struct.pack("HP", len(instructions), ctypes.addressof(code)))
    # Without no_new_privs, which would change what set-user-ID programs do: as root there is no need of it.
    return bool(_libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), program, 0, 0) == 0)
