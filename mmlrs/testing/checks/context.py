"""A stage with data that it runs on, and the results that several checks share."""

from __future__ import annotations

import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.base import Estimator, Stage, Transformer
from mmlrs.engine.bridge import collect, to_spark
from mmlrs.testing.checks.facts import Facts
from mmlrs.testing.checks.saved import Saved

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Context", "NotApplicable", "fit_stage", "run_stage"]

#: Columns that no stage of the checks names.
NUMBERS, TEXT, TEXTS = "__numbers__", "__text__", "__texts__"


class NotApplicable(Exception):  # noqa: N818 - an outcome, not an error
    """Raised with the reason by a check that has nothing to check on this stage and this data."""


def fit_stage(stage: Stage, data: Any) -> Transformer:
    """Return the stage, or the model that an estimator fits on `data`."""
    model = stage.fit(data) if isinstance(stage, Estimator) else stage
    assert isinstance(model, Transformer), f"{type(model).__name__} is not a transformer"
    return model


def run_stage(stage: Stage, data: Any, on: Any = None) -> Any:
    """Transform `data`, or `on` if it is not None. An estimator is fitted on `data` first."""
    return fit_stage(stage, data).transform(data if on is None else on)


class Context:
    """A stage and its data. Models and results are computed on first use and shared; no check changes them."""

    def __init__(self, stage: Stage, data: pa.Table, spark: SparkSession | None = None) -> None:
        self.stage = stage
        self.data = data
        self.spark = spark
        self.facts = Facts.of(type(stage))

    def with_params(self, **params: Any) -> Stage:
        """Return a copy of the stage with other params."""
        return self.stage.copy()._set(**params)

    @cached_property
    def inputs(self) -> list[str]:
        """The columns of the data that the params of the stage name."""
        return [name for name in self.stage._columns("input") if name in self.data.column_names]

    @cached_property
    def model(self) -> Transformer:
        """The stage, or the model that it fits on the data."""
        return fit_stage(self.stage, self.data)

    @cached_property
    def result(self) -> pa.Table:
        """The result on the data."""
        return self.model.transform(self.data)

    @cached_property
    def extended(self) -> pa.Table:
        """The data with added columns of numbers, strings and lists that the stage does not name."""
        texts = [f"text {i % 2}" for i in range(self.data.num_rows)]
        data = self.data.append_column(NUMBERS, pa.array(range(self.data.num_rows)))
        data = data.append_column(TEXT, pa.array(texts))
        return data.append_column(TEXTS, pa.array([[text, None] for text in texts]))

    @cached_property
    def extended_result(self) -> pa.Table:
        """The result on the extended data."""
        return run_stage(self.stage, self.extended)

    @cached_property
    def data_with_null(self) -> tuple[str, pa.Table]:
        """The first input column and the data with a null in its first row."""
        if not self.inputs:
            raise NotApplicable("the stage names no column of the data")
        column = self.inputs[0]
        index = self.data.column_names.index(column)
        field = self.data.schema.field(index)
        values = pa.array([None, *self.data.column(index).to_pylist()[1:]], field.type)
        return column, self.data.set_column(index, field, values)

    @cached_property
    def result_with_null(self) -> pa.Table:
        """The result on the data with a null, with `handleInvalid="keep"` and the reasons in `errorCol`, if it has one."""
        reasons = {"errorCol": "__why__"} if self.stage.hasParam("errorCol") else {}
        stage = self.with_params(handleInvalid="keep", **reasons)
        return run_stage(stage, self.data, self.data_with_null[1])

    @cached_property
    def saved(self) -> Saved:
        """The stage, saved over a copy without params and loaded."""
        with tempfile.TemporaryDirectory() as folder:
            return Saved.over_another(self.stage, f"{folder}/stage")

    def on_spark(self, data: pa.Table) -> DataFrame:
        """Return a table as a DataFrame of the session, which checks that need Spark have."""
        assert self.spark is not None
        return to_spark(self.spark, data)

    @cached_property
    def frame(self) -> DataFrame:
        """The data as a Spark DataFrame."""
        return self.on_spark(self.data)

    @cached_property
    def spark_model(self) -> Transformer:
        """The stage, or the model that it fits on the DataFrame."""
        return fit_stage(self.stage, self.frame)

    @cached_property
    def spark_frame(self) -> DataFrame:
        """The result on the DataFrame."""
        return self.spark_model.transform(self.frame)

    @cached_property
    def spark_result(self) -> pa.Table:
        """The rows of the result on the DataFrame."""
        return collect(self.spark_frame)
