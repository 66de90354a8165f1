# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Find an osbuild engine, run it, follow its monitor, collect what it made.

``bundle``   the engine and its stages as one tree: digest, archive, installation
``engine``   which engine, how it is called, ids by ``--inspect``
``monitor``  the JSON-seq monitor, read as it grows
``run``      one run of an engine
``result``   the engine's result document, and errors as sentences
``artefacts`` exported files: digests, and the way to their destination
``record``   the build record

Only the standard library is used: these files also travel into the job folder (see ``jobs``).
"""
