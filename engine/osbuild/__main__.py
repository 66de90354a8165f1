# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""`python3 -m osbuild`."""

import sys

from .main_cli import osbuild_cli

if __name__ == "__main__":
    sys.exit(osbuild_cli(own_process=True))
