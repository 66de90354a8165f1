# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds images as a user does, each once, for the tests that use them.

FORGE_USAGE_DISTROS   distributions, separated by blanks; default: debian-13 (the acceptance run takes debian-12 too)
FORGE_USAGE_KEEP      not empty: leave the images in build/usage, to try again without building
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO, make_image

DISTROS = os.environ.get("FORGE_USAGE_DISTROS", "debian-13").split()
FOLDER = REPO / "build" / "usage"
Built = Callable[..., Path]

# A small system that can be asked who it is.
SMALL = """
name = "small"
version = "1.0.0"
[[packages]]
name = "hello"
"""


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """Return a function that builds an image and gives the folder it lies in; what was built is built once."""
    made: dict[Path, bool] = {}

    def build(image_type: str, distro: str, blueprint: str = SMALL, name: str = "", **variables: str) -> Path:
        output = FOLDER / f"{distro}-{name or image_type}"
        if output not in made:
            FOLDER.mkdir(parents=True, exist_ok=True)
            source = FOLDER / f"{output.name}.toml"
            source.write_text(blueprint)
            run = make_image(BLUEPRINT=str(source), DISTRO=distro, IMAGE_TYPE=image_type, OUTPUT=str(output), **variables)
            assert run.returncode == 0, f"make image IMAGE_TYPE={image_type} DISTRO={distro}:\n{run.output[-6000:]}"
            made[output] = True
        return output

    yield build
    if not os.environ.get("FORGE_USAGE_KEEP"):
        for output in made:
            shutil.rmtree(output, ignore_errors=True)
