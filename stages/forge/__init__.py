# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What the Debian stages share: one file, one job.

Standard library only. A stage sees this package below the library directory that osbuild puts on its path
(`from stages.forge import deb`), in the build root it needs nothing but Python and, for zstd members, `zstd`.
"""
