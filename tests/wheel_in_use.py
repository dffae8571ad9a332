"""A pytest plugin for scripts/test_wheel.sh: the run fails if the tests import mmlrs from the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT


def pytest_sessionstart() -> None:
    import mmlrs

    if Path(mmlrs.__file__).is_relative_to(ROOT):
        pytest.exit(f"mmlrs is that of the checkout: {mmlrs.__file__}", returncode=1)


def pytest_report_header() -> str:
    import cv2

    import mmlrs
    from mmlrs import _native

    return f"mmlrs: {mmlrs.__file__}, OpenCV {_native.versions()['opencv']}, cv2 {cv2.__version__}"
