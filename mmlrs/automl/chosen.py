"""The base class of the models of both estimators, which hold the best model and the metrics of all models."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs.base import PythonModel
from mmlrs.engine.bridge import on_table_or_spark
from mmlrs.errors import DecodeError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Chosen", "stream"]


def stream(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


class Chosen(PythonModel):
    """A model that transforms with the best model and reports the metrics of all models."""

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return self._value("bestModel").transform(df)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return on_table_or_spark(self, self._value("bestModel"), table)

    def getAllModelMetrics(self) -> pa.Table:
        """Return the metrics of all models, one row per model.

        Returns
        -------
        pyarrow.Table
            Columns `model_name` (the uid), `learner` (its class and params for people, such as
            "LogisticRegression(regParam=0.1)"), `parameters` (JSON), `metric` (the metric of the choice, null if it is not
            defined), `best` (boolean), and those that the documentation of the estimator lists.

        Raises
        ------
        DecodeError
            The param `modelMetrics` is not an Arrow IPC stream.
        """
        content = self._value("modelMetrics").read()
        try:
            return pa.ipc.open_stream(content).read_all()
        except pa.ArrowException as error:
            raise DecodeError(
                f"{self._stage}: param `modelMetrics` must be an Arrow IPC stream: {error}"
            ) from None

    def getBestModelMetrics(self) -> pa.Table:
        """Return the row of the best model in `getAllModelMetrics`."""
        table = self.getAllModelMetrics()
        return table.filter(table["best"])
