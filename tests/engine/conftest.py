"""What the tests of the engine share."""

from __future__ import annotations

import pytest
from image_stages import PICTURES

from mmlrs.testing import sample_image, worker_counters


@pytest.fixture
def df(spark):
    rows = [(i, bytearray(sample_image("jpeg" if i % 2 else "png"))) for i in range(PICTURES)]
    return spark.createDataFrame(rows, "i int, content binary").coalesce(1)


@pytest.fixture
def counted(spark):
    """A function that returns what the workers did since the test began, summed over the processes."""
    worker_counters(spark, reset=True)

    def counters() -> dict[str, int]:
        found = worker_counters(spark)
        return {name: sum(c[name] for c in found) for name in found[0] if name != "pid"}

    return counters


@pytest.fixture
def no_session(monkeypatch) -> None:
    """Save and load without the session that other tests have started."""
    monkeypatch.setattr("mmlrs.persistence.active_session", lambda: None)
