# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a stage uses: its arguments, its metadata, and how it reports an exception.

Every stage and every runner imports this file, so it imports next to nothing; the servers
of the other side (`BaseAPI`, `API`) are loaded on first use from `osbuild.apiserver`.
"""

from __future__ import annotations

import contextlib
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from .apiserver import API as API
    from .apiserver import BaseAPI as BaseAPI
    from .util import jsoncomm

__all__ = [
    "API",
    "BaseAPI",
    "arguments",
    "exception_handler",
    "exception_on_path_and_die",
    "exception_to_client",
    "get_exception_from_msg",
    "message_exception_handler",
    "metadata",
]


def __getattr__(name: str) -> Any:
    if name in ("API", "BaseAPI"):
        from . import apiserver

        return getattr(apiserver, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def arguments(path: str = "/run/osbuild/api/arguments") -> Any:
    """The stage's arguments (contract 4.6). FileNotFoundError, json.JSONDecodeError."""
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def metadata(data: dict[str, Any], path: str | os.PathLike[str] = "/run/osbuild/meta") -> None:
    """Report `data` as the stage's metadata; the last call wins (contract 4.7)."""
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, indent=2)


def exception_to_client(e: BaseException, client: jsoncomm.Socket) -> None:
    """Print the traceback and send the exception to the engine, which does not answer."""
    import traceback

    traceback.print_exception(type(e), e, e.__traceback__, file=sys.stderr)
    client.send(
        {
            "method": "exception",
            "exception": {
                "type": type(e).__name__,
                "value": str(e),
                "traceback": "".join(traceback.format_tb(e.__traceback__)),
            },
        }
    )


def exception_on_path_and_die(e: BaseException, path: str = "/run/osbuild/api/osbuild") -> NoReturn:
    """Report `e` at the address `path` and leave with status 2."""
    from .util import jsoncomm

    with jsoncomm.Socket.new_client(path) as client:
        exception_to_client(e, client)
    sys.exit(2)


@contextlib.contextmanager
def exception_handler(path: str = "/run/osbuild/api/osbuild") -> Iterator[None]:
    """Report an exception of the body to the engine and leave with status 2; SystemExit passes."""
    try:
        yield
    except Exception as e:
        exception_on_path_and_die(e, path)


@contextlib.contextmanager
def message_exception_handler(client: jsoncomm.Socket) -> Iterator[None]:
    """Send an exception of the body to `client` and go on."""
    try:
        yield
    except Exception as e:
        exception_to_client(e, client)


def get_exception_from_msg(msg: Any) -> dict[str, Any] | None:
    """The error a message reports, as it stands in a stage's result, or None if it reports none."""
    if not isinstance(msg, dict) or msg.get("method") != "exception":
        return None
    return {"type": "exception", "data": msg["exception"]}
