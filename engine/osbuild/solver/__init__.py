# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Data of RPM dependency solving that programs written for osbuild import.

This engine solves nothing: manifests for it name their packages by checksum.
"""
