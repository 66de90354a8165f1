# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The library's exceptions: one family, so that a module needs one ``except`` in ``main()``."""

from __future__ import annotations

from typing import Any


class ForgeError(Exception):
    """Anything a user can mend.

    The message is one clear sentence that names the culprit.  ``result`` holds further values for the
    failure result of an Ansible module (a log path, a stage name, the package that was asked for, ...).
    """

    def __init__(self, message: str, **result: Any) -> None:
        super().__init__(message)
        self.message = message
        self.result: dict[str, Any] = result


class BlueprintError(ForgeError):
    """A blueprint is malformed, or asks for something that Debian images cannot have."""


class PackageError(ForgeError):
    """Package sources could not be verified, a package set could not be solved, or a lock file is unusable."""


class ImageError(ForgeError):
    """Unknown distribution, architecture or image type, or a combination that cannot be built."""


class ContainerError(ForgeError):
    """A container image could not be looked up."""


class ManifestError(ForgeError):
    """A manifest is malformed."""


class EngineError(ForgeError):
    """No usable osbuild engine, or the engine could not do what it was asked (before any stage ran)."""


class BuildError(ForgeError):
    """A build ran and failed."""


class BuildTimeout(BuildError):
    """A build was ended because its wall-clock time was over."""


class StoreBusy(ForgeError):
    """The store, or a job in it, is in use by another process."""


class OstreeError(ForgeError):
    """An OSTree repository, commit or deployment is not as it should be, or the program ostree refused."""


class SignatureError(OstreeError):
    """A commit or summary is not signed by a key that is trusted."""
