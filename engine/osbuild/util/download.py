# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: Apache-2.0
"""Many verified downloads into one directory: threads, attempts and limits. The transport is `fetch`."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .fetch import INTERRUPTED, Contexts, FetchError, Session, Sink, Tls
from .proxies import Proxies

# Small files from afar are a matter of round trips. curl opens 50 connections.
CONNECTIONS_PER_HOST = 24
CONNECTIONS = 32
# As many rounds as upstream's source makes.
MAX_ATTEMPTS = 10
MAX_DELAY = 1.0  # seconds, between attempts
JOIN_TIMEOUT = 5.0  # seconds
MAX_SERVER_DELAY = 10.0  # seconds, where the server says when to come back
# A mirror's file may be wrong for good, a proxy's copy of it only until it is fetched anew.
MAX_MISMATCHES = 2


class CannotStore(Exception):
    """No space, no permission, an I/O error: the next file would not fare better."""


@contextlib.contextmanager
def storing() -> Iterator[None]:
    """Tell errors of the directory from those of what is fetched."""
    try:
        yield
    except OSError as error:
        raise CannotStore(error.strerror) from error


@dataclass(frozen=True)
class Place:
    """Where a file can be had: `shown` is the URL without credentials."""

    url: str
    shown: str
    host: str


class Part:
    """What has arrived of a file in `path`, and its checksum so far. Open only while it is a context, once per attempt."""

    def __init__(self, path: str, algorithm: str) -> None:
        self._path = path
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm, usedforsecurity=False)
        self._fd = -1
        self.sink = Sink(self._write, self._reset)

    def __enter__(self) -> Part:
        with storing():
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        return self

    def __exit__(self, *_ignored: object) -> None:
        with storing():
            os.close(self._fd)

    def _write(self, data: memoryview) -> None:
        self._hasher.update(data)
        with storing():
            while data:
                data = data[os.write(self._fd, data) :]

    def _reset(self) -> None:
        self._hasher = hashlib.new(self._algorithm, usedforsecurity=False)
        with storing():
            os.ftruncate(self._fd, 0)

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


@dataclass
class Task:
    """One file to fetch: `checksum` is ALGORITHM:HEX and the file's name, `places` are tried in turn.

    At the end `done` tells whether the file is there; if not, `error` is a sentence, empty where it was given up because of
    another task, and `code` curl's exit code (curl(1)), 0 for wrong content.
    """

    checksum: str
    places: Sequence[Place]
    tls: Tls
    turn: int = 0
    part: Part | None = None
    hopeful: bool = False
    attempts: int = 0
    mismatches: int = 0
    not_before: float = 0.0
    size: int = 0
    done: bool = False
    error: str = ""
    code: int = INTERRUPTED

    @property
    def place(self) -> Place:
        """Where it is tried now, or was tried last."""
        return self.places[self.turn % len(self.places)]


class Tasks:
    """What is left to do, handed to threads with regard to how many connections a host shall see."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._condition = threading.Condition()
        self._waiting = list(tasks)
        self._active: collections.Counter[str] = collections.Counter()
        self._done: collections.deque[Task] = collections.deque()
        self._outstanding = len(tasks)
        self._aborted = False

    def take(self) -> Task | None:
        """Wait for a task that may be started; None when there will be no more."""
        with self._condition:
            while not self._aborted and self._outstanding:
                now = time.monotonic()
                wait = None
                for index, task in enumerate(self._waiting):
                    if self._active[task.place.host] >= CONNECTIONS_PER_HOST:
                        continue
                    if task.not_before <= now:
                        del self._waiting[index]
                        self._active[task.place.host] += 1
                        return task
                    wait = min(wait or task.not_before - now, task.not_before - now)
                self._condition.wait(wait)
            return None

    def again(self, task: Task, delay: float) -> None:
        """Put `task` back, to be tried after `delay` seconds, at the next of its places."""
        with self._condition:
            task.not_before = time.monotonic() + delay
            self._active[task.place.host] -= 1
            task.turn += 1
            self._waiting.append(task)
            self._condition.notify_all()

    def finish(self, task: Task) -> None:
        """Report `task` as done or failed."""
        with self._condition:
            self._active[task.place.host] -= 1
            self._outstanding -= 1
            self._done.append(task)
            self._condition.notify_all()

    def abort(self) -> None:
        """Start nothing any more."""
        with self._condition:
            self._aborted = True
            self._condition.notify_all()

    def next_done(self) -> Task | None:
        """Wait for a task to end; None after the last, or when the rest was given up."""
        with self._condition:
            while not self._done and self._outstanding and not self._aborted:
                self._condition.wait()
            return self._done.popleft() if self._done else None


