"""What the tests of the engine share."""

from __future__ import annotations

import pytest
from image_stages import PICTURES

from mmlrs.testing import sample_image


@pytest.fixture
def df(spark):
    rows = [(i, bytearray(sample_image("jpeg" if i % 2 else "png"))) for i in range(PICTURES)]
    return spark.createDataFrame(rows, "i int, content binary").coalesce(1)


@pytest.fixture
def no_session(monkeypatch) -> None:
    """Save and load without the session that other tests have started."""
    monkeypatch.setattr("mmlrs.persistence.active_session", lambda: None)
