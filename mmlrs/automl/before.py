"""Checks before the first fit: whether models and labels suit the metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError
from mmlrs.params.stages import stages_in
from mmlrs.train.kinds import check_learner, inside, kind_of, predictor, value_of
from mmlrs.train.learners import TrainClassifier, TrainedClassifierModel, Trainer
from mmlrs.train.statistics import METRICS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._stage import Stage
    from mmlrs._types import AnyStage

__all__ = ["check_columns", "check_labels", "check_model", "check_fitted_labels"]

_WORDS = {"classification": "classifier", "regression": "regressor"}
#: Metrics that need exactly two classes.
_OF_TWO = ("AUC", "areaUnderPR")


def check_model(stage: Stage, model: AnyStage) -> None:
    """Raise if a model cannot have the metric: it is of another kind, or needs scores that the model does not write."""
    metric = stage._value("evaluationMetric")
    expected, kind = METRICS[metric].kind, kind_of(model)
    where = f'{stage._stage}: param `evaluationMetric`: "{metric}"'
    if kind not in (None, expected):
        problem = (
            f"does {kind}"
            if kind in _WORDS
            else f"is a {type(predictor(model)).__name__}, which predicts no label"
        )
        raise InvalidParamError(f"{where} is a metric of {expected}, and {model.uid} {problem}")
    for trainer in [inner for inner in stages_in(model) if isinstance(inner, Trainer)]:
        if trainer.isDefined("model"):
            check_learner(trainer, trainer._value("model"), trainer._kind)
    if kind == "classification" and METRICS[metric].of_scores and stage._value("scoresCol") is None:
        scores = _scores(model)
        needed = ("probability",) if metric == "log_loss" else ("probability", "rawPrediction")
        if scores is not None and not scores.intersection(needed):
            raise InvalidParamError(
                f"{where} needs a column of {' or '.join(needed)}, and {type(_learner(model)).__name__} writes none; "
                "use another metric or learner"
            )


def _learner(model: AnyStage) -> Any:
    """Return the predicting stage of a model; in a trainer or its model, the learner."""
    learner = predictor(model)
    if (isinstance(learner, Trainer) or hasattr(learner, "_outputs")) and value_of(
        learner, "model"
    ) is not None:
        return predictor(value_of(learner, "model"))
    return learner


def _scores(model: AnyStage) -> set[str] | None:
    """Return the score columns that a model writes, or None if they are unknown."""
    learner = _learner(model)
    if not type(learner).__module__.startswith("pyspark.ml.") or not learner.hasParam("predictionCol"):
        return None
    return {role for role in ("probability", "rawPrediction") if learner.hasParam(f"{role}Col")}


def check_columns(models: Iterable[AnyStage], df: DataFrame) -> None:
    """Raise on columns that trainers cannot use. Trainers after another stage are not checked, because its output is unknown."""
    for model in models:
        if isinstance(model, Trainer) and model.isDefined("model"):
            model._check_columns(df)


def check_labels(stage: Stage, models: Iterable[AnyStage], df: DataFrame) -> None:
    """Raise if the metric needs two classes and a label has more. This reads the labels."""
    if stage._value("evaluationMetric") not in _OF_TWO:
        return
    counts: dict[str, int] = {}
    for trainer in [m for m in models if isinstance(m, TrainClassifier)]:
        label, labels = trainer._value("labelCol"), trainer._value("labels")
        name = Columns.of(df, stage._stage).get(label)
        if labels is None and name is not None:
            counts[name] = counts.get(name) or _classes(df, name)
        count = len(labels) if labels is not None else counts.get(name or "", 0)
        if count > 2:
            _refuse(
                stage,
                f"column `{label}` has {'at least ' if count == _MANY else ''}{count}",
            )


#: Classes are counted up to this number.
_MANY = 10


def _classes(df: DataFrame, name: str) -> int:
    from pyspark.sql import functions as F

    from mmlrs.train.labels import plain_label

    levels = df.schema[name].metadata.get("ml_attr", {}).get("vals")
    if levels is not None:
        return len(levels)
    labels = df.select(plain_label(df, name).alias("label")).where(F.col("label").isNotNull())
    return int(labels.distinct().limit(_MANY).count())


def check_fitted_labels(stage: Stage, models: Iterable[AnyStage]) -> None:
    """Raise if the metric needs two classes and all fitted models have more."""
    if stage._value("evaluationMetric") not in _OF_TWO:
        return
    trained = [
        m for model in models for m in (model, *inside(model)) if isinstance(m, TrainedClassifierModel)
    ]
    counts = [len(m._value("labels") or ()) for m in trained]
    if counts and len(counts) == len(list(models)) and min(counts) > 2:
        _refuse(
            stage,
            f"the models have {min(counts)} or more"
            if len(set(counts)) > 1
            else f"the models have {counts[0]}",
        )


def _refuse(stage: Stage, problem: str) -> None:
    metric = stage._value("evaluationMetric")
    raise InvalidParamError(
        f'{stage._stage}: param `evaluationMetric`: "{metric}" needs two classes, and {problem}; use "accuracy", "f1" or '
        '"log_loss"'
    )
