# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""What a stage uses: its arguments, its metadata, and how it reports an exception.

Every stage and every runner imports this file, so it imports next to nothing; the servers
of the other side (`BaseAPI`, `API`) are loaded on first use from `osbuild.apiserver`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from types import TracebackType
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
        text = f.read()
    try:
        return _scan(text)
    except (ImportError, AttributeError, TypeError, ValueError, StopIteration):
        import json

        return json.loads(text)


class _Decoder:
    """What the scanner of the module json wants to know. Loading that module would take longer than a small stage runs."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    memo: dict[str, str] = {}

    @staticmethod
    def parse_constant(name: str) -> float:
        return float(name)


def _scan(text: str) -> Any:
    from _json import make_scanner

    value, end = make_scanner(_Decoder())(text, 0)  # type: ignore[arg-type]
    if text[end:].strip():
        raise ValueError("something follows the value")
    return value


def metadata(data: dict[str, Any], path: str | os.PathLike[str] = "/run/osbuild/meta") -> None:
    """Report `data` as the stage's metadata; the last call wins (contract 4.7)."""
    import json

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


class exception_handler:
    """Report an exception of the body to the engine and leave with status 2; SystemExit passes."""

    def __init__(self, path: str = "/run/osbuild/api/osbuild") -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(e, Exception):
            exception_on_path_and_die(e, self._path)


class message_exception_handler:
    """Send an exception of the body to `client` and go on."""

    def __init__(self, client: jsoncomm.Socket) -> None:
        self._client = client

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> bool:
        if isinstance(e, Exception):
            exception_to_client(e, self._client)
            return True
        return False


def get_exception_from_msg(msg: Any) -> dict[str, Any] | None:
    """The error a message reports, as it stands in a stage's result, or None if it reports none."""
    if not isinstance(msg, dict) or msg.get("method") != "exception":
        return None
    return {"type": "exception", "data": msg["exception"]}
