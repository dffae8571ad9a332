"""Base classes of pyspark, or the small part of them that stages need where pyspark is not installed."""

from __future__ import annotations

from typing import Generic, TypeVar

try:
    from pyspark.ml import Estimator as BaseEstimator
    from pyspark.ml import Model as BaseModel
    from pyspark.ml import Transformer as BaseTransformer
    from pyspark.ml.param import Param, Params

    HAS_PYSPARK = True
except ImportError:
    from mmlrs._noparams import Param, Params  # type: ignore[assignment]

    HAS_PYSPARK = False

    class BaseTransformer:  # type: ignore[no-redef]
        """Replaces `pyspark.ml.Transformer`."""

    _Model = TypeVar("_Model")

    class BaseEstimator(Generic[_Model]):  # type: ignore[no-redef]
        """Replaces `pyspark.ml.Estimator`."""

    class BaseModel:  # type: ignore[no-redef]
        """Replaces `pyspark.ml.Model`."""


__all__ = ["HAS_PYSPARK", "BaseEstimator", "BaseModel", "BaseTransformer", "Param", "Params"]
