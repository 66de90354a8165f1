# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Sources: what a manifest downloads. Base class of the services, and the engine's `Source`."""

from __future__ import annotations

import abc
import os

from . import host
from .mixins import json_digest, module_from_dict, module_to_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .meta import ModuleInfo
    from .objectstore import ObjectStore
    from .util.jsoncomm import FdSet


# With this a program, in its first bytes, names the directory of its files.
_FILES_ARE_IN = b"# The engine need not start this for files that are all in:"
_HEAD = 1024


def _is_checksum(name: str) -> bool:
    algorithm, _ignored, digits = name.partition(":")
    known = algorithm in ("md5", "sha1", "sha256", "sha384", "sha512")
    return known and 32 <= len(digits) <= 128 and not digits.strip("0123456789abcdef")


class SourceItemResult:
    """What became of one item."""

    def __init__(self, success: bool = True, metadata: dict[str, Any] | None = None, error: str = "") -> None:
        self.success = success
        self.metadata: dict[str, Any] = metadata or {}
        self.error = error

    def set_error(self, error: str) -> None:
        self.success = False
        self.error = error

    def as_dict(self) -> dict[str, Any]:
        return {"success": self.success, "metadata": self.metadata, "error": self.error}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> SourceItemResult:
        return cls(d["success"], d.get("metadata"), d.get("error", ""))


class SourceResults:
    """What became of all items of one source.

    `reason` is why it failed in one sentence, where the errors of the items are too terse for that.
    """

    def __init__(self, source_type: str) -> None:
        self.source_type = source_type
        self.success = True
        self.results: list[SourceItemResult] = []
        self.reason = ""

    @property
    def id(self) -> str:
        return self.source_type

    @property
    def name(self) -> str:
        return f"source {self.source_type}"

    @property
    def output(self) -> str:
        """One sentence; of a failed source it ends in its reason, else the last item's error (IndexError without items)."""
        if self.success:
            return f"{self.name} finished successfully"
        return f"{self._failure_prefix}{self.reason or self.results[-1].error}"

    @property
    def _failure_prefix(self) -> str:
        return f"{self.name} finished unsuccessfully: "

    def add(self, item: SourceItemResult) -> None:
        self.results.append(item)
        if not item.success:
            self.success = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "source_type": self.source_type,
            "success": self.success,
            "output": self.output,
            "results": [item.as_dict() for item in self.results],
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> SourceResults:
        res = cls(d["source_type"])
        res.success = d["success"]
        res.results = [SourceItemResult.from_dict(item) for item in d["results"]]
        # The reason travels as part of the output: the reply has no key for it that other engines would accept.
        output = d.get("output") or ""
        if not res.success and res.results and output.startswith(res._failure_prefix):
            reason = output.removeprefix(res._failure_prefix)
            res.reason = reason if reason != res.results[-1].error else ""
        return res


