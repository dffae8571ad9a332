"""`Param` and `Params` of pyspark, or without pyspark the small part of them that stages need."""

from __future__ import annotations

try:
    from pyspark.ml.param import Param, Params

    HAS_PYSPARK = True
except ImportError:
    from mmlrs._noparams import Param, Params  # type: ignore[assignment]

    HAS_PYSPARK = False

__all__ = ["HAS_PYSPARK", "Param", "Params"]
