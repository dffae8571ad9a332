"""Where the tests find files of the project."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

#: The folder of the tests, whose modules are importable from all of them.
TESTS = Path(__file__).parent
#: The root of the repository.
ROOT = TESTS.parent


def script(name: str) -> Any:
    """Return the module of a file in `scripts`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
