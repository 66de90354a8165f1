# Copyright: 2026 Debian Forge contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine builds."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  engine:
    description:
      - The osbuild engine to use.
      - V(upstream) is the program C(osbuild) on the target's C(PATH), if it is new enough and a library directory with the
        Debian stages lies at C(/usr/lib/debian-forge/upstream).
      - V(embedded) is the engine of this collection, as the role P(debian_forge.osbuild.build_host#role) installs it.
      - V(auto) takes upstream's where it can be used, otherwise the embedded one.
    type: str
    choices: [auto, upstream, embedded]
    default: auto
  libdir:
    description:
      - Use this osbuild library directory on the target instead of the installed one.
    type: path
"""

    JOBS = r"""
options:
  jobs_directory:
    description:
      - Where the job folders lie on the target.
    type: path
    default: /var/lib/debian-forge/jobs
"""
