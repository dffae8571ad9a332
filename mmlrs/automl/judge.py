"""How good a model is, by the metric that decides."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from mmlrs.errors import InvalidParamError
from mmlrs.train.kinds import predictor
from mmlrs.train.scored import METADATA, facts_of
from mmlrs.train.statistics import METRICS, ComputeModelStatistics

__all__ = ["best_of", "learner_in", "statistics", "value_of"]


def statistics(
    stage: Any, scored: Any, learner: Any, label: str | None = None, *, all_metrics: bool = True
) -> pa.Table:
    """Return the row of metrics of a dataset that a model scored.

    Parameters
    ----------
    stage : Stage
        Its params tell the metric and the columns.
    scored : pyspark.sql.DataFrame or pyarrow.Table
        The dataset.
    learner : Params
        The fitted learner; where the stage's params leave a column open, the learner's tell it.
    label : str, optional
        The column of labels as the learner read them.
    all_metrics : bool, default True
        Otherwise those may be missing that need other columns than the metric that decides.
    """
    metric = METRICS[stage._value("evaluationMetric")]
    kind = metric.kind
    given: dict[str, Any] = {"labelCol": label or stage._value("labelCol")}
    if label is None:
        given |= {name: stage._value(name) for name in ("scoredLabelsCol", "scoresCol")}
    if label is not None or not _marked(scored):
        given["labelCol"] = given["labelCol"] or _column(learner, "labelCol")
        named = given.get("scoredLabelsCol") or given.get("scoresCol")
        if not named:
            given["scoredLabelsCol"] = _column(learner, "predictionCol")
            columns = facts_of(scored)
            found = (_column(learner, f"{name}Col") for name in ("probability", "rawPrediction"))
            given["scoresCol"] = next((name for name in found if name in columns), None)
    if kind == "regression" or (given.get("scoredLabelsCol") and not (all_metrics or metric.of_scores)):
        given["scoresCol"] = None
    elif given.get("scoresCol") and not all_metrics:
        given["scoredLabelsCol"] = None
    policy = stage._value("handleInvalid")
    return ComputeModelStatistics(evaluationMetric=kind, handleInvalid=policy, **given).evaluate(scored)


def _marked(scored: Any) -> bool:
    """Do the columns' metadata tell which one is the prediction?"""
    return any(fact.get(METADATA, {}).get("role") == "prediction" for fact in facts_of(scored).values())


def _column(learner: Any, param: str) -> str | None:
    if not learner.hasParam(param) or not learner.isDefined(param):
        return None
    return learner.getOrDefault(param) or None


def learner_in(model: Any) -> Any:
    """Return what predicts in a fitted model: itself, the last stage of a pipeline that does, what a search found."""
    return predictor(model)


def value_of(stage: Any, row: pa.Table) -> float | None:
    """Return the metric that decides; None where it is not defined."""
    column = METRICS[stage._value("evaluationMetric")].column
    value = row[column][0].as_py()
    return None if value is None or math.isnan(value) else float(value)


def best_of(stage: Any, values: list[float | None]) -> int:
    """Return the place of the best value, the first of equal ones."""
    metric = stage._value("evaluationMetric")
    places = [i for i, value in enumerate(values) if value is not None]
    if not places:
        raise InvalidParamError(
            f'{stage._stage}: param `evaluationMetric`: "{metric}" is not defined for any of the models on this data'
        )
    sign = 1 if METRICS[metric].larger_is_better else -1
    return max(places, key=lambda i: sign * (values[i] or 0.0))
