# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether programs of a Debian architecture run on this machine: by itself, or by an emulator of the kernel's binfmt_misc.

Asked of the kernel itself: the smallest program of that architecture is run with an empty directory as its root, as a
package's script will be with the tree. An emulator registered without the flag F is not found there (the kernel looks
for it below the root), one with it is. Source: elf(5), syscall(2), Documentation/admin-guide/binfmt-misc.rst of Linux.
"""

from __future__ import annotations

import os
import struct
import tempfile
from dataclasses import dataclass

from .errors import StageError

#: Debian architecture of a machine, by its kernel's name.
_NATIVE = {
    "x86_64": "amd64", "i386": "i386", "i486": "i386", "i586": "i386", "i686": "i386", "aarch64": "arm64",
    "armv7l": "armhf", "armv8l": "armhf", "riscv64": "riscv64", "ppc64le": "ppc64el", "s390x": "s390x",
    "loongarch64": "loong64", "mips64": "mips64el",
}


@dataclass(frozen=True)
class Machine:
    """What makes a program of an architecture: e_machine and e_flags of its ELF header, the code of `exit(0)`.

    qemu: the name its emulator goes by.
    """

    number: int
    flags: int
    code: bytes
    qemu: str
    bits: int = 64
    big: bool = False


def _words(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


_MACHINES = {
    "amd64": Machine(62, 0, bytes.fromhex("b83c00000031ff0f05"), "x86_64"),
    "i386": Machine(3, 0, bytes.fromhex("b80100000031dbcd80"), "i386", 32),
    "arm64": Machine(183, 0, _words(0xD2800BA8, 0xD2800000, 0xD4000001), "aarch64"),
    "armhf": Machine(40, 0x05000400, _words(0xE3A07001, 0xE3A00000, 0xEF000000), "arm", 32),
    "armel": Machine(40, 0x05000200, _words(0xE3A07001, 0xE3A00000, 0xEF000000), "arm", 32),
    "riscv64": Machine(243, 5, _words(0x05D00893, 0x00000513, 0x00000073), "riscv64"),
    "ppc64el": Machine(21, 2, _words(0x38000001, 0x38600000, 0x44000002), "ppc64le"),
    "s390x": Machine(22, 0, bytes.fromhex("a72900000a01"), "s390x", big=True),
    "loong64": Machine(258, 0x43, _words(0x0281740B, 0x02800004, 0x002B0000), "loongarch64"),
}
_BASE = 0x10000


def _program(machine: Machine) -> bytes:
    """A static program that ends with status 0."""
    order = ">" if machine.big else "<"
    wide = machine.bits == 64
    header, entry = (64, 56) if wide else (52, 32)
    start = header + entry
    size = start + len(machine.code)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if machine.big else 1, 1]) + bytes(9)
    address = "Q" if wide else "I"
    base = 0x400000 if machine.number == 62 else _BASE
    result = ident + struct.pack(
        f"{order}HHI3{address}IHHHHHH", 2, machine.number, 1, base + start, header, 0, machine.flags, header, entry, 1, 0, 0, 0
    )
    if wide:
        result += struct.pack(f"{order}II6Q", 1, 5, 0, base, base, size, size, 0x10000)
    else:
        result += struct.pack(f"{order}8I", 1, 0, base, base, size, size, 5, 0x10000)
    return result + machine.code


def _runs_in_a_root(program: bytes) -> bool:
    """Run `program` as the only file of its root directory; whether it ran and ended well."""
    with tempfile.TemporaryDirectory(prefix="forge-") as folder:
        path = os.path.join(folder, "probe")
        with open(path, "xb") as file:
            file.write(program)
            os.fchmod(file.fileno(), 0o755)
        child = os.fork()
        if not child:
            try:
                os.chroot(folder)
                os.chdir("/")
                null = os.memfd_create("null")
                os.dup2(null, 2)
                os.execve("/probe", ["/probe"], {})
            finally:
                os._exit(127)
        _pid, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def native() -> str:
    """Debian's name of this machine's architecture; the kernel's where Debian has none."""
    machine = os.uname().machine
    return _NATIVE.get(machine, machine)


def check_runnable(architecture: str) -> None:
    """StageError unless programs of this Debian architecture run on this machine, in a root directory of their own."""
    here = native()
    if architecture == here:
        return
    machine = _MACHINES.get(architecture)
    if machine is None:
        raise StageError(
            f"option architecture is {architecture!r}, which is not this machine's ({here}) and of no known emulator; "
            f"emulated can be {', '.join(sorted(_MACHINES))}"
        )
    if _runs_in_a_root(_program(machine)):
        print(f"programs for {architecture} run on this {here} machine")
        return
    raise StageError(
        f"option architecture is {architecture!r}, whose package scripts cannot run on this machine ({here}): no emulator "
        f"is registered with the kernel that is found from inside the tree. It is after installing qemu-user-static (or "
        f"qemu-user-binfmt) on the host, which registers qemu-{machine.qemu} in binfmt_misc with the flag F; a "
        f"qemu-{machine.qemu}-static in the build root alone does not help, since scripts start programs themselves"
    )
