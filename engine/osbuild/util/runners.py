# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What runners do to a fresh build root before they start the stage. All of it changes the running system's ``/``."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def ldconfig(*dirs: str) -> None:
    """Build the cache of shared libraries. Raises subprocess.CalledProcessError.

    With `dirs`, ``/etc/ld.so.conf`` is made to list these; otherwise it is only made to exist.
    """
    subprocess.run(["touch", "/etc/ld.so.conf"], check=True)
    if dirs:
        with open("/etc/ld.so.conf", "w", encoding="utf-8") as conf:
            conf.writelines(f"{directory}\n" for directory in dirs)
    subprocess.run(["ldconfig"], check=True)


def sysusers() -> None:
    """Make the system users of the build root. Prints the tool's output and exits with 1 if that fails."""
    try:
        subprocess.run(["systemd-sysusers"], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stdout.decode("utf-8", "replace"))
        sys.exit(1)


@contextlib.contextmanager
def create_machine_id_if_needed(tree: str = "", keep_empty: bool = False) -> Iterator[None]:
    """Provide ``<tree>/etc/machine-id`` while the context lasts.

    It is deleted at the end even if it was there before (callers count on that: an image must not have one); with
    `keep_empty` an empty file is left.
    """
    path = f"{tree}/etc/machine-id"

    def write(content: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            file.write(content)
        os.chmod(path, 0o444)

    if not os.path.isfile(path):
        if not os.path.isdir(os.path.dirname(path)):
            os.mkdir(os.path.dirname(path), 0o755)
        write("f" * 32 + "\n")
    try:
        yield
    finally:
        os.unlink(path)
        if keep_empty:
            write("")


def tmpfiles() -> None:
    """Make volatile files and directories; failure is of no consequence."""
    subprocess.run(["systemd-tmpfiles", "--create"], check=False)


def nsswitch() -> None:
    """Remove ``/etc/nsswitch.conf``: its modules (systemd, sss) need services that do not run here."""
    with contextlib.suppress(FileNotFoundError):
        os.remove("/etc/nsswitch.conf")


def python_alternatives() -> None:
    """Provide the link that ``/usr/bin/python3`` of RHEL 8 points to."""
    os.makedirs("/etc/alternatives", exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink("/usr/bin/python3.6", "/etc/alternatives/python3")


def sequoia() -> None:
    """Provide the default crypto policies, without which rpm's OpenPGP implementation refuses every key."""
    import shutil

    os.makedirs("/etc/crypto-policies", exist_ok=True)
    shutil.copytree("/usr/share/crypto-policies/back-ends/DEFAULT", "/etc/crypto-policies/back-ends")


def quirks() -> dict[str, str]:
    """Return the environment for the stage: this process' own and what works around known bugs of the machine."""
    env = dict(os.environ)
    if os.uname().machine == "aarch64":
        # qemu-img convert with more coroutines could hang there.
        env["OSBUILD_QEMU_IMG_COROUTINES"] = "1"
    return env


def minimal_passwd() -> None:
    """Provide ``/etc/passwd`` with root alone if there is none."""
    with contextlib.suppress(FileExistsError), open("/etc/passwd", "x", encoding="utf-8") as passwd:
        passwd.write("root:x:0:0:root:/root:/bin/bash")
