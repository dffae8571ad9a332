"""Trainings on Spark whose state is too large for the function of a job."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.ann import MultilayerPerceptronClassifier
from mmlrs.engine.artifacts import INLINE_BYTES


@pytest.mark.spark
def test_a_state_that_is_a_file_goes_on_as_one_in_memory(spark: Any) -> None:
    """The file has no marks between the header, the parameters and the moments of Adam."""
    table = pa.table(
        {"features": [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, "label": [0, 1, 1, 0] * 8}
    )
    hidden = 120_001
    assert 3 * 4 * 5 * hidden > INLINE_BYTES
    estimator = MultilayerPerceptronClassifier(
        layers=[2, hidden, 2], solver="adam", epochs=4, batchSize=32, stepSize=1e-4
    )
    expected = estimator.fit(table)
    model = estimator.copy({estimator.numWorkers: 2}).fit(spark.createDataFrame(table))
    assert model.history["iteration"].to_pylist() == [1, 2, 3, 4]
    np.testing.assert_allclose(model.history["loss"], expected.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(model.weights, expected.weights, rtol=0, atol=1e-5)
