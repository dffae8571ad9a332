"""Finding the best model and the best hyper-parameters."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs._generated import automl as _generated
from mmlrs.automl.before import check_columns, check_labels, check_model, check_told_labels
from mmlrs.automl.causes import cause_of
from mmlrs.automl.judge import best_of, learner_in, statistics, value_of
from mmlrs.automl.search import Search
from mmlrs.automl.trials import Trial, parameters_json, trials
from mmlrs.base import PythonModel, Transformer
from mmlrs.engine.bridge import on_table_or_spark, through_spark
from mmlrs.engine.columns import Columns
from mmlrs.errors import DecodeError, ExecutionError, InvalidParamError, MmlrsError
from mmlrs.train.kinds import refuse_foreign

__all__ = ["BestModel", "FindBestModel", "TuneHyperparameters", "TuneHyperparametersModel"]


def _stream(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


class _Chosen(PythonModel):
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
        check_told_labels(self, self._value("models"))

    def _fit_table(self, table: pa.Table) -> Any:
        if all(isinstance(model, Transformer) for model in self._value("models")):
            return self._best(table)
        return through_spark(self, table, self._fit_spark)

    def _fit_spark(self, df: Any) -> Any:
        return self._best(df)

    def _best(self, dataset: Any) -> Any:
        models = self._value("models")
        if (label := self._value("labelCol")) is not None:
            Columns.of(dataset, self._stage).resolve(label)
        rows = [self._judged(model, dataset) for model in models]
        values = [value_of(self, row) for row in rows]
        place = best_of(self, values)
        metric = values[place]
        assert metric is not None
        made = BestModel(
            bestModel=models[place],
            evaluationMetric=self._value("evaluationMetric"),
            bestMetric=metric,
            modelMetrics=_stream(_metrics_of_models(models, values, rows, place)),
        )
        made._scored = lambda: models[place].transform(dataset)
        return made._resetUid(self.uid)

    def _judged(self, model: Any, dataset: Any) -> pa.Table:
        """Return the row of metrics of one model."""
        try:
            return statistics(self, model.transform(dataset), learner_in(model))
        except MmlrsError as error:
            raise type(error)(f"{self._stage}: model {model.uid}: {error}") from error


def _metrics_of_models(
    models: list[Any], values: list[float | None], rows: list[pa.Table], best: int
) -> pa.Table:
    """Return the row of each model: what it is, whether it is the best, all metrics."""
    told = pa.table(
        {
            "model_name": pa.array([m.uid for m in models]),
            "parameters": pa.array([json.dumps(_set_params(m), default=str) for m in models]),
            "metric": pa.array(values, pa.float64()),
            "best": pa.array([i == best for i in range(len(models))]),
        }
    )
    metrics = pa.concat_tables(rows)
    for name in metrics.column_names:
        told = told.append_column(metrics.schema.field(name), metrics[name])
    return told


def _set_params(model: Any) -> dict[str, Any]:
    """Return the params of a fitted model's learner that were set, but for its columns."""
    learner = learner_in(model)
    inner = learner._value("model") if hasattr(learner, "_value") and learner.hasParam("model") else learner
    return {p.name: v for p, v in inner._paramMap.items() if not p.name.endswith(("Col", "Cols"))}


