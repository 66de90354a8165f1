# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules for OSTree share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description: The repository on the target.
    type: path
    required: true
    aliases: [repo]
requirements:
  - ostree
"""

    SIGNING = r"""
options:
  gpg_home:
    description:
      - A GnuPG home directory on the target with the secret key to sign with. The key must need no passphrase, or its agent
        must have it.
    type: path
  gpg_key:
    description:
      - Fingerprint, id or user id of the key in O(gpg_home). By default the only secret key there is.
    type: str
requirements:
  - gpg
"""

    SYSROOT = r"""
options:
  sysroot:
    description: The file system that holds the deployments.
    type: path
    default: /
  osname:
    description: The name of the system among the deployments (stateroot). By default that of the running one, or the only one.
    type: str
    aliases: [stateroot]
requirements:
  - ostree
"""
