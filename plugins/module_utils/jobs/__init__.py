# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""Builds that belong to the host and not to the connection that started them.

``folder``     the job folder: state, progress, log, lease, result
``owner``      the process that owns a job: a transient unit, or a session leader
``supervisor`` what that process does: run the engine, watch time-out, lease and cancellation, deliver the result
``archive``    the supervisor as a single file, which outlives the module that wrote it
``control``    start or join, wait for, cancel, list, prune
"""
