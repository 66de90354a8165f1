# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""SELinux labels and configuration."""

from __future__ import annotations

import errno
import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

XATTR_NAME_SELINUX = b"security.selinux"


def parse_config(config_file: Iterable[str]) -> dict[str, str]:
    """Read ``KEY=value`` lines (selinux_config(5)); blank lines and those beginning with ``#`` are skipped."""
    config = {}
    for line in config_file:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, _ignored, value = line.partition("=")
        config[key.strip()] = value.strip()
    return config


def config_get_policy(config: Mapping[str, str]) -> str | None:
    """Return the name of the policy that `config` enables, None if SELinux is off."""
    if config.get("SELINUX") not in ("enforcing", "permissive"):
        return None
    return config.get("SELINUXTYPE")


def setfiles(spec_file: str, root: str, *paths: str, exclude_paths: Sequence[str] | None = None) -> None:
    """Label `paths` (below `root`, to whose text they are appended) as `spec_file` says. Raises CalledProcessError."""
    exclude = [word for path in exclude_paths or [] for word in ("-e", path)]
    for path in paths:
        subprocess.run(["setfiles", "-F", "-r", root, *exclude, spec_file, f"{root}{path}"], check=True)


def getfilecon(path: str | os.PathLike[str]) -> str:
    """Return the label of `path` itself (links are not followed). Raises OSError, ENODATA if there is none."""
    return os.getxattr(path, XATTR_NAME_SELINUX, follow_symlinks=False).decode().strip("\0\n")


def setfilecon(path: str | os.PathLike[str], context: str) -> None:
    """Set the label of `path`. Raises OSError, but not if the file system refuses what is set already."""
    try:
        os.setxattr(path, XATTR_NAME_SELINUX, context.encode(), follow_symlinks=True)
    except OSError as error:
        if error.errno != errno.ENOTSUP or getfilecon(path) != context:
            raise
