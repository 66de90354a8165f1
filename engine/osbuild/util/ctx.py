# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Context managers."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def suppress_oserror(*errnos: int) -> Iterator[None]:
    """Swallow an OSError whose errno is one of `errnos`; without any, nothing is swallowed."""
    try:
        yield
    except OSError as error:
        if error.errno not in errnos:
            raise