class Downloader:
    """Fetches into `directory`. A file takes its name there only when its checksum is right.

    `proxies` are those to use, `agent` is the name servers see.
    """

    def __init__(self, directory: str | os.PathLike[str], proxies: Proxies, agent: str) -> None:
        self._directory = os.fspath(directory)
        self._proxies = proxies
        self._agent = agent
        self._tasks = Tasks([])
        self._sessions: list[Session] = []

    def run(self, tasks: Sequence[Task], watched: int | None = None) -> None:
        """Fetch `tasks`, which tell their outcome afterwards.

        `watched` is a connected socket; when its other end is closed, all is given up. What happens is printed. Raises
        OSError if the directory cannot be written at all.
        """
        contexts = Contexts()
        self._tasks = Tasks(tasks)
        self._sessions = [
            Session(self._proxies, contexts, self._agent) for _ignored in range(min(CONNECTIONS, len(tasks)))
        ]
        start = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix=".unverified-", dir=self._directory) as temporary,
            closing_watched(watched, self._abort),
        ):
            workers = [
                threading.Thread(target=self._work, args=(session, temporary), daemon=True)
                for session in self._sessions
            ]
            for worker in workers:
                worker.start()
            try:
                while task := self._tasks.next_done():
                    if task.done:
                        print(f"downloaded {task.place.shown} ({task.size} bytes)")
                    elif task.error:
                        print(task.error)
            finally:
                self._abort()
                # One that is just connecting cannot be interrupted; it finds its directory gone and writes nothing.
                deadline = time.monotonic() + JOIN_TIMEOUT
                for worker in workers:
                    worker.join(max(0.0, deadline - time.monotonic()))
        seconds = time.monotonic() - start
        done = [task.size for task in tasks if task.done]
        print(f"downloaded {len(done)} of {len(tasks)} files, {sum(done) / 1e6:.1f} MB in {seconds:.1f} s")

    def _abort(self) -> None:
        self._tasks.abort()
        for session in self._sessions:
            session.abort()

    def _work(self, session: Session, temporary: str) -> None:
        while task := self._tasks.take():
            task.attempts += 1
            delay = None
            elsewhere = task.attempts < len(task.places)
            try:
                task.error, task.code = self._fetch(session, task, os.path.join(temporary, task.checksum)), 0
                task.done = not task.error
                if task.error and (task.mismatches < MAX_MISMATCHES or elsewhere):
                    delay = 0.0
            except FetchError as error:
                if session.aborted:
                    task.code = INTERRUPTED
                    self._tasks.finish(task)
                    break
                times = f" (tried {task.attempts} times)" if task.attempts > 1 else ""
                task.error, task.code = f"cannot download {task.place.shown}: {error}{times}", error.code
                task.hopeful = task.hopeful or error.retry
                if elsewhere:
                    delay = 0.0
                elif task.hopeful and task.attempts < max(MAX_ATTEMPTS, len(task.places)):
                    growing = min(0.1 * 2 ** (task.attempts - 1), MAX_DELAY)
                    # What is missing seldom appears while one waits: ask again, but hold nobody up.
                    delay = 0.05 if error.missing else max(growing, min(error.delay, MAX_SERVER_DELAY))
            except CannotStore as error:
                task.error, task.code = f"cannot store {task.place.shown} in {self._directory}: {error}", 23
                self._tasks.finish(task)
                self._abort()
                break
            except Exception as error:
                # A thread that ended here would leave its task unfinished and the caller waiting.
                task.error, task.code = f"cannot download {task.place.shown}: {type(error).__name__}: {error}", 2
            if delay is None:
                self._tasks.finish(task)
            else:
                self._tasks.again(task, delay)
        session.close()

    def _fetch(self, session: Session, task: Task, path: str) -> str:
        """Fetch into `path`, then move it to its name. Returns what is wrong with the content, or nothing.

        What an attempt that failed has brought is kept for the next one.
        """
        algorithm, want = task.checksum.split(":")
        part = task.part = task.part or Part(path, algorithm)
        resumed = part.sink.size
        with part:
            session.fetch(task.place.url, part.sink, task.tls, fresh=task.mismatches > 0)
            task.size = part.sink.size
            have = part.hexdigest()
            if have != want:
                part.sink.reset()
                # Two parts that do not belong together are the fault of neither.
                task.mismatches += not resumed
                return f"checksum mismatch: {task.place.shown} should be {task.checksum}, but is {algorithm}:{have}"
        with storing():
            os.rename(path, os.path.join(self._directory, task.checksum))
        return ""


@contextlib.contextmanager
def closing_watched(watched: int | None, action: Callable[[], None]) -> Iterator[None]:
    """Call `action` from a thread if the other end of the socket `watched` is closed while the context lasts."""
    if watched is None or not _is_connected(watched):
        yield
        return
    end_read, end_write = os.pipe()

    def watch() -> None:
        poll = select.poll()
        poll.register(watched, select.POLLRDHUP)
        poll.register(end_read, 0)
        if watched in dict(poll.poll()):
            action()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(end_write)
        thread.join()
        os.close(end_read)


def _is_connected(fd: int) -> bool:
    with socket.socket(fileno=os.dup(fd)) as sock:
        try:
            sock.getpeername()
        except OSError:
            return False
        return True
