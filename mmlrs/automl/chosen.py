"""What the models of both estimators do: they hold the best model and how all models did."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from mmlrs.base import PythonModel
from mmlrs.engine.bridge import on_table_or_spark
from mmlrs.errors import DecodeError

__all__ = ["Chosen", "stream"]


def stream(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


class Chosen(PythonModel):
    """What the models of both estimators do."""

    def _transform_spark(self, df: Any) -> Any:
        return self._value("bestModel").transform(df)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return on_table_or_spark(self, self._value("bestModel"), table)

    def getAllModelMetrics(self) -> pa.Table:
        """Return how all models did, one row for each.

        Returns
        -------
        pyarrow.Table
            With `model_name`, `parameters` (as JSON), `metric` (the one that decided; null where it is not defined) and
            `best`; the other columns are those of the estimator's description.
        """
        content = self._value("modelMetrics").read()
        try:
            return pa.ipc.open_stream(content).read_all()
        except pa.ArrowException as error:
            raise DecodeError(
                f"{self._stage}: param `modelMetrics` must be an Arrow IPC stream: {error}"
            ) from None

    def getBestModelMetrics(self) -> pa.Table:
        """Return the row of the best model."""
        table = self.getAllModelMetrics()
        return table.filter(table["best"])
