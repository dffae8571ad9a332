"""Statistics of the quality of predictions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from mmlrs import _native
from mmlrs._generated import train as _generated
from mmlrs.base import NativeTransformer
from mmlrs.engine.table import to_rows
from mmlrs.errors import InvalidParamError
from mmlrs.train.order import labels_in
from mmlrs.train.scored import Scored, scored_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._stage import Stage
    from mmlrs._types import Dataset, FrameOrTable

__all__ = ["METRICS", "ComputeModelStatistics", "ComputePerInstanceStatistics", "Metric", "metric_column"]


class Metric:
    """A metric: its kind, its column, whether larger values are better, and whether it needs scores."""

    def __init__(
        self,
        kind: Literal["classification", "regression"],
        column: str,
        *,
        larger_is_better: bool = True,
        of_scores: bool = False,
    ) -> None:
        self.kind = kind
        self.column = column
        self.larger_is_better = larger_is_better
        self.of_scores = of_scores


#: The metrics that users can request by name, in the order of the columns.
METRICS = {metric.pop("name"): Metric(**metric) for metric in json.loads(_native.metrics())}


def metric_column(name: str) -> str:
    """Return the column of a metric in the statistics."""
    return METRICS[name].column


def _kind(metric: str) -> str | None:
    """Return the kind of a value of `evaluationMetric`, or None for "all"."""
    if metric in METRICS:
        return METRICS[metric].kind
    return None if metric == "all" else metric


def _metric_columns(kind: str) -> list[str]:
    return [metric.column for metric in METRICS.values() if metric.kind == kind]


def _fields(kind: pa.DataType, *names: str) -> list[pa.Field]:
    return [pa.field(name, kind) for name in names]


_POINT = pa.struct(
    _fields(pa.float64(), "threshold", "false_positive_rate", "true_positive_rate", "precision")
)
_COMMON = [pa.field("evaluation_type", pa.string()), pa.field("rows", pa.int64())]
_COLUMNS = {
    "regression": [
        *_COMMON,
        *_fields(pa.float64(), *_metric_columns("regression")),
    ],
    "classification": [
        *_COMMON,
        pa.field("labels", pa.list_(pa.string())),
        pa.field("confusion_matrix", pa.list_(pa.list_(pa.float64()))),
        *_fields(pa.float64(), *_metric_columns("classification")),
        *_fields(
            pa.float64(),
            *(f"macro_averaged_{name}" for name in ("precision", "recall", "f1_score")),
            *(f"weighted_{name}" for name in ("precision", "recall", "f1_score")),
        ),
        pa.field("curve", pa.list_(_POINT)),
    ],
}


class ComputeModelStatistics(_generated.ComputeModelStatistics):
    __doc__ = _generated.ComputeModelStatistics.__doc__
    __module__ = "mmlrs.train"

    def evaluate(self, dataset: Dataset) -> pa.Table:
        """Return the metrics as a pyarrow table of one row, for any kind of dataset.

        Parameters
        ----------
        dataset : pyspark.sql.DataFrame, pyarrow.Table, pandas.DataFrame or Arrow PyCapsule object
            The scored rows.

        Returns
        -------
        pyarrow.Table
            The row that `transform` returns in the type of its argument.

        Raises
        ------
        InvalidParamError
            A param is not valid, or neither params nor metadata names the label and the predictions.
        ColumnNotFoundError, SchemaMismatchError
            A column does not exist, or has a type that cannot be read.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from mmlrs.train import ComputeModelStatistics
        >>> scored = pa.table({"label": [0, 1, 1, 0], "score": [0.1, 0.9, 0.4, 0.5]})
        >>> ComputeModelStatistics(labelCol="label", scoresCol="score").evaluate(scored)["AUC"].to_pylist()
        [0.75]
        """
        self._check_params()
        return self._summarize(to_rows(dataset, self._stage, "evaluate"))

    def _summarize(self, dataset: FrameOrTable) -> pa.Table:
        stage, scored = self._resolved(dataset)
        values = stage._finished(dataset)
        if "order" in values:  # the order of the labels, known after the first pass
            values = stage.copy()._set(labels=values["order"])._finished(dataset)
        return self._row(scored, values)

    def _resolved(self, dataset: FrameOrTable) -> tuple[Any, Scored]:
        """Return the stage with all columns set, and the description of the columns."""
        scored = scored_columns(self, dataset, _kind(self._value("evaluationMetric")))
        return _with_columns(self, scored), scored

    def _row(self, scored: Scored, values: dict[str, Any]) -> pa.Table:
        """Return the metrics of the native core as a row."""
        assert scored.kind is not None
        if scored.names is not None:
            values["labels"] = [_name(text, scored.names) for text in values["labels"]]
        if "curve" in values:
            values["curve"] = _curve(values["curve"])
        metric = self._value("evaluationMetric")
        schema = pa.schema(_COLUMNS[scored.kind])
        if metric in METRICS:
            schema = pa.schema([_COMMON[0], schema.field(metric_column(metric))])
        return pa.table({f.name: pa.array([_number(values.get(f.name), f.type)], f.type) for f in schema})


def _with_columns(stage: Stage, scored: Scored) -> Any:
    """Return a copy of the stage with exactly the columns set that it reads."""
    copy = stage.copy()
    for param in ("labelCol", "scoresCol", "scoredLabelsCol", "labels"):
        copy.clear(copy.getParam(param))
    regression = scored.kind == "regression"
    return copy._set(
        evaluationMetric=scored.kind,
        labelCol=scored.label,
        scoredLabelsCol=scored.prediction,
        scoresCol=None if regression else scored.scores,
        labels=None if regression else scored.labels,
    )


def _name(text: str, names: list[str]) -> str:
    """Return the name of a class by its number."""
    place = int(float(text)) if text.replace(".", "", 1).isdigit() else len(names)
    return names[place] if place < len(names) else text


def _number(value: Any, kind: pa.DataType) -> Any:
    """Return a number from the native core, which writes infinities and NaN as strings."""
    return float(value) if value is not None and pa.types.is_floating(kind) else value


def _curve(points: list[list[Any]]) -> list[dict[str, float | None]]:
    """Return the points of the curve as rates."""
    *_, (_, positive, negative) = points
    rates: list[dict[str, float | None]] = []
    for threshold, hits, alarms in points:
        rates.append(
            {
                "threshold": float(threshold),
                "false_positive_rate": alarms / negative if negative else None,
                "true_positive_rate": hits / positive if positive else None,
                "precision": hits / (hits + alarms) if hits + alarms else 1.0,
            }
        )
    return rates


class ComputePerInstanceStatistics(_generated.ComputePerInstanceStatistics):
    __doc__ = _generated.ComputePerInstanceStatistics.__doc__
    __module__ = "mmlrs.train"

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return NativeTransformer._transform_table(self._resolved(table), table)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return NativeTransformer._transform_spark(self._resolved(df), df)

    def _resolved(self, dataset: FrameOrTable) -> Any:
        kind = self._value("evaluationMetric")
        scored = scored_columns(self, dataset, None if kind == "all" else kind)
        column = scored.prediction if scored.kind == "regression" else scored.scores
        if column is None:
            param = "scoredLabelsCol" if scored.kind == "regression" else "scoresCol"
            raise InvalidParamError(
                f"{self._stage}: param `{param}` must be set, because no column has this role in its metadata"
            )
        if scored.kind == "regression":
            scored.scores = None
        else:
            scored.prediction = None
            if not scored.marked:
                scored.labels = scored.labels or labels_in(self, dataset, scored)
        return _with_columns(self, scored)
