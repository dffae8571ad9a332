"""Types for annotations: the datasets that stages accept, and stages of Spark ML. They do not exist at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing import TypeAlias, TypeVar

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from pyspark.ml.param import Params
    from pyspark.sql import DataFrame

    #: A dataset that `transform` returns as the same type.
    Tabular = TypeVar("Tabular", bound=DataFrame | pa.Table | pa.RecordBatch | pd.DataFrame | pl.DataFrame)
    #: A dataset that stages accept.
    Dataset: TypeAlias = DataFrame | pa.Table | pa.RecordBatch | pd.DataFrame | pl.DataFrame | "ArrowStream"
    #: A dataset after the conversion to a table, which Spark does not need.
    FrameOrTable: TypeAlias = DataFrame | pa.Table
    #: A stage of Spark ML or of mmlrs.
    AnyStage: TypeAlias = Params

__all__ = ["ArrowStream", "Fits", "Transforms"]


class ArrowStream(Protocol):
    """An object of the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with an Arrow stream."""


class Fits(Protocol):
    """An estimator of Spark ML or of mmlrs."""

    uid: str

    def fit(self, dataset: Any) -> Any:
        """Fit a model."""


class Transforms(Protocol):
    """A transformer of Spark ML or of mmlrs."""

    uid: str

    def transform(self, dataset: Any) -> Any:
        """Return the transformed dataset."""
