"""The kind of a learner, classification or regression, and the predicting stage in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mmlrs._pyspark import Params
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs._types import AnyStage

__all__ = ["check_learner", "inside", "kind_of", "predictor", "refuse_foreign", "value_of"]

#: The kind of the stages of Spark ML, by module.
_MODULES = {
    "pyspark.ml.classification": "classification",
    "pyspark.ml.regression": "regression",
    "pyspark.ml.clustering": "clustering",
    "pyspark.ml.recommendation": "recommendation",
    "pyspark.ml.fpm": "patterns",
}
_WORDS = {"classification": "classifier", "regression": "regressor"}
_EXAMPLES = {
    "classification": "pyspark.ml.classification.LogisticRegression",
    "regression": "pyspark.ml.regression.LinearRegression",
}
_TRAINERS = {"classification": "TrainClassifier", "regression": "TrainRegressor"}
#: Params and attributes that hold the stage that another stage wraps.
_HOLDERS = ("estimator", "bestModel", "stage")


def value_of(stage: AnyStage, param: str) -> Any:
    """Return the value of a param, or None if the stage does not have it or it is unset or empty."""
    if not stage.hasParam(param) or not stage.isDefined(param):
        return None
    return stage.getOrDefault(param) or None


def inside(stage: AnyStage) -> list[Any]:
    """Return the stages in a pipeline, a search or a wrapper, fitted or not. A plain stage has none."""
    for name in ("stages", "models"):
        value = getattr(stage, name, None)
        if isinstance(value, list):  # of a fitted pipeline
            return list(value) if name == "stages" else []
        if value is not None and stage.hasParam(name):
            stages = value_of(stage, name)
            return list(stages) if isinstance(stages, list) else []
    for name in _HOLDERS:
        value = getattr(stage, name, None)
        if value is not None and stage.hasParam(name):
            value = value_of(stage, name)
        if isinstance(value, Params):
            return [value]
    return []


def is_holder(stage: AnyStage) -> bool:
    """Return whether this is a pipeline, a search or a wrapper, even an empty one."""
    return bool(inside(stage)) or any(stage.hasParam(name) for name in ("stages", "models", *_HOLDERS))


def predictor(stage: AnyStage) -> Any:
    """Return the predicting stage: the stage itself, the last one in a pipeline, or the one in a search or wrapper."""
    parts = inside(stage)
    for part in reversed(parts):
        candidate = predictor(part)
        if candidate.hasParam("predictionCol"):
            return candidate
    return predictor(parts[-1]) if parts else stage


def kind_of(stage: AnyStage) -> str | None:
    """Return the kind of a stage, such as "classification" or "regression", or None if it is unknown."""
    learner = predictor(stage)
    declared: str | None = getattr(learner, "_kind", None)
    if declared is not None:
        return declared
    for cls in type(learner).__mro__:
        if cls.__module__ in _MODULES:
            return _MODULES[cls.__module__]
    if learner.hasParam("probabilityCol") or learner.hasParam("rawPredictionCol"):
        return "classification"
    if learner.hasParam("predictionCol") and "Regress" in type(learner).__name__:
        return "regression"
    return None


def check_learner(stage: Stage, learner: AnyStage, kind: str) -> None:
    """Raise unless the learner learns from features and labels and is of the kind `kind`."""
    where = f"{stage._stage}: param `model` must be"
    remedy = f"pass a {_WORDS[kind]} such as {_EXAMPLES[kind]}"
    if not hasattr(learner, "fit"):
        raise InvalidParamError(f"{where} an estimator, got a {type(learner).__name__}; {remedy}")
    for name, part in _predictors(learner):
        if part is None:
            raise InvalidParamError(f"{where} a {_WORDS[kind]}, got a {name} without a stage; {remedy}")
        description = f"a {type(part).__name__}" + (f" in a {name}" if part is not learner else "")
        if getattr(part, "_reads_raw_columns", False):
            raise InvalidParamError(
                f"{where} a learner of features, got {description}, which makes features of raw columns itself; fit it on its own"
            )
        if not hasattr(part, "fit"):
            raise InvalidParamError(
                f"{where} a {_WORDS[kind]}, got {description}, which is already fitted; {remedy}"
            )
        part_kind = kind_of(part)
        reads = part.hasParam("featuresCol") and part.hasParam("labelCol")
        if part_kind in _WORDS and part_kind != kind:
            raise InvalidParamError(
                f"{where} a {_WORDS[kind]}, got {description}, which is a {_WORDS[part_kind]}; pass it to {_TRAINERS[part_kind]}, or {remedy}"
            )
        if part_kind not in (kind, None) or not reads or not _predicts(part):
            raise InvalidParamError(
                f"{where} a {_WORDS[kind]}, got {description}, which does not predict a label; {remedy}"
            )


def _predicts(stage: AnyStage) -> bool:
    """Return whether the stage seems to write predictions. Stages of other libraries may lack the param."""
    return stage.hasParam("predictionCol") or not stage.hasParam("outputCol")


def _predictors(learner: AnyStage) -> Iterator[tuple[str, Any]]:
    """Yield the predicting stages in a learner, each with the name of the learner. An empty wrapper yields None."""
    name = type(learner).__name__
    if not is_holder(learner):
        yield name, learner
        return
    parts = inside(learner)
    if not parts:
        yield name, None
    elif learner.hasParam("models"):
        for model in parts:
            yield name, predictor(model)
    else:
        yield name, predictor(learner)


def refuse_foreign(stage: Stage, param: str, value: Any) -> None:
    """Raise on a learner of scikit-learn or a compatible library, and on a class, with the remedy."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    for item in values:
        where = f"{stage._stage}: param `{param}`"
        if isinstance(item, type) and hasattr(item, "fit"):
            raise InvalidParamError(
                f"{where} must be a stage, got the class {item.__name__}; create an instance: {item.__name__}()"
            )
        if isinstance(item, (Params, type)) or not hasattr(item, "fit"):
            continue
        if hasattr(item, "get_params") and hasattr(item, "set_params"):
            library = type(item).__module__.split(".")[0]
            word = "scikit-learn" if library == "sklearn" else library
            raise InvalidParamError(
                f"{where} must be an estimator of Spark ML or mmlrs, got the {type(item).__name__} of {word}; use its "
                f"counterpart in Spark ML ({_EXAMPLES['classification']}; XGBoost and LightGBM have estimators for Spark), "
                "or fit it directly on the vectors of mmlrs.featurize.Featurize"
            )
