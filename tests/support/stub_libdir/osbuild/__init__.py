# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine for tests of what drives engines: real command line, monitor and result, no sandbox and no stages."""

__version__ = "191"
