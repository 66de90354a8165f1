# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine that boots a disk image, and its serial console.

The image is never changed: the machine writes to an overlay of its own.  Emulation (``-accel tcg``) is all that is
asked of the host, so the tests run in plain containers too.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where Debian puts the firmware (packages ovmf and seabios); the 2 MiB variant is not in newer releases.
OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
# The same with Secure Boot, and variables with Microsoft's keys, which Debian's shim is signed with.
SECURE_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
SECURE_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
QEMU = "qemu-system-x86_64"

FIRMWARE = ("uefi", "bios")


class ConsoleError(AssertionError):
    """The machine did not say what was waited for; the message ends with the last lines it did say."""


@dataclass(frozen=True)
class Answer:
    """What a command on the machine printed (standard output and error together), and its exit status."""

    status: int
    text: str


class Console:
    """Both directions of a serial line, connected to a process' standard input and output."""

    # Colours, cursor movements and the like (ECMA-48 control sequences), and carriage returns.
    NOISE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|\r")

    # Without line editing, whose control sequences get in the way, and without start-up files.
    SHELL = "bash --norc --noprofile --noediting"

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]], log: Path, *, restarts: bool = False) -> None:
        self._start = start
        self._restarts = restarts
        self._process = start()
        self._log = log.open("wb")
        self._text = b""
        self._closed = False
        self._changed = threading.Condition()
        self._commands = 0
        # A pipe that nobody empties would stop the machine.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._read_process():
            pass

    def _read_process(self) -> bool:
        """Take in what the emulator's process says until it ends; whether another has been started for it then."""
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(65536):  # type: ignore[attr-defined]
            with self._changed:
                self._log.write(data)
                self._log.flush()
                self._text += data
                self._changed.notify_all()
        with self._changed:
            if self._restarts:
                self._process.wait()
                self._process = self._start()
                return True
            self._closed = True
            self._changed.notify_all()
            return False

    def seen(self) -> str:
        """What was said and not yet consumed by :meth:`expect`, without control sequences."""
        return self.NOISE.sub(b"", self._text).decode("utf-8", "replace")

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until *pattern* appears, consume everything up to its end and return the match.

        :param timeout: seconds.
        :raises ConsoleError: it did not appear in time, or the machine ended.
        """
        wanted = re.compile(pattern)
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                # Matching on cleaned text: a colour code in the middle of a prompt must not hide it.
                clean = self.seen()
                if match := wanted.search(clean):
                    self._text = clean[match.end() :].encode()
                    return match
                left = end - time.monotonic()
                if left <= 0 or self._closed:
                    why = "the machine ended" if self._closed else f"not seen within {timeout:.0f} s"
                    tail = "\n".join(clean.splitlines()[-30:])
                    raise ConsoleError(f"console: {pattern!r}: {why}; the last lines were:\n{tail}")
                self._changed.wait(left)

    def send(self, line: str) -> None:
        """Type *line* and press enter."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def login(self, user: str, password: str, timeout: float) -> None:
        """Wait for the login prompt, log in, and make the shell quiet enough for :meth:`run`."""
        for _ignored in range(5):
            self.expect(r"login: ", timeout)
            self.send(user)
            # In the system's language: a line that waits behind a colon, and no message of kernel or service manager.
            self.expect(r"\n[^\n\[:]+: ?\Z", 120)
            self.send(password)
            # login(1) gives up after a minute, which is not much for an emulated processor that others use as well.
            if self.expect(r"[$#] $|login: timed out", 120)[0] != "login: timed out":
                break
        self._shell(f"exec {self.SHELL}")

    def become_root(self, password: str) -> None:
        """Go on as root by sudo(8)."""
        # Not the usual prompt, so that nothing else can be taken for it.
        self.send(f"exec sudo -S -p sudo-wants-a-password {self.SHELL}")
        self.expect("sudo-wants-a-password", 120)
        self._shell(password)
        answer = self.run("id -u")
        if answer.text != "0":
            raise ConsoleError(f"console: sudo did not give a root shell but: {answer.text}")
        # Kernel and service manager write to this line as well, into the middle of what a command prints.
        # SIGRTMIN+21: systemd(1).
        self.send("dmesg --console-off; kill -s RTMIN+21 1")
        self.run("sleep 1")

    def _shell(self, line: str) -> None:
        """Type *line*, which starts a shell, and make that quiet enough for :meth:`run`."""
        self.send(line)
        # Only at its prompt: what is typed before may be flushed when the terminal is set up.
        self.expect(r"bash-[\d.]+[$#] $", 120)
        self.send("stty -echo; export TERM=dumb LC_MESSAGES=C; PS1=")
        self.run("true")

    def run(self, command: str, timeout: float = 240) -> Answer:
        """Run a shell command on the machine and return what came of it."""
        self._commands += 1
        number = self._commands
        # The markers are put together by printf, so an echo of the command line cannot be taken for them. The pipe
        # keeps programs from colours and pagers, which they use on a terminal.
        self.send(
            f"printf '%s-%d\\n' begin {number}; {{ {command}; }} 2>&1 </dev/null | cat; "
            f"printf '\\n%s-%d=%d\\n' end {number} ${{PIPESTATUS[0]}}"
        )
        self.expect(rf"begin-{number}\n", timeout)
        match = self.expect(rf"(?s)\A(.*?)\n?end-{number}=(\d+)\n", timeout)
        return Answer(int(match[2]), match[1].strip("\n"))

    def wait(self, timeout: float) -> None:
        """Wait until the machine has switched itself off.

        :raises ConsoleError: it is still on after *timeout* seconds.
        """
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ConsoleError(f"console: the machine is still on after {timeout:.0f} s") from None

    def close(self) -> None:
        """Switch the machine off."""
        with self._changed:
            self._restarts = False
            self._process.kill()
        self._process.wait()
        self._reader.join(timeout=10)
        self._log.close()


