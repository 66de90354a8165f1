# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Objects of the store: a tree with what its stages reported, and the host as a tree."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import time
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from .util import linux, mountinfo, overlay
from .util.fscache import Loaded
from .util.fscopy import copy_tree
from .util.fsentry import NewEntry, temporary_name
from .util.lockeddir import make_directory
from .util.path import clamp_mtime

if TYPE_CHECKING:
    from .objectstore import ObjectStore

# Name and value are short, so that ext4 has room for both in the inode: a block of its own would count for the size limit.
NOTE_ATTRIBUTE = "user.forge"
NOTE_OWNER_LENGTH = 12


class ObjectMetadata:
    """JSON documents by key, one file each, in `base` or its sub-directory `folder`."""

    def __init__(self, base: str | os.PathLike[str], folder: str | None = None) -> None:
        self.base = os.fspath(base)
        self.folder = folder
        if not os.path.isdir(self.path):
            os.makedirs(self.path, mode=0o755, exist_ok=True)

    @property
    def path(self) -> str:
        return os.path.join(self.base, self.folder) if self.folder else self.base

    def _path_for_key(self, key: str) -> str:
        if not key or "/" in key:
            raise ValueError(f"'{key}' is no key for metadata")
        return os.path.join(self.path, f"{key}.json")

    @contextlib.contextmanager
    def write(self, key: str) -> Iterator[IO[str]]:
        """A file to write the document to, by hand or by its `name`. It counts only without an exception and if not empty."""
        target = self._path_for_key(key)
        temporary = os.path.join(self.path, f".{temporary_name()}")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # By name, so that `name` of the file is one.
            os.close(fd)
            with open(temporary, "w", encoding="utf-8") as f:
                yield f
            if os.path.getsize(temporary) > 0:
                os.rename(temporary, target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    @contextlib.contextmanager
    def read(self, key: str) -> Iterator[IO[str]]:
        """The document as an open file. KeyError if there is none."""
        try:
            f = open(self._path_for_key(key), encoding="utf-8")  # noqa: SIM115 - only the opening may turn into a KeyError
        except FileNotFoundError:
            raise KeyError(f"No metadata for '{key}'") from None
        with f:
            yield f

    def set(self, key: str, data: Any) -> None:
        """Store `data`; None is ignored."""
        if data is None:
            return
        with self.write(key) as f:
            json.dump(data, f, indent=2)

    def get(self, key: str) -> Any:
        """The document, None if there is none. ValueError if it is no JSON."""
        try:
            with self.read(key) as f:
                return json.load(f)
        except KeyError:
            return None


class Object:
    """A tree being built, or a finished one; as a path it is its tree.

    In mode WRITE it may be changed. `finalize` ends that: it is a floating object of its store then. A
    cached object is in mode READ from the start.
    """

    class Mode(enum.Enum):
        READ = 0
        WRITE = 1

    Metadata = ObjectMetadata

    def __init__(self, store: ObjectStore, uid: str, path: str, mode: Mode) -> None:
        self.store = store
        self.id = uid
        self.mode = mode
        self.path = path
        # Seconds since the epoch, or None: what time stamps made by the build are set to.
        self.source_epoch: int | None = None
        self._entry: NewEntry | None = None
        self._loaded: Loaded | None = None
        # Whether it must be a plain directory: some programs refuse to work on an overlay.
        self.plain = False
        # The tree it shows, as long as it is an overlay.
        self._lower: Object | None = None
        # Whether its files are those of other objects, too, so that nobody may ever change them.
        self._shares = False
        # Bytes of memory that the tree may have, if it is in memory.
        self._memory = 0

    @classmethod
    def new(cls, store: ObjectStore, uid: str) -> Object:
        """An empty object in mode WRITE."""
        entry = store.cache.new_entry()
        obj = cls(store, uid, entry.data, cls.Mode.WRITE)
        obj._entry = entry
        try:
            os.mkdir(obj._tree, 0o755)
            obj.meta.set("info", {"created": int(time.time())})
        except BaseException:
            entry.remove()
            raise
        return obj

    @classmethod
    def from_cache(cls, store: ObjectStore, uid: str, loaded: Loaded) -> Object | None:
        """The object in a cache entry, None if the entry is none."""
        obj = cls(store, uid, loaded.path, cls.Mode.READ)
        if not os.path.isdir(obj._tree) or not os.path.isdir(os.path.join(obj.path, "meta")):
            return None
        obj._loaded = loaded
        return obj

    @property
    def active(self) -> bool:
        """Whether the object is there; it is not after `cleanup`."""
        return self._entry is not None or self._loaded is not None

    @property
    def committed(self) -> bool:
        """Whether it is in the store for good."""
        return self._loaded is not None

    @property
    def entry(self) -> NewEntry:
        """Where it is being built."""
        assert self._entry is not None, "the object is not being built"
        return self._entry

    @property
    def _tree(self) -> str:
        return os.path.join(self.path, "tree")

    @property
    def tree(self) -> str:
        assert self.active, f"object {self.id} is gone"
        return self._tree

    @property
    def meta(self) -> ObjectMetadata:
        assert self.active, f"object {self.id} is gone"
        return ObjectMetadata(self.path, "meta")

    @property
    def created(self) -> int:
        """When the object was begun, in seconds since the epoch; one that started from another has that one's."""
        with self.meta.read("info") as f:
            created: int = json.load(f)["created"]
        return created

    @property
    def code(self) -> str | None:
        """What is known of the code that made the object (`osbuild.code`), None where nothing is."""
        return self._noted()[0] or None

    @property
    def _clamped_to(self) -> int | None:
        """The source epoch that all times from `created` on were set to, None if there was none or nothing is known."""
        with contextlib.suppress(ValueError):
            return int(self._noted()[1])
        return None

    def _noted(self) -> tuple[str, str]:
        """What `note` wrote: the code's digest and the source epoch; nothing of what is not known.

        It is an extended attribute, because what other engines do not know must not be in their way; on a file system that
        has none nothing is known. They take it along when they build on a copy, so it says whose it is.
        """
        try:
            text = os.getxattr(os.path.join(self.path, "meta", "info.json"), NOTE_ATTRIBUTE).decode("ascii", "replace")
        except OSError:
            return "", ""
        owner, _ignored, rest = text.partition(":")
        code, _ignored, epoch = rest.partition(":")
        return (code, epoch) if owner == self.id[:NOTE_OWNER_LENGTH] else ("", "")

    def note(self, object_id: str, code: str | None) -> None:
        """Remember the code that made what the object holds now, which is known as `object_id`, and its source epoch."""
        path = os.path.join(self.path, "meta", "info.json")
        epoch = "" if self.source_epoch is None else self.source_epoch
        with contextlib.suppress(OSError):
            if code is not None or epoch != "":
                text = f"{object_id[:NOTE_OWNER_LENGTH]}:{code or ''}:{epoch}"
                os.setxattr(path, NOTE_ATTRIBUTE, text.encode("ascii", "replace"))
            else:
                os.removexattr(path, NOTE_ATTRIBUTE)

    def __fspath__(self) -> str:
        return self.tree

    def __enter__(self) -> Object:
        return self

    def __exit__(self, *_ignored: object) -> None:
        self.cleanup()

    def init(self, base: Object) -> None:
        """Start from `base`, tree and metadata: as an overlay if that is possible, else as a copy. OSError if that fails."""
        assert self.mode is self.Mode.WRITE, "a finished object cannot be changed"
        if self.plain or not self._lay_over(base):
            copy_tree(base.path, self.path)

    def _lay_over(self, base: Object) -> bool:
        # Only what is in the store stays as it is for as long as this one lives.
        if self._entry is None or base._loaded is None:
            return False
        try:
            overlay.mount(base.tree, self._entry.path, self._tree)
        except OSError:
            return False
        self._lower = base
        copy_tree(os.path.join(base.path, "meta"), os.path.join(self.path, "meta"))
        return True

    def into_memory(self) -> bool:
        """Have the tree, which is empty yet, in memory, from where it can only be copied. False where that is not possible.

        A tree that does not fit is `full` then, and has to be made anew elsewhere.
        """
        size = self.store.memory.take()
        if not size:
            return False
        try:
            linux.mount("tree", self._tree, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"size={size},mode=0755")
        except OSError:
            self.store.memory.give_back(size)
            return False
        self._memory = size
        try:
            # Stages may use them; kernels before 6.6 do not have them in memory.
            os.setxattr(self._tree, "user.forge", b"")
            os.removexattr(self._tree, "user.forge")
        except OSError:
            linux.umount(self._tree)
            self._release_memory(0)
            return False
        return True

    @property
    def full(self) -> bool:
        """Whether the tree is in memory and has no room left there."""
        if not self._memory:
            return False
        state = os.statvfs(self._tree)
        return state.f_bavail * state.f_frsize < self._memory // 100 or state.f_favail == 0

    @property
    def in_memory(self) -> bool:
        return self._memory > 0

    def _release_memory(self, used: int) -> None:
        """Give back what is beyond the `used` bytes."""
        size, self._memory = self._memory, min(used, self._memory)
        self.store.memory.give_back(size - self._memory)

    def flatten(self) -> None:
        """Make the tree a plain directory if it is an overlay. OSError if it is in use; RuntimeError if it is lost."""
        if self._lower is None:
            return
        linux.umount(self._tree)
        try:
            overlay.flatten(self._lower.tree, self.entry.path, self._tree)
        except OSError as exc:
            raise RuntimeError(f"the tree of {self.id} is lost: {exc}") from exc
        self._lower, self._shares = None, True

    def go_on(self, base: Object, entry: NewEntry) -> None:
        """What was built until now was moved into the store as `base`; go on from there in the new entry. RuntimeError."""
        self._entry, self.path, self._shares = entry, entry.data, False
        try:
            os.mkdir(self._tree, 0o755)
            self.init(base)
        except OSError as exc:
            raise RuntimeError(f"cannot go on from checkpoint {base.id}: {exc}") from exc

    def clamp_mtime(self) -> None:
        """Set what the build has touched to the source epoch, if there is one (contract 6.8)."""
        if self.source_epoch is None or self.mode is not self.Mode.WRITE:
            return
        created = self.created
        if self._lower is not None and self._lower.is_older_than(created):
            overlay.clamp_changed(self._tree, self.entry.path, created, self.source_epoch)
        else:
            clamp_mtime(self.tree, created, self.source_epoch)

    def is_older_than(self, moment: int) -> bool:
        """Whether nothing in the tree was changed at or after `moment`, as its times say; False if that is not known."""
        epoch = self._clamped_to
        return epoch is not None and epoch < moment and self.created <= moment

    def finalize(self) -> None:
        """End the building; the object can be read from its store from now on. May be called again."""
        if self.mode is self.Mode.READ:
            return
        self.clamp_mtime()
        self.mode = self.Mode.READ
        if self._memory:
            state = os.statvfs(self._tree)
            self._release_memory((state.f_blocks - state.f_bfree) * state.f_frsize)
        self.store.finalized(self)

    def take_over(self, loaded: Loaded) -> None:
        """The object was moved to the cache entry `loaded` and is read from there."""
        self._loaded, self._entry = loaded, None
        self.path = loaded.path
        self.mode = self.Mode.READ

    def export(
        self, to_directory: str | os.PathLike[str], skip_preserve_owner: bool = False, *, consume: bool = False
    ) -> None:
        """Bring the tree into `to_directory`, over what is there.

        With `consume` a floating object's tree may be moved instead of copied, after which it is gone.
        OSError with the words of cp(1) if it fails.
        """
        target = os.path.abspath(to_directory)
        if consume and not self.committed and not skip_preserve_owner and self._move(target):
            return
        os.makedirs(target, exist_ok=True)
        copy_tree(self.tree, target, preserve_owner=not skip_preserve_owner)

    def _move(self, target: str) -> bool:
        """Rename the tree to `target` if that is a new or empty directory on the same file system."""
        assert self.mode is self.Mode.READ, "an object that is being built cannot be moved"
        if self._shares or os.path.islink(target) or mountinfo.mounts_below(self.tree):
            return False
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            # Replaces an empty directory, refuses any other, and another file system.
            os.rename(self.tree, target)
            self.store.forget_tree(self)
            return True
        return False

    def cleanup(self) -> None:
        """Delete an object that is not committed, let go of one that is. May be called again."""
        entry, self._entry = self._entry, None
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.release()
        if entry is not None:
            entry.remove()
            self._release_memory(0)
        if entry is not None or loaded is not None:
            self.store.dropped(self)


class HostTree:
    """The running system as a build root.

    A build root takes from it what it needs, read-only and without anything mounted before. Only who
    asks for `tree` as a path gets a directory with the host's `/usr` and `/etc/containers` mounted in it.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._root: str | None = None
        self._active = True

    @property
    def tree(self) -> str:
        """A directory that looks like the host's root and cannot be written to. OSError, needs root."""
        assert self._active, "the host tree is gone"
        if self._root is None:
            self._root = self._make()
        return self._root

    def __fspath__(self) -> str:
        return self.tree

    def _make(self) -> str:
        root = make_directory(self.store.tmp, "host")
        linux.mount("tmpfs", root, "tmpfs", linux.MS_NODEV | linux.MS_NOSUID, "size=1m,mode=0755")
        # Without what is mounted below them: a read-only remount would not reach that.
        for path in ("/usr", "/etc/containers"):
            if os.path.isdir(path):
                point = root + path
                os.makedirs(point)
                linux.bind_mount(path, point)
        linux.mount(
            None, root, None, linux.MS_REMOUNT | linux.MS_RDONLY | linux.MS_NODEV | linux.MS_NOSUID, "size=1m,mode=0755"
        )
        return root

    def cleanup(self) -> None:
        """Unmount; `tree` cannot be used any more."""
        self._active = False
        root, self._root = self._root, None
        if root is not None:
            mountinfo.remove_tree(root)