class Source:
    """One source of a manifest. It looks like a pipeline without stages, so that monitors can show it as one."""

    build = None
    runner = None
    source_epoch = None

    def __init__(self, info: ModuleInfo, items: dict[str, Any], options: dict[str, Any] | None) -> None:
        self.info_name: str = info.name
        self.info_path: str = info.path
        self.items: dict[str, Any] = items or {}
        self.options: dict[str, Any] = options or {}

    def to_dict(self, libdir: str | os.PathLike[str]) -> dict[str, Any]:
        """As JSON, the program relative to `libdir`: for an engine that has its modules elsewhere."""
        return {**module_to_dict(self, libdir), "items": self.items, "options": self.options}

    @classmethod
    def from_dict(cls, data: dict[str, Any], libdir: str | os.PathLike[str]) -> Source:
        """What `to_dict` wrote."""
        return cls(module_from_dict(data, libdir), data["items"], data["options"])

    @property
    def id(self) -> str:
        return json_digest(self.info_name, self.items)

    @property
    def name(self) -> str:
        return f"source {self.info_name}"

    @property
    def stages(self) -> list[Any]:
        return []

    def download(self, mgr: host.ServiceManager, store: ObjectStore) -> SourceResults:
        """Have all items in the store's cache. RemoteError, ProtocolError; failed items are in the results."""
        if self._all_present(os.path.join(store.store, "sources")):
            results = SourceResults(self.info_name)
            for checksum in self.items:
                results.add(SourceItemResult(metadata={"checksum": checksum, "cached": True}))
            return results
        args: dict[str, Any] = {
            "items": self.items,
            "options": self.options,
            "cache": os.path.join(store.store, "sources"),
            "output": None,
            "checksums": [],
        }
        return self._call(mgr, "download", args)

    def _all_present(self, cache: str) -> bool:
        """Whether the program says where its files are, and none is missing: it would have nothing to do then."""
        try:
            with open(self.info_path, "rb") as program:
                head = program.read(_HEAD)
        except OSError:
            return False
        _ignored, mark, rest = head.partition(_FILES_ARE_IN)
        if not mark or not self.items:
            return False
        folder = os.path.join(cache, rest.split(b"\n", 1)[0].decode("ascii", "replace").strip())
        return all(_is_checksum(name) and os.path.isfile(os.path.join(folder, name)) for name in self.items)

    def copy(self, mgr: host.ServiceManager, store: ObjectStore, dst_store: ObjectStore) -> SourceResults:
        """Copy all items from one store's cache to another's."""
        args: dict[str, Any] = {
            "items": self.items,
            "options": self.options,
            "cache": os.path.join(store.store, "sources"),
            "dst_cache": os.path.join(dst_store.store, "sources"),
        }
        return self._call(mgr, "copy", args)

    def _call(self, mgr: host.ServiceManager, method: str, args: dict[str, Any]) -> SourceResults:
        client = mgr.start(f"source/{self.info_name}", self.info_path)
        return SourceResults.from_dict(client.call(method, args))


class SourceService(host.Service):
    """Base of source programs. A subclass sets `content_type`, the name of its directory in the cache."""

    content_type: str = ""
    max_workers = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The three are set when a call comes in; programs and their tests read and set them as attributes.
        self.cache: Any = None
        self.options: Any = None
        self.tmpdir: Any = None

    @abc.abstractmethod
    def fetch_all(self, items: dict[str, Any]) -> dict[str, Any]:
        """Fetch what is not in the cache; returns the `as_dict()` of a `SourceResults`."""

    @abc.abstractmethod
    def fetch_one(self, checksum: str, desc: Any) -> SourceItemResult:
        """Fetch one item."""

    def exists(self, checksum: str, desc: Any) -> bool:
        """Whether an item is in the cache."""
        return os.path.isfile(os.path.join(self.cache, checksum))

    def setup(self, args: dict[str, Any]) -> None:
        """Take over a call's cache directory and options."""
        self.cache = os.path.join(args["cache"], self.content_type)
        os.makedirs(self.cache, exist_ok=True)
        self.options = args["options"]

    def copy_all(self, items: dict[str, Any], dst_cache: str) -> dict[str, Any]:
        """Copy items to the cache `dst_cache`; an item that cannot be copied carries its error."""
        import shutil

        target = os.path.join(dst_cache, self.content_type)
        os.makedirs(target, exist_ok=True)
        results = SourceResults(self.id)
        for checksum in items:
            item = SourceItemResult(metadata={"checksum": checksum})
            try:
                shutil.copy2(os.path.join(self.cache, checksum), os.path.join(target, checksum))
            except Exception as e:
                item.set_error(str(e))
            results.add(item)
        return results.as_dict()

    def dispatch(self, method: str, args: Any, fds: FdSet) -> tuple[Any, list[int] | None]:
        if method == "download":
            import tempfile

            self.setup(args)
            with tempfile.TemporaryDirectory(prefix=".unverified-", dir=self.cache) as tmpdir:
                self.tmpdir = tmpdir
                return self.fetch_all(args["items"]), None
        if method == "copy":
            self.setup(args)
            return self.copy_all(args["items"], args["dst_cache"]), None
        raise host.ProtocolError(f"unknown method {method!r}")
