# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots one image under both firmwares at the same time, and hands the two running machines to the tests.

FORGE_IMAGE_DIR        folder with the image; default: what ``make image`` fills, build/hello-debian
FORGE_IMAGE_BLUEPRINT  the blueprint it was built from; default: examples/<name of the folder>.toml
FORGE_IMAGE_PASSWORD   password of the blueprint's first user that has one; default: that of the example
FORGE_BOOT_TIMEOUT     seconds to the login prompt; default 900, since an emulated processor is slow
FORGE_BOOT_LOGS        folder for the consoles' logs; default: build/boot
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]


def _load(name: str) -> ModuleType:
    # pytest's import mode here does not put this folder on the path.
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name.removeprefix('boot_')}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


machine = _load("boot_machine")

GROW = 1024**3

# Slow commands that change nothing.
AHEAD = ("systemctl is-system-running --wait", "dpkg --verify")


@dataclass
class Image:
    """The image under test and what it was made of."""

    path: Path
    blueprint: dict[str, Any]
    password: str

    @property
    def customizations(self) -> dict[str, Any]:
        return dict(self.blueprint.get("customizations", {}))

    @property
    def user(self) -> dict[str, Any]:
        """The user to log in as."""
        return next(user for user in self.customizations.get("user", []) if user.get("password"))


def image_in(folder: Path) -> Path:
    """The one disk image in *folder*."""
    found = sorted(path for pattern in ("*.qcow2", "*.raw") for path in folder.glob(pattern))
    if not found:
        pytest.skip(f"no image in {folder}: run 'make image' first, or set FORGE_IMAGE_DIR")
    assert len(found) == 1, f"{folder} holds several images: {', '.join(path.name for path in found)}"
    return found[0]


@pytest.fixture(scope="session")
def image() -> Image:
    folder = Path(os.environ.get("FORGE_IMAGE_DIR") or REPO / "build" / "hello-debian")
    path = image_in(folder)
    if lacking := machine.missing_tools():
        pytest.skip(f"booting takes {lacking}")
    source = Path(os.environ.get("FORGE_IMAGE_BLUEPRINT") or REPO / "examples" / f"{folder.resolve().name}.toml")
    blueprint = tomllib.loads(source.read_text(encoding="utf-8"))
    return Image(path, blueprint, os.environ.get("FORGE_IMAGE_PASSWORD") or "hello-debian")


@dataclass
class Running:
    """A booted machine with a root shell on its console."""

    firmware: str
    console: Any
    answers: dict[str, Any] = field(default_factory=dict)

    def run(self, command: str, timeout: float = 300) -> Any:
        """Run a command; what was asked ahead is answered from there."""
        return self.answers.pop(command, None) or self.console.run(command, timeout)

    def ask_ahead(self) -> None:
        """Run what takes long right away, while the other machine does the same."""
        for command in AHEAD:
            self.answers[command] = self.console.run(command, 900)

    def output(self, command: str, timeout: float = 300) -> str:
        """What a command prints; it has to succeed."""
        answer = self.run(command, timeout)
        assert answer.status == 0, f"{command}: exit status {answer.status}: {answer.text}"
        return str(answer.text)


@pytest.fixture(scope="session")
def machines(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Running]]]:
    """Both machines, booting side by side."""
    timeout = float(os.environ.get("FORGE_BOOT_TIMEOUT") or 900)
    logs = Path(os.environ.get("FORGE_BOOT_LOGS") or REPO / "build" / "boot")
    scratch = tmp_path_factory.mktemp("boot")
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(machine.FIRMWARE)) as pool:

        def start(firmware: str) -> Running:
            console = stack.enter_context(
                machine.boot(image.path, firmware, scratch / firmware, grow=GROW, log=logs / f"{firmware}.log")
            )
            console.login(image.user["name"], image.password, timeout)
            console.become_root(image.password)
            running = Running(firmware, console)
            running.ask_ahead()
            return running

        yield {firmware: pool.submit(start, firmware) for firmware in machine.FIRMWARE}


@pytest.fixture(params=machine.FIRMWARE)
def running(request: pytest.FixtureRequest, machines: dict[str, Future[Running]]) -> Running:
    """One of the machines, when it is up."""
    return machines[request.param].result()
