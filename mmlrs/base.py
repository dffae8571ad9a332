"""Base classes of the stages: transformers, estimators, models and summaries, on Spark and on tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

import pyarrow as pa

from mmlrs._descriptors import stage_class, stage_spec, stage_specs
from mmlrs._pyspark import BaseEstimator, BaseModel, BaseTransformer
from mmlrs._stage import Stage
from mmlrs.engine import table as tables
from mmlrs.engine.causes import with_own_errors
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.engine.select import with_views, without_views
from mmlrs.params import types_of
from mmlrs.params.stages import class_name

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import ArrowStream, Dataset, FrameOrTable, Tabular

__all__ = [
    "Estimator",
    "NativeAggregate",
    "NativeEstimator",
    "NativeModel",
    "NativeSummary",
    "NativeTransformer",
    "PythonModel",
    "PythonTransformer",
    "Stage",
    "Transformer",
    "class_name",
    "is_spark",
    "stage_class",
    "stage_spec",
    "stage_specs",
]


def _not_implemented(stage: Stage, method: str, what: str) -> NotImplementedError:
    return NotImplementedError(
        f"{type(stage).__name__} does not {what}: implement `{method}` in the class, or use another kind of dataset"
    )


class Transformer(Stage, BaseTransformer):
    """A transformer on Spark DataFrames, Arrow tables and pandas DataFrames."""

    @overload  # type: ignore[override, unused-ignore]
    def transform(self, dataset: Tabular, params: Mapping[Any, Any] | None = None) -> Tabular: ...

    @overload
    def transform(self, dataset: ArrowStream, params: Mapping[Any, Any] | None = None) -> pa.Table: ...

    def transform(self, dataset: Dataset, params: Mapping[Any, Any] | None = None) -> Any:
        """Return the dataset with the stage's columns.

        Parameters
        ----------
        dataset : pyspark.sql.DataFrame, pyarrow.Table, pyarrow.RecordBatch, pandas.DataFrame, polars.DataFrame or other Arrow data
            The rows. Spark DataFrames stay lazy; other datasets are processed immediately.
        params : dict, optional
            Values of params for this call only.

        Returns
        -------
        object
            The same kind of object; a `pyarrow.Table` for an Arrow object of unknown kind.

        Raises
        ------
        MmlrsError
            A param, a column or a row cannot be used; the message names it.
        """
        return (self._with(params) if params else self)._transform(dataset)

    def _transform(self, dataset: Dataset) -> Any:
        if is_spark(dataset):
            return self._transform_spark(dataset)
        if is_table(dataset):
            return tables.on_table(dataset, self._on_table, moves=self._moves_rows())
        raise refused(self._stage, "transform", dataset)

    def _on_table(self, table: pa.Table) -> pa.Table:
        # Rust reads text and bytes of any type; pyarrow cannot compare or group views.
        if isinstance(self, NativeTransformer):
            return self._transform_table(table)
        plain = without_views(table)
        return with_views(self._transform_table(plain), plain, table)

    def _moves_rows(self) -> bool:
        """Return whether the result may have other rows than the dataset."""
        skips = self.hasParam("handleInvalid") and self._value("handleInvalid") == "skip"
        return skips or not isinstance(self, NativeTransformer)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        """Transform a Spark DataFrame; subclasses implement it."""
        raise _not_implemented(self, "_transform_spark", "transform Spark DataFrames")

    def _transform_table(self, table: pa.Table) -> pa.Table:
        """Transform a table; subclasses implement it."""
        raise _not_implemented(self, "_transform_table", "transform tables")


class NativeTransformer(Transformer):
    """A stage that runs a kernel of the native core and keeps the row count."""

    #: Whether a subclass has Python code around the kernel. Its params are checked first; the kernel checks its own.
    _has_body: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = ("_transform_spark", "_transform_table")
        cls._has_body = any(getattr(cls, name) is not getattr(NativeTransformer, name) for name in names)

    def _transform(self, dataset: Dataset) -> Any:
        if self._has_body:
            self._check_params()
        return super()._transform(dataset)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return tables.transform(self, table)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        return spark.transform(self, df)


class PythonTransformer(Transformer):
    """A stage written in Python; subclasses implement `_transform_spark` and `_transform_table`."""

    def _transform(self, dataset: Dataset) -> Any:
        self._check_params()
        return super()._transform(dataset)

    def _inputs(self, dataset: FrameOrTable) -> list[str]:
        """Return the input columns as the dataset spells them; raise if one is missing or an output column exists."""
        columns = Columns.of(dataset, self._stage)
        inputs = columns.resolve_all(self._columns("input"))
        columns.check_new(self._columns("output"))
        return inputs


class NativeModel(NativeTransformer, BaseModel):
    """A native transformer that an estimator fits."""


class PythonModel(PythonTransformer, BaseModel):
    """A transformer written in Python that an estimator fits."""


M = TypeVar("M", bound=BaseModel)


class Estimator(Stage, BaseEstimator[M]):
    """An estimator on Spark DataFrames, Arrow tables and pandas DataFrames. `M` is the class of its models."""

    @overload  # type: ignore[override, unused-ignore]
    def fit(self, dataset: Dataset, params: Mapping[Any, Any] | None = None) -> M: ...

    @overload
    def fit(self, dataset: Dataset, params: Sequence[Mapping[Any, Any]]) -> list[M]: ...

    def fit(
        self, dataset: Dataset, params: Mapping[Any, Any] | Sequence[Mapping[Any, Any]] | None = None
    ) -> Any:
        """Fit a model.

        Parameters
        ----------
        dataset : pyspark.sql.DataFrame, pyarrow.Table, pyarrow.RecordBatch, pandas.DataFrame, polars.DataFrame or other Arrow data
            The rows.
        params : dict or list of dict, optional
            Values of params for this call only. A list of dicts fits one model per dict.

        Returns
        -------
        Model or list of Model
            The model has the estimator's uid and its params.

        Raises
        ------
        MmlrsError
            A param or a column cannot be used; the message names it.
        """
        if isinstance(params, list | tuple):
            return [self.fit(dataset, one) for one in params]
        return (self._with(params) if params else self)._fit(dataset)

    def _fit(self, dataset: Dataset) -> Any:
        self._check_params()
        rows = tables.to_rows(dataset, self._stage, "fit on")
        if not is_spark(rows):
            return self._fit_table(rows)
        with with_own_errors():
            return self._fit_spark(rows)

    def _fit_spark(self, df: DataFrame) -> Any:
        """Fit on a Spark DataFrame; subclasses implement it."""
        raise _not_implemented(self, "_fit_spark", "fit on Spark DataFrames")

    def _fit_table(self, table: pa.Table) -> Any:
        """Fit on a table; subclasses implement it."""
        raise _not_implemented(self, "_fit_table", "fit on tables")


class NativeAggregate(Stage):
    """A stage that reads all rows into mergeable states of the native core: one job on Spark."""

    def _finished(self, dataset: FrameOrTable) -> Any:
        """Return the result of the merged states of all rows."""
        if isinstance(dataset, pa.Table):
            return json.loads(tables.fit(self, dataset))
        from mmlrs.engine.spark_fit import fit

        return json.loads(fit(self, dataset))


class NativeEstimator(NativeAggregate, Estimator[M]):
    """An estimator that the native core fits."""

    def _fit_table(self, table: pa.Table) -> Any:
        return self._model(self._finished(table))

    def _fit_spark(self, df: DataFrame) -> Any:
        return self._model(self._finished(df))

    def _model(self, fitted: dict[str, Any]) -> Any:
        """Return the fitted model."""
        cls = stage_class(fitted["model"])
        types = types_of(cls).all
        params = {key: types[key].from_core(value) for key, value in fitted["params"].items()}
        model = cls(**params)
        return model._resetUid(self.uid)


class NativeSummary(NativeAggregate, Transformer):
    """A stage that describes all rows by a new table; subclasses implement `_summarize`."""

    def _transform(self, dataset: Dataset) -> Any:
        self._check_params()
        return super()._transform(dataset)

    def _summarize(self, dataset: FrameOrTable) -> pa.Table:
        """Return the description of a table or a DataFrame; subclasses implement it."""
        raise _not_implemented(self, "_summarize", "summarize datasets")

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return self._summarize(table)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine.versions import frame_of

        return frame_of(df.sparkSession, self._summarize(df))
