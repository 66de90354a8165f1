# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Copying the images of a stage's inputs with skopeo(1)."""

from __future__ import annotations

import os
import subprocess

POLICY = "/etc/containers/policy.json"


def copy(source: str, destination: str, *, remove_signatures: bool = False) -> None:
    """Copy one image. Raises CalledProcessError; skopeo has printed the reason.

    Where the build root has a signature policy it holds. Without one skopeo would refuse to do anything; the images
    of inputs were checked against their digests when they were fetched.
    """
    command = ["skopeo"]
    if not os.path.exists(POLICY):
        command.append("--insecure-policy")
    command.append("copy")
    if remove_signatures:
        command.append("--remove-signatures")
    # skopeo keeps its temporary files there.
    os.makedirs("/var/tmp", exist_ok=True)
    subprocess.run([*command, source, destination], check=True)
