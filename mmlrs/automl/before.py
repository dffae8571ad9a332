"""What can be known before anything is fitted: models that do not fit the metric, labels of too many classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError
from mmlrs.params.stages import stages_in
from mmlrs.train.kinds import check_learner, inside, kind_of, predictor, value_of
from mmlrs.train.learners import TrainClassifier, TrainedClassifierModel, Trainer
from mmlrs.train.statistics import METRICS

__all__ = ["check_columns", "check_labels", "check_model", "check_told_labels"]

_WORDS = {"classification": "classifier", "regression": "regressor"}
#: Metrics of two classes alone.
_OF_TWO = ("AUC", "areaUnderPR")


def check_model(stage: Any, model: Any) -> None:
    """Fail on a metric that a model cannot have: of another kind, or of scores that it does not write."""
    metric = stage._value("evaluationMetric")
    wanted, found = METRICS[metric].kind, kind_of(model)
    where = f'{stage._stage}: param `evaluationMetric`: "{metric}"'
    if found not in (None, wanted):
        what = (
            f"does {found}"
            if found in _WORDS
            else f"is a {type(predictor(model)).__name__}, which predicts no label"
        )
        raise InvalidParamError(f"{where} is of {wanted}, and {model.uid} {what}")
    for trainer in [one for one in stages_in(model) if isinstance(one, Trainer)]:
        if trainer.isDefined("model"):
            check_learner(trainer, trainer._value("model"), trainer._kind)
    if found == "classification" and METRICS[metric].of_scores and stage._value("scoresCol") is None:
        scores = _scores(model)
        needed = ("probability",) if metric == "log_loss" else ("probability", "rawPrediction")
        if scores is not None and not scores.intersection(needed):
            raise InvalidParamError(
                f"{where} needs the column of {' or '.join(needed)}, and a {type(_learner(model)).__name__} writes none; "
                "take another metric or learner"
            )


def _learner(model: Any) -> Any:
    """Return what predicts in a model; in a trainer or in what it fitted, the learner."""
    found = predictor(model)
    if (isinstance(found, Trainer) or hasattr(found, "_outputs")) and value_of(found, "model") is not None:
        return predictor(value_of(found, "model"))
    return found


def _scores(model: Any) -> set[str] | None:
    """Return which scores a model writes; None where that cannot be known."""
    learner = _learner(model)
    if not type(learner).__module__.startswith("pyspark.ml.") or not learner.hasParam("predictionCol"):
        return None
    return {role for role in ("probability", "rawPrediction") if learner.hasParam(f"{role}Col")}


def check_columns(models: Iterable[Any], df: Any) -> None:
    """Fail on what trainers can know of the columns; what a stage before a trainer makes cannot be known."""
    for model in models:
        if isinstance(model, Trainer) and model.isDefined("model"):
            model._check_columns(df)


def check_labels(stage: Any, models: Iterable[Any], df: Any) -> None:
    """Fail on a metric of two classes where a label has more; a look at the labels."""
    if stage._value("evaluationMetric") not in _OF_TWO:
        return
    known: dict[str, int] = {}
    for trainer in [m for m in models if isinstance(m, TrainClassifier)]:
        label, labels = trainer._value("labelCol"), trainer._value("labels")
        name = Columns.of(df, stage._stage).get(label)
        if labels is None and name is not None:
            known[name] = known.get(name) or _classes(df, name)
        count = len(labels) if labels is not None else known.get(name or "", 0)
        if count > 2:
            _refuse(
                stage,
                f"column `{label}` has {'at least ' if count == _MANY else ''}{count}",
            )


#: The look at the labels ends at so many classes.
_MANY = 10


def _classes(df: Any, name: str) -> int:
    from pyspark.sql import functions as F

    from mmlrs.train.labels import plain_label

    levels = df.schema[name].metadata.get("ml_attr", {}).get("vals")
    if levels is not None:
        return len(levels)
    labels = df.select(plain_label(df, name).alias("label")).where(F.col("label").isNotNull())
    return int(labels.distinct().limit(_MANY).count())


def check_told_labels(stage: Any, models: Iterable[Any]) -> None:
    """Fail on a metric of two classes where all fitted models know more."""
    if stage._value("evaluationMetric") not in _OF_TWO:
        return
    found = [m for model in models for m in (model, *inside(model)) if isinstance(m, TrainedClassifierModel)]
    counts = [len(m._value("labels") or ()) for m in found]
    if counts and len(counts) == len(list(models)) and min(counts) > 2:
        _refuse(
            stage,
            f"the models know {min(counts)} or more"
            if len(set(counts)) > 1
            else f"the models know {counts[0]}",
        )


def _refuse(stage: Any, found: str) -> None:
    metric = stage._value("evaluationMetric")
    raise InvalidParamError(
        f'{stage._stage}: param `evaluationMetric`: "{metric}" is of two classes, and {found}; take "accuracy", "f1" or '
        '"log_loss"'
    )
