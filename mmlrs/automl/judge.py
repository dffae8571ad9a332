"""Evaluation of models by the metric of the choice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.errors import InvalidParamError
from mmlrs.train.kinds import predictor
from mmlrs.train.scored import METADATA, facts_of
from mmlrs.train.statistics import METRICS, ComputeModelStatistics

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs._types import AnyStage

__all__ = ["best_of", "best_value", "learner_in", "statistics", "value_of"]


def statistics(
    stage: Stage,
    scored: Any,
    learner: AnyStage,
    label: str | None = None,
    *,
    estimator: AnyStage | None = None,
    all_metrics: bool = True,
) -> pa.Table:
    """Return the row of metrics of a dataset that a model scored.

    Parameters
    ----------
    stage : Stage
        The stage whose params name the metric and the columns.
    scored : pyspark.sql.DataFrame or pyarrow.Table
        The scored dataset.
    learner : Params
        The fitted learner. Its params name the columns that the params of the stage do not name.
    label : str, optional
        Name of the label column that the learner read.
    estimator : Params, optional
        The learner before it was fitted. It names the label column if the fitted learner has no such param, like models of networks.
    all_metrics : bool, default True
        Whether to compute all metrics. Otherwise metrics may be missing that need other columns than the metric of the choice.
    """
    metric = METRICS[stage._value("evaluationMetric")]
    kind = metric.kind
    columns_by_param: dict[str, Any] = {"labelCol": label or stage._value("labelCol")}
    if label is None:
        columns_by_param |= {name: stage._value(name) for name in ("scoredLabelsCol", "scoresCol")}
    if label is not None or not _marked(scored):
        columns_by_param["labelCol"] = (
            columns_by_param["labelCol"] or _column(learner, "labelCol") or _column(estimator, "labelCol")
        )
        has_scored_column = columns_by_param.get("scoredLabelsCol") or columns_by_param.get("scoresCol")
        if not has_scored_column:
            columns_by_param["scoredLabelsCol"] = _column(learner, "predictionCol")
            columns = facts_of(scored)
            candidates = (_column(learner, f"{name}Col") for name in ("probability", "rawPrediction"))
            columns_by_param["scoresCol"] = next((name for name in candidates if name in columns), None)
    if kind == "regression" or (
        columns_by_param.get("scoredLabelsCol") and not (all_metrics or metric.of_scores)
    ):
        columns_by_param["scoresCol"] = None
    elif columns_by_param.get("scoresCol") and not all_metrics:
        columns_by_param["scoredLabelsCol"] = None
    policy = stage._value("handleInvalid")
    return ComputeModelStatistics(evaluationMetric=kind, handleInvalid=policy, **columns_by_param).evaluate(
        scored
    )


def _marked(scored: Any) -> bool:
    """Return whether the metadata of the columns marks the prediction."""
    return any(fact.get(METADATA, {}).get("role") == "prediction" for fact in facts_of(scored).values())


def _column(learner: AnyStage | None, param: str) -> str | None:
    if learner is None or not learner.hasParam(param) or not learner.isDefined(param):
        return None
    return learner.getOrDefault(param) or None


def learner_in(model: AnyStage) -> Any:
    """Return the predicting stage of a fitted model: the model itself, the last one in a pipeline, or the best of a search."""
    return predictor(model)


def value_of(stage: Stage, row: pa.Table) -> float | None:
    """Return the metric of the choice, or None if it is not defined."""
    column = METRICS[stage._value("evaluationMetric")].column
    value = row[column][0].as_py()
    return None if value is None or math.isnan(value) else float(value)


def best_of(stage: Stage, values: list[float | None]) -> int:
    """Return the index of the best value, or the first of equal best values."""
    metric = stage._value("evaluationMetric")
    defined = [i for i, value in enumerate(values) if value is not None]
    if not defined:
        raise InvalidParamError(
            f'{stage._stage}: param `evaluationMetric`: "{metric}" is not defined for any of the models on this data'
        )
    best = best_value(stage, values)
    return next(i for i in defined if values[i] == best)


def best_value(stage: Stage, values: list[float | None]) -> float | None:
    """Return the best of the values that are defined, or None if there are none."""
    better = max if METRICS[stage._value("evaluationMetric")].larger_is_better else min
    return better((value for value in values if value is not None), default=None)
