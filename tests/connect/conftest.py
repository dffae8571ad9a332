"""A Spark Connect session with a server of its own. pyspark is classic or Connect for the life of a process, so these
tests run in a process of theirs: `pytest tests/connect`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from sessions import workers_find_their_daemon


@pytest.fixture(scope="session")
def spark(spark_conf: dict[str, str]) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    with warnings.catch_warnings(), workers_find_their_daemon():
        # pyspark starts the server with these settings and then sets those again that can no longer be changed.
        warnings.filterwarnings("ignore", message="Failed to set spark")
        session = SparkSession.builder.remote("local[2]").config(map=spark_conf).getOrCreate()
    assert type(session).__module__.startswith("pyspark.sql.connect")
    yield session
    session.stop()
