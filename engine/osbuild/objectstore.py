# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""The store: trees by the id of the stage that finished them (contract, section 6)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from .object import HostTree, Object
from .preparedroot import Kept
from .storeclient import StoreClient
from .storeserver import StoreServer
from .util import overlay
from .util.fscache import FsCache
from .util.fsstale import SESSION, remove_dead_sessions
from .util.lockeddir import LockedDir, make_directory
from .util.memory import Budget

if TYPE_CHECKING:
    from .util.readahead import ReadAhead

__all__ = ["HostTree", "Object", "ObjectStore", "StoreClient", "StoreServer"]


class ObjectStore:
    """The store in the directory `store`, made where it does not exist.

    What it hands out stays valid until it is left: cached objects are locked, floating ones (built, but
    not committed) are deleted then. A `read_only` store only reads. OSError where the directory cannot be
    used.
    """

    def __init__(self, store: str | os.PathLike[str], read_only: bool = False) -> None:
        self.cache = FsCache("osbuild", store, read_only=read_only)
        self.store = self.cache.path
        self.read_only = read_only
        # By id, a digest of the code that makes the object (`osbuild.code`); one that other code made is not found.
        self.code: Mapping[str, str] = {}
        # What the build roots of this run share.
        self.kept = Kept()
        # For trees that are not kept; without a mount namespace of its own an engine that is killed would leave them.
        self.memory = Budget(0)
        self._overlays: bool | None = None
        self._outdated: set[str] = set()
        self._objects: list[Object] = []
        self._floating: dict[str, Object] = {}
        self._cached: dict[str, Object] = {}
        self._read_ahead: dict[str, ReadAhead] = {}
        self._opened = False
        self._host_tree: HostTree | None = None
        self._session: LockedDir | None = None
        self._lock = threading.RLock()
        self._stack = contextlib.ExitStack()

    @property
    def objects(self) -> str:
        """Directory of the committed objects."""
        return self.cache.objects

    @property
    def active(self) -> bool:
        """Whether the store is open."""
        return self._opened

    @property
    def tmp(self) -> str:
        """Directory for what need not outlive this engine, on the store's file system."""
        assert self._session is not None, "the store is not open for writing"
        return self._session.path

    @property
    def maximum_size(self) -> int | None:
        """Limit in bytes, -1 for none, 0 where nothing is kept. Setting it holds for later runs as well."""
        return self.cache.info.maximum_size

    @maximum_size.setter
    def maximum_size(self, size: int | str | None) -> None:
        self.cache.set_maximum_size(size if size is not None else 0)

    @property
    def host_tree(self) -> HostTree:
        """The host, as build root of pipelines without a build pipeline."""
        assert self._host_tree is not None, "the store is not open"
        return self._host_tree

    def __enter__(self) -> ObjectStore:
        assert not self._opened, "the store is open already"
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.cache)
            if not self.read_only:
                tmp = os.path.join(self.store, "tmp")
                os.makedirs(tmp, mode=0o755, exist_ok=True)
                self._session = LockedDir(tmp, SESSION)
                stack.callback(self._drop_session)
                self.cache.remove_leftovers()
                remove_dead_sessions(tmp)
            self._host_tree = HostTree(self)
            self._stack = stack.pop_all()
        self._opened = True
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.cleanup()

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.remove()

    def cleanup(self) -> None:
        """Delete floating objects and temporary directories, let go of cached ones, close. May be called again."""
        with self._lock:
            if not self._opened:
                return
            self._opened = False
            with self._stack:
                self._stack.callback(self.kept.close)
                if self._host_tree is not None:
                    self._stack.callback(self._host_tree.cleanup)
                for obj in self._objects:
                    self._stack.callback(obj.cleanup)
                for thread in self._read_ahead.values():
                    self._stack.callback(thread.stop)
                self._objects, self._floating, self._cached, self._read_ahead = [], {}, {}, {}

    @contextlib.contextmanager
    def tempdir(self, prefix: str | None = None, suffix: str | None = None) -> Iterator[str]:
        """A new directory in `tmp`; whatever is mounted in it is unmounted before it is removed."""
        from .util import mountinfo

        path = make_directory(self.tmp, prefix or "tmp-", suffix or "")
        try:
            yield path
        finally:
            mountinfo.remove_tree(path)

    # -- objects ------------------------------------------------------------------------------

    def contains(self, object_id: str | None, *, only_cached: bool = False) -> bool:
        """Whether the store has an object; one that it has stays until the store is left."""
        if object_id is None:
            return False
        with self._lock:
            if not only_cached and object_id in self._floating:
                return True
            return self._load(object_id) is not None

    def get(self, object_id: str | None) -> Object | None:
        """The object of that id, floating ones first; None if there is none."""
        if object_id is None:
            return None
        with self._lock:
            return self._floating.get(object_id) or self._load(object_id)

    def _load(self, object_id: str) -> Object | None:
        obj = self._cached.get(object_id)
        if obj is None:
            loaded = self.cache.load(object_id)
            if loaded is None:
                return None
            obj = Object.from_cache(self, object_id, loaded)
            if obj is None:
                loaded.release()
                return None
            if obj.code not in (None, self.code.get(object_id, obj.code)):
                self._outdated.add(object_id)
                loaded.release()
                return None
            self._keep_cached(obj)
        return obj

    def _keep_cached(self, obj: Object) -> None:
        with self._lock:
            self._cached[obj.id] = obj
            if obj not in self._objects:
                self._objects.append(obj)

    def read_ahead(self, obj: Object) -> None:
        """Have the files of a committed object read while something else is done, because all will be wanted soon."""
        from .util.readahead import ReadAhead

        with self._lock:
            if obj.committed and obj.id not in self._read_ahead:
                self._read_ahead[obj.id] = thread = ReadAhead(obj.tree)
                thread.start()

    def new(self, object_id: str) -> Object:
        """An empty object to build in; `finalize` makes it a floating one."""
        assert self._opened, "the store is not open"
        with self._lock:
            obj = Object.new(self, object_id)
            self._objects.append(obj)
            return obj

    def finalized(self, obj: Object) -> None:
        """Called by an object that is complete."""
        with self._lock:
            if obj.committed:
                self._keep_cached(obj)
            else:
                self._floating[obj.id] = obj

    def forget_tree(self, obj: Object) -> None:
        """Called by a floating object whose tree was moved out: nobody can build on it any more."""
        with self._lock:
            if self._floating.get(obj.id) is obj:
                del self._floating[obj.id]

    def dropped(self, obj: Object) -> None:
        """Called by an object that is gone."""
        with self._lock:
            for known in (self._floating, self._cached):
                if known.get(obj.id) is obj:
                    del known[obj.id]
            if obj in self._objects:
                self._objects.remove(obj)

    def commit(self, obj: Object, object_id: str) -> None:
        """Keep what `obj` holds now under `object_id`, if the size limit allows and nobody else has done it.

        What was built moves into the store. After the last state, that is when `object_id` is its own id, the object cannot
        be changed any more; otherwise it goes on as an overlay of what is in the store now. Where that is not possible, or
        the object has to stay `plain`, an earlier state is copied. OSError if the copy fails.
        """
        obj.clamp_mtime()
        obj.note(object_id, self.code.get(object_id))
        if object_id in self._outdated:
            self._outdated.remove(object_id)
            self.cache.remove(object_id)
        if obj.mode is not Object.Mode.WRITE or not self.cache.may_keep(object_id):
            if obj.mode is Object.Mode.READ:
                self.cache.store_copy(obj.path, object_id)
        elif obj.id == object_id:
            obj.flatten()
            loaded = self.cache.store_entry(obj.entry, object_id)
            if loaded is not None:
                obj.take_over(loaded)
                self.finalized(obj)
        elif obj.plain or not self._commit_and_go_on(obj, object_id):
            self.cache.store_copy(obj.path, object_id)

    def _commit_and_go_on(self, obj: Object, object_id: str) -> bool:
        """False, with nothing changed, where there are no overlays or what is there is not kept."""
        if not self._has_overlays():
            return False
        obj.flatten()
        entry = self.cache.new_entry()
        try:
            loaded = self.cache.store_entry(obj.entry, object_id)
        except BaseException:
            entry.remove()
            raise
        if loaded is None:
            entry.remove()
            return True
        base = Object.from_cache(self, object_id, loaded)
        assert base is not None
        self._keep_cached(base)
        obj.go_on(base, entry)
        return True

    def _has_overlays(self) -> bool:
        """Whether the store's file system can be below an overlay. Tried once."""
        if self._overlays is None:
            with self.tempdir("overlay-") as path:
                lower, target = os.path.join(path, "lower"), os.path.join(path, "target")
                os.mkdir(lower)
                os.mkdir(target)
                try:
                    overlay.mount(lower, path, target)
                    self._overlays = True
                except OSError:
                    self._overlays = False
        return self._overlays
