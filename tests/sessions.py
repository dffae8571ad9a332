"""What the tests' Spark sessions share beside their settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from places import TESTS


@contextmanager
def workers_find_their_daemon() -> Iterator[None]:
    """Put the folder of `frozen_daemon` on the path of the Python workers of a JVM that starts meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS / "workers"), prepend=os.pathsep)
        yield
