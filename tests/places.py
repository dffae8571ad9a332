"""Where the tests find files of the project."""

from __future__ import annotations

from pathlib import Path

#: The folder of the tests, whose modules are importable from all of them.
TESTS = Path(__file__).parent
#: The root of the repository.
ROOT = TESTS.parent
