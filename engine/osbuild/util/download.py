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

from .fetch import INTERRUPTED, Contexts, FetchError, Session, Tls
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


@dataclass
class Task:
    """One file to fetch: `checksum` is ALGORITHM:HEX and the file's name, `shown` the URL without credentials.

    At the end `done` tells whether the file is there; if not, `error` is a sentence, empty where it was given up because of
    another task, and `code` curl's exit code (curl(1)), 0 for wrong content.
    """

    checksum: str
    url: str
    shown: str
    host: str
    tls: Tls
    attempts: int = 0
    mismatches: int = 0
    not_before: float = 0.0
    size: int = 0
    done: bool = False
    error: str = ""
    code: int = INTERRUPTED


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
                    if self._active[task.host] >= CONNECTIONS_PER_HOST:
                        continue
                    if task.not_before <= now:
                        del self._waiting[index]
                        self._active[task.host] += 1
                        return task
                    wait = min(wait or task.not_before - now, task.not_before - now)
                self._condition.wait(wait)
            return None

    def again(self, task: Task, delay: float) -> None:
        """Put `task` back, to be tried after `delay` seconds."""
        with self._condition:
            task.not_before = time.monotonic() + delay
            self._active[task.host] -= 1
            self._waiting.append(task)
            self._condition.notify_all()

    def finish(self, task: Task) -> None:
        """Report `task` as done or failed."""
        with self._condition:
            self._active[task.host] -= 1
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
                        print(f"downloaded {task.shown} ({task.size} bytes)")
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
            try:
                task.error, task.code = self._fetch(session, task, os.path.join(temporary, task.checksum)), 0
                task.done = not task.error
                if task.error and task.mismatches < MAX_MISMATCHES:
                    delay = 0.0
            except FetchError as error:
                if session.aborted:
                    task.code = INTERRUPTED
                    self._tasks.finish(task)
                    break
                times = f" (tried {task.attempts} times)" if task.attempts > 1 else ""
                task.error, task.code = f"cannot download {task.shown}: {error}{times}", error.code
                if error.retry and task.attempts < MAX_ATTEMPTS:
                    growing = min(0.1 * 2 ** (task.attempts - 1), MAX_DELAY)
                    # What is missing seldom appears while one waits: ask again, but hold nobody up.
                    delay = 0.05 if error.missing else max(growing, min(error.delay, MAX_SERVER_DELAY))
            except CannotStore as error:
                task.error, task.code = f"cannot store {task.shown} in {self._directory}: {error}", 23
                self._tasks.finish(task)
                self._abort()
                break
            except Exception as error:
                # A thread that ended here would leave its task unfinished and the caller waiting.
                task.error, task.code = f"cannot download {task.shown}: {type(error).__name__}: {error}", 2
            if delay is None:
                self._tasks.finish(task)
            else:
                self._tasks.again(task, delay)
        session.close()

    def _fetch(self, session: Session, task: Task, path: str) -> str:
        """Fetch into `path`, then move it to its name. Returns what is wrong with the content, or nothing."""
        algorithm, want = task.checksum.split(":")
        hasher = hashlib.new(algorithm, usedforsecurity=False)
        task.size = 0
        with storing():
            sink = open(path, "wb", buffering=0)  # noqa: SIM115 (closed below; only opening it is the directory's matter)
        with sink:

            def write(data: memoryview) -> None:
                hasher.update(data)
                task.size += len(data)
                with storing():
                    while data:
                        data = data[sink.write(data) :]

            session.fetch(task.url, write, task.tls, fresh=task.mismatches > 0)
        have = hasher.hexdigest()
        if have != want:
            task.mismatches += 1
            return f"checksum mismatch: {task.shown} should be {task.checksum}, but is {algorithm}:{have}"
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
