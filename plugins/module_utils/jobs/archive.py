# SPDX-FileCopyrightText: 2026 Debian Forge contributors
# SPDX-License-Identifier: BSD-2-Clause
"""The supervisor as one file.

A module's own files lie in a payload that Ansible removes when the module ends, while a build goes on.  So the few
library files that the supervisor needs are written into the job folder as a zip that Python runs (zipapp(5)); they
are read through their loaders, since inside a payload they lie in a zip themselves.
"""

from __future__ import annotations

import io
import zipfile
from types import ModuleType

from .. import driver, errors
from ..driver import artefacts, monitor, record, result, run
from . import folder, owner, supervisor

_MAIN = "import sys\nfrom forge.jobs.supervisor import main\nsys.exit(main(sys.argv))\n"


def _source(module: ModuleType) -> str:
    loader = module.__spec__.loader if module.__spec__ is not None else None
    # Both the file loader and zipimport's have the method; only one of them says so by its class.
    get_source = getattr(loader, "get_source", None)
    text = get_source(module.__name__) if get_source is not None else None
    if text is None:
        raise AssertionError(f"the source of {module.__name__} cannot be read")
    return str(text)


def supervisor_archive() -> bytes:
    """The bytes of the supervisor's single file."""
    files = {
        "__main__.py": _MAIN,
        "forge/__init__.py": "",
        "forge/errors.py": _source(errors),
        "forge/driver/__init__.py": _source(driver),
        "forge/jobs/__init__.py": "",
    }
    for module in (artefacts, monitor, record, result, run):
        files[f"forge/driver/{module.__name__.rpartition('.')[2]}.py"] = _source(module)
    for module in (folder, owner, supervisor):
        files[f"forge/jobs/{module.__name__.rpartition('.')[2]}.py"] = _source(module)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()