def image_info(image: Path) -> dict[str, Any]:
    """What qemu-img(1) says of a disk image."""
    text = subprocess.run(["qemu-img", "info", "--output=json", str(image)], check=True, capture_output=True).stdout
    return dict(json.loads(text))


def missing_tools() -> str:
    """Names what the host lacks for a boot test; empty when nothing is missing."""
    lacks = [tool for tool in (QEMU, "qemu-img") if shutil.which(tool) is None]
    lacks += [str(path) for path in (OVMF_CODE, OVMF_VARS) if not path.exists()]
    return ", ".join(lacks)


def _drive(image: Path, overlay: Path, grow: int, medium: str) -> list[str]:
    if medium == "cdrom":
        return ["-drive", f"file={image},format=raw,if=none,id=medium,readonly=on", "-device", "ide-cd,drive=medium"]
    if medium == "stick":
        return [
            "-drive", f"file={image},format=raw,if=none,id=medium,readonly=on",
            "-device", "qemu-xhci", "-device", "usb-storage,drive=medium",
        ]  # fmt: skip
    found = image_info(image)
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", found["format"], str(overlay)]
    subprocess.run([*create, str(found["virtual-size"] + grow)], check=True)
    return ["-drive", f"file={overlay},format=qcow2,if=virtio,cache=unsafe,discard=unmap"]


@contextlib.contextmanager
def boot(
    image: Path,
    firmware: str,
    scratch: Path,
    *,
    grow: int = 0,
    memory: int = 2048,
    cpus: int = 2,
    online: bool = False,
    restarts: bool = False,
    log: Path | None = None,
    medium: str = "disk",
    disks: Sequence[Path] = (),
) -> Iterator[Console]:
    """Boot *image* under ``uefi`` (OVMF), ``secure`` (with Secure Boot) or ``bios`` (SeaBIOS) and hand out its console.

    :param scratch: a directory for the overlay and the firmware's variables.
    :param grow: bytes by which the machine's disk is bigger than the image.
    :param memory: MiB.
    :param medium: ``disk``; or for a live medium, which is not written to, ``cdrom`` or ``stick`` (USB).
    :param online: whether the machine reaches this host (as 10.0.2.2) and what that reaches.
    :param restarts: whether it starts again when it is told to; otherwise it ends then.
    :param log: where everything the console says is kept; default: ``console.log`` in *scratch*.
    :param disks: further disks, raw; the machine writes to them.
    """
    log = log or scratch / "console.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    overlay = scratch / "disk.qcow2"
    image = image.resolve()
    command = [
        QEMU, "-accel", "tcg", "-machine", "q35,smm=on" if firmware == "secure" else "q35",
        "-cpu", "max", "-smp", str(cpus), "-m", str(memory),
        # A reset may take for ever (QEMU 7.2 under UEFI throws away translated code page by page): who restarts is switched off
        # and on.
        "-no-reboot",
        "-nodefaults", "-display", "none", "-serial", "stdio",
        *_drive(image, overlay, grow, medium),
        "-device", "virtio-rng-pci",
        "-netdev", f"user,id=net0,restrict={'off' if online else 'on'}", "-device", "virtio-net-pci,netdev=net0",
    ]  # fmt: skip
    for one in disks:
        command += ["-drive", f"file={one},format=raw,if=virtio,cache=unsafe,discard=unmap"]
    if firmware in ("uefi", "secure"):
        code, template = (SECURE_CODE, SECURE_VARS) if firmware == "secure" else (OVMF_CODE, OVMF_VARS)
        variables = scratch / "vars.fd"
        shutil.copyfile(template, variables)
        command += [
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
            "-drive", f"if=pflash,unit=1,format=raw,file={variables}",
        ]  # fmt: skip
    if firmware == "secure":
        # Only code in system management mode may write to the firmware's variables.
        command += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    if firmware not in ("uefi", "secure", "bios"):
        raise ValueError(f"firmware: {firmware!r} is none of {', '.join(FIRMWARE)} and secure")
    (scratch / "command").write_text(shlex.join(command) + "\n")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    console = Console(start, log, restarts=restarts)
    try:
        yield console
    finally:
        console.close()
        overlay.unlink(missing_ok=True)
