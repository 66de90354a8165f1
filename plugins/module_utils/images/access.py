# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Who may come in, and who is trusted: sshd, sudo, certificates."""

from __future__ import annotations

from collections.abc import Iterable

from ..blueprint import Sshd
from ..errors import ImageError
from ..manifest import Stage
from .definition import Definition
from .systemfile import SystemFile


def _sshd(wanted: Sshd) -> str:
    """A file for /etc/ssh/sshd_config.d; the first value of a keyword counts (sshd_config(5))."""
    pairs = (
        ("PasswordAuthentication", wanted.password_authentication),
        ("KbdInteractiveAuthentication", wanted.kbd_interactive_authentication),
        ("ClientAliveInterval", wanted.client_alive_interval),
        ("PermitRootLogin", wanted.permit_root_login),
    )
    words = {True: "yes", False: "no"}
    lines = [f"{key} {words[value] if isinstance(value, bool) else value}\n" for key, value in pairs if value is not None]
    return "".join(lines)


def access_files(definition: Definition) -> list[SystemFile]:
    """:raises ImageError: the blueprint configures a server that it excludes."""
    wanted = definition.customizations
    result = []
    if wanted.sshd:
        if "openssh-server" in wanted.debian.exclude:
            raise ImageError("customizations.sshd: openssh-server is in customizations.debian.exclude, so there is nothing to configure")
        # Before 50-cloud-init.conf and others.
        result.append(SystemFile("/etc/ssh/sshd_config.d/10-image.conf", _sshd(wanted.sshd)))
    if wanted.installer and wanted.installer.sudo_nopasswd:
        text = "".join(f"{name} ALL=(ALL:ALL) NOPASSWD: ALL\n" for name in wanted.installer.sudo_nopasswd)
        result.append(SystemFile("/etc/sudoers.d/90-image-nopasswd", text, "0440"))
    for number, certificate in enumerate(wanted.cacerts, start=1):
        result.append(SystemFile(f"/usr/local/share/ca-certificates/image-{number}.crt", certificate))
    return result


def certificate_stages(definition: Definition) -> Iterable[Stage]:
    """After the files."""
    if definition.customizations.cacerts:
        yield Stage("org.osbuild.pki.update-ca-trust")
