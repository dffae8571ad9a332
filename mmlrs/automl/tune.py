"""The search for hyper-parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs._generated import automl as _generated
from mmlrs.automl.before import check_columns, check_labels, check_model
from mmlrs.automl.chosen import Chosen, stream
from mmlrs.automl.judge import best_of
from mmlrs.automl.search import Search
from mmlrs.automl.trials import Trial, parameters_json, trials
from mmlrs.engine.bridge import through_spark
from mmlrs.engine.causes import cause_of
from mmlrs.engine.columns import Columns
from mmlrs.errors import ExecutionError, InvalidParamError
from mmlrs.train.kinds import refuse_foreign

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["TuneHyperparameters", "TuneHyperparametersModel"]


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

    def _fit_spark(self, df: DataFrame) -> Any:
        models = self._value("models")
        if (label := self._value("labelCol")) is not None:
            Columns.of(df, self._stage).resolve(label)
        check_columns(models, df)
        attempts = trials(self, models, self._value("paramSpace"))
        with Search(self, df, attempts) as search:
            search.run(lambda rows: check_labels(self, models, rows))
            if all(trial.error is not None for trial in attempts):
                raise ExecutionError(
                    f"{self._stage}: all {len(attempts)} trials failed, the first with {cause_of(attempts[0].error)}"
                ) from attempts[0].error
            index = best_of(self, [trial.metric() for trial in attempts])
            best = attempts[index]
            metric = best.metric()
            assert metric is not None
            model = TuneHyperparametersModel(
                bestModel=search.fit(best),
                evaluationMetric=self._value("evaluationMetric"),
                bestMetric=metric,
                modelMetrics=stream(_metrics_of_trials(attempts, index)),
            )
        return model._resetUid(self.uid)


def _metrics_of_trials(attempts: list[Trial], best: int) -> pa.Table:
    """Return a row per trial."""
    folds = [None if t.error is not None else [t.folds[i] for i in sorted(t.folds)] for t in attempts]
    deviations = [None if f is None else float(np.std([v for v in f if v is not None])) for f in folds]
    return pa.table(
        {
            "trial": pa.array([t.number for t in attempts], pa.int64()),
            "model_name": pa.array([t.model.uid for t in attempts]),
            "learner": pa.array([t.describe() for t in attempts]),
            "parameters": pa.array([parameters_json(t) for t in attempts]),
            "metric": pa.array([t.metric() for t in attempts], pa.float64()),
            "standard_deviation": pa.array(deviations, pa.float64()),
            "folds": pa.array(folds, pa.list_(pa.float64())),
            "seconds": pa.array([t.seconds for t in attempts], pa.float64()),
            "error": pa.array(
                [None if t.error is None else cause_of(t.error) for t in attempts], pa.string()
            ),
            "best": pa.array([i == best for i in range(len(attempts))]),
        }
    )


class TuneHyperparametersModel(_generated.TuneHyperparametersModel, Chosen):
    __doc__ = _generated.TuneHyperparametersModel.__doc__
    __module__ = "mmlrs.automl"

    def getBestParams(self) -> dict[str, Any]:
        """Return the hyper-parameters of the best model, as values by `Class.param`."""
        params: dict[str, Any] = json.loads(self.getBestModelMetrics()["parameters"][0].as_py())
        return params

    def getBestModelInfo(self) -> str:
        """Return one line with the learner, its hyper-parameters and the metric of the best model."""
        row = self.getBestModelMetrics().to_pylist()[0]
        return f"{row['learner']}: {self._value('evaluationMetric')} {row['metric']:.6g}"
