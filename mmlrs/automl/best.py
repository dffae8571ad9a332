"""The best of several fitted models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from mmlrs._generated import automl as _generated
from mmlrs._progress import progress
from mmlrs.automl.before import check_fitted_labels, check_model
from mmlrs.automl.chosen import Chosen, stream
from mmlrs.automl.judge import best_of, best_value, learner_in, statistics, value_of
from mmlrs.automl.names import learner_name
from mmlrs.base import Transformer
from mmlrs.engine.bridge import through_spark
from mmlrs.engine.columns import Columns
from mmlrs.errors import ExecutionError, InvalidParamError, MmlrsError
from mmlrs.train.kinds import refuse_foreign

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import AnyStage, FrameOrTable, Transforms

__all__ = ["BestModel", "FindBestModel"]


class FindBestModel(_generated.FindBestModel):
    __doc__ = _generated.FindBestModel.__doc__
    __module__ = "mmlrs.automl"

    def _set(self, **kwargs: Any) -> Any:
        if "models" in kwargs:
            refuse_foreign(self, "models", kwargs["models"])
        return super()._set(**kwargs)

    def _check_params(self) -> None:
        super()._check_params()
        for model in self._value("models"):
            if not hasattr(model, "transform"):
                raise InvalidParamError(
                    f"{self._stage}: param `models` must be fitted models, got the estimator {model.uid}"
                )
            check_model(self, model)
        check_fitted_labels(self, self._value("models"))

    def _fit_table(self, table: pa.Table) -> Any:
        if all(isinstance(model, Transformer) for model in self._value("models")):
            return self._best(table)
        return through_spark(self, table, self._fit_spark)

    def _fit_spark(self, df: DataFrame) -> Any:
        return self._best(df)

    def _best(self, dataset: FrameOrTable) -> Any:
        models = self._value("models")
        if (label := self._value("labelCol")) is not None:
            Columns.of(dataset, self._stage).resolve(label)
        rows: list[pa.Table] = []
        values: list[float | None] = []
        with progress(self._stage, len(models), "model") as bar:
            for model in models:
                rows.append(self._metrics_row(model, dataset))
                values.append(value_of(self, rows[-1]))
                best_so_far = best_value(self, values)
                if best_so_far is not None:
                    bar.note(f"best {self._value('evaluationMetric')} {best_so_far:.4g}")
                bar.update()
        best = best_of(self, values)
        metric = values[best]
        assert metric is not None
        model = BestModel(
            bestModel=models[best],
            evaluationMetric=self._value("evaluationMetric"),
            bestMetric=metric,
            modelMetrics=stream(_metrics_of_models(models, values, rows, best)),
        )
        model._scored = lambda: models[best].transform(dataset)
        return model._resetUid(self.uid)

    def _metrics_row(self, model: AnyStage, dataset: FrameOrTable) -> pa.Table:
        """Return the row of metrics of one model."""
        try:
            return statistics(self, cast("Transforms", model).transform(dataset), learner_in(model))
        except MmlrsError as error:
            raise type(error)(f"{self._stage}: model {model.uid}: {error}") from error


def _metrics_of_models(
    models: list[AnyStage], values: list[float | None], rows: list[pa.Table], best: int
) -> pa.Table:
    """Return a row per model: its name and params, whether it is the best, and all metrics."""
    table = pa.table(
        {
            "model_name": pa.array([m.uid for m in models]),
            "learner": pa.array([learner_name(m) for m in models]),
            "parameters": pa.array([json.dumps(_set_params(m), default=str) for m in models]),
            "metric": pa.array(values, pa.float64()),
            "best": pa.array([i == best for i in range(len(models))]),
        }
    )
    metrics = pa.concat_tables(rows)
    for name in metrics.column_names:
        table = table.append_column(metrics.schema.field(name), metrics[name])
    return table


def _set_params(model: AnyStage) -> dict[str, Any]:
    """Return the params that are set on a fitted model's learner, without those that name columns."""
    learner = learner_in(model)
    inner = learner._value("model") if hasattr(learner, "_value") and learner.hasParam("model") else learner
    return {p.name: v for p, v in inner._paramMap.items() if not p.name.endswith(("Col", "Cols"))}


class BestModel(_generated.BestModel, Chosen):
    __doc__ = _generated.BestModel.__doc__
    __module__ = "mmlrs.automl"
    _scored: Any = None

    def getScoredDataset(self) -> Any:
        """Return the result of the best model on the dataset of the fit.

        Returns
        -------
        dataset
            A dataset of the same type as the argument of `fit`. A Spark DataFrame is lazy, as from `transform`.

        Raises
        ------
        ExecutionError
            The model was loaded. The dataset is not saved with it.
        """
        if self._scored is None:
            raise ExecutionError(
                f"{self._stage}: the scored dataset is not saved with the model; transform(dataset) scores it again"
            )
        return self._scored()

    def getRocCurve(self) -> pa.Table:
        """Return the ROC curve of the best model.

        Returns
        -------
        pyarrow.Table
            Columns `threshold`, `false_positive_rate`, `true_positive_rate` and `precision`, all float64. It has no rows for
            regression, for more than two classes, or without scores.
        """
        row = self.getBestModelMetrics()
        points = row["curve"][0].as_py() if "curve" in row.column_names else None
        names = ("threshold", "false_positive_rate", "true_positive_rate", "precision")
        return pa.Table.from_pylist(points or [], pa.schema([(name, pa.float64()) for name in names]))

    def __getstate__(self) -> dict[str, Any]:
        """Exclude the dataset, which belongs to this process."""
        return {name: value for name, value in super().__getstate__().items() if name != "_scored"}
