"""Spark ML's shared params, such as `HasInputCol`, or empty classes of the same names without pyspark."""

from __future__ import annotations

try:
    from pyspark.ml.param.shared import (
        HasFeaturesCol,
        HasHandleInvalid,
        HasInputCol,
        HasInputCols,
        HasLabelCol,
        HasNumFeatures,
        HasOutputCol,
        HasOutputCols,
        HasParallelism,
        HasSeed,
        HasWeightCol,
    )
except ImportError:
    from mmlrs._noparams import (  # type: ignore[assignment]
        HasFeaturesCol,
        HasHandleInvalid,
        HasInputCol,
        HasInputCols,
        HasLabelCol,
        HasNumFeatures,
        HasOutputCol,
        HasOutputCols,
        HasParallelism,
        HasSeed,
        HasWeightCol,
    )

__all__ = [
    "HasFeaturesCol",
    "HasHandleInvalid",
    "HasInputCol",
    "HasInputCols",
    "HasLabelCol",
    "HasNumFeatures",
    "HasOutputCol",
    "HasOutputCols",
    "HasParallelism",
    "HasSeed",
    "HasWeightCol",
]
