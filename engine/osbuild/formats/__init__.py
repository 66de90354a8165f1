# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Manifest formats: each module reads one version of manifest into the model of `osbuild.pipeline`.

A format has `VERSION`, `validate(manifest, index)`, `load(manifest, index)`, `describe(manifest)` and
`output(manifest, result, store)`.
"""