class BestModel(_generated.BestModel, _Chosen):
    __doc__ = _generated.BestModel.__doc__
    __module__ = "mmlrs.automl"
    _scored: Any = None

    def getScoredDataset(self) -> Any:
        """Return what the best model made of the dataset that decided.

        Returns
        -------
        object
            The kind of dataset that `fit` was given; a Spark DataFrame is as lazy as `transform`'s.

        Raises
        ------
        ExecutionError
            The model was loaded: the dataset is not saved along.
        """
        if self._scored is None:
            raise ExecutionError(
                f"{self._stage}: the scored dataset is not saved along; transform(dataset) scores it anew"
            )
        return self._scored()

    def getRocCurve(self) -> pa.Table:
        """Return the ROC curve of the best model.

        Returns
        -------
        pyarrow.Table
            With `threshold`, `false_positive_rate`, `true_positive_rate` and `precision`; no rows for regression, for more than
            two classes and without scores.
        """
        row = self.getBestModelMetrics()
        points = row["curve"][0].as_py() if "curve" in row.column_names else None
        names = ("threshold", "false_positive_rate", "true_positive_rate", "precision")
        return pa.Table.from_pylist(points or [], pa.schema([(name, pa.float64()) for name in names]))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the dataset, which belongs to this process."""
        return {name: value for name, value in vars(self).items() if name != "_scored"}


class TuneHyperparameters(_generated.TuneHyperparameters):
    __doc__ = _generated.TuneHyperparameters.__doc__
    __module__ = "mmlrs.automl"

    def _set(self, **kwargs: Any) -> Any:
        if "models" in kwargs:
            refuse_foreign(self, "models", kwargs["models"])
        return super()._set(**kwargs)

    def _check_params(self) -> None:
        super()._check_params()
        for model in self._value("models"):
            if not hasattr(model, "fit"):
                raise InvalidParamError(
                    f"{self._stage}: param `models` must be estimators, got the {type(model).__name__} {model.uid}"
                )
            check_model(self, model)

    def _fit_table(self, table: pa.Table) -> Any:
        return through_spark(self, table, self._fit_spark)

    def _fit_spark(self, df: Any) -> Any:
        models = self._value("models")
        if (label := self._value("labelCol")) is not None:
            Columns.of(df, self._stage).resolve(label)
        check_columns(models, df)
        made = trials(self, models, self._value("paramSpace"))
        Search(self, df, made).run(lambda rows: check_labels(self, models, rows))
        if all(trial.error is not None for trial in made):
            raise ExecutionError(
                f"{self._stage}: all {len(made)} trials failed, the first one with {cause_of(made[0].error)}"
            ) from made[0].error
        place = best_of(self, [trial.metric() for trial in made])
        best = made[place]
        metric = best.metric()
        assert metric is not None
        model = TuneHyperparametersModel(
            bestModel=best.learner().fit(df),
            evaluationMetric=self._value("evaluationMetric"),
            bestMetric=metric,
            modelMetrics=_stream(_metrics_of_trials(made, place)),
        )
        return model._resetUid(self.uid)


def _metrics_of_trials(made: list[Trial], best: int) -> pa.Table:
    """Return the row of each trial."""
    folds = [None if t.error is not None else [t.folds[i] for i in sorted(t.folds)] for t in made]
    deviations = [None if f is None else float(np.std([v for v in f if v is not None])) for f in folds]
    return pa.table(
        {
            "trial": pa.array([t.number for t in made], pa.int64()),
            "model_name": pa.array([t.model.uid for t in made]),
            "parameters": pa.array([parameters_json(t) for t in made]),
            "metric": pa.array([t.metric() for t in made], pa.float64()),
            "standard_deviation": pa.array(deviations, pa.float64()),
            "folds": pa.array(folds, pa.list_(pa.float64())),
            "seconds": pa.array([t.seconds for t in made], pa.float64()),
            "error": pa.array([None if t.error is None else cause_of(t.error) for t in made], pa.string()),
            "best": pa.array([i == best for i in range(len(made))]),
        }
    )


class TuneHyperparametersModel(_generated.TuneHyperparametersModel, _Chosen):
    __doc__ = _generated.TuneHyperparametersModel.__doc__
    __module__ = "mmlrs.automl"

    def getBestParams(self) -> dict[str, Any]:
        """Return the winner's hyper-parameters: values by `Class.param`."""
        found: dict[str, Any] = json.loads(self.getBestModelMetrics()["parameters"][0].as_py())
        return found

    def getBestModelInfo(self) -> str:
        """Return the winner in a line: learner, hyper-parameters and metric."""
        row = self.getBestModelMetrics().to_pylist()[0]
        shown = ", ".join(f"{name}={value}" for name, value in self.getBestParams().items())
        return f"{row['model_name']}({shown}): {self._value('evaluationMetric')} {row['metric']:.6g}"
