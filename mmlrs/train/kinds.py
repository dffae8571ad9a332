"""What a learner is: whether it classifies or regresses, and what in it does so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmlrs._pyspark import Params
from mmlrs.errors import InvalidParamError

__all__ = ["check_learner", "inside", "kind_of", "predictor", "refuse_foreign", "value_of"]

#: Modules of Spark ML by what their stages do.
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
#: Params and attributes that hold one stage around which another one is built.
_HOLDERS = ("estimator", "bestModel", "stage")


def value_of(stage: Any, param: str) -> Any:
    """Return the value of a param that not every stage has; None when unset or empty."""
    if not stage.hasParam(param) or not stage.isDefined(param):
        return None
    return stage.getOrDefault(param) or None


def inside(stage: Any) -> list[Any]:
    """Return the stages of a pipeline, a search or a wrapper, fitted or not; nothing for a stage that does the work itself."""
    for name in ("stages", "models"):
        found = getattr(stage, name, None)
        if isinstance(found, list):  # of a fitted pipeline
            return list(found) if name == "stages" else []
        if found is not None and stage.hasParam(name):
            held = value_of(stage, name)
            return list(held) if isinstance(held, list) else []
    for name in _HOLDERS:
        found = getattr(stage, name, None)
        if found is not None and stage.hasParam(name):
            found = value_of(stage, name)
        if isinstance(found, Params):
            return [found]
    return []


def is_holder(stage: Any) -> bool:
    """Is this a pipeline, a search or a wrapper, be there a stage in it or not?"""
    return bool(inside(stage)) or any(stage.hasParam(name) for name in ("stages", "models", *_HOLDERS))


def predictor(stage: Any) -> Any:
    """Return what predicts: the stage itself, the last one of a pipeline that does, what a search or a wrapper is around."""
    held = inside(stage)
    for part in reversed(held):
        found = predictor(part)
        if found.hasParam("predictionCol"):
            return found
    return predictor(held[-1]) if held else stage


def kind_of(stage: Any) -> str | None:
    """Return "classification", "regression" or what else it does; None where that cannot be known."""
    found = predictor(stage)
    own: str | None = getattr(found, "_kind", None)
    if own is not None:
        return own
    for cls in type(found).__mro__:
        if cls.__module__ in _MODULES:
            return _MODULES[cls.__module__]
    if found.hasParam("probabilityCol") or found.hasParam("rawPredictionCol"):
        return "classification"
    if found.hasParam("predictionCol") and "Regress" in type(found).__name__:
        return "regression"
    return None


def check_learner(stage: Any, learner: Any, kind: str) -> None:
    """Fail on what cannot learn from features and labels, or learns something else than `kind`."""
    where = f"{stage._stage}: param `model` must be"
    remedy = f"pass a {_WORDS[kind]} such as {_EXAMPLES[kind]}"
    if not hasattr(learner, "fit"):
        raise InvalidParamError(f"{where} an estimator, got a {type(learner).__name__}; {remedy}")
    for name, part in _predictors(learner):
        if part is None:
            raise InvalidParamError(f"{where} a {_WORDS[kind]}, got a {name} without a stage; {remedy}")
        what = f"a {type(part).__name__}" + (f" in a {name}" if part is not learner else "")
        if getattr(part, "_reads_raw_columns", False):
            raise InvalidParamError(
                f"{where} a learner of features, got {what}, which makes features of raw columns itself; fit it by itself"
            )
        if not hasattr(part, "fit"):
            raise InvalidParamError(
                f"{where} a {_WORDS[kind]}, got {what}, which is fitted already; {remedy}"
            )
        found = kind_of(part)
        reads = part.hasParam("featuresCol") and part.hasParam("labelCol")
        if found in _WORDS and found != kind:
            raise InvalidParamError(
                f"{where} a {_WORDS[kind]}, got {what}, which is a {_WORDS[found]}; give it to {_TRAINERS[found]}, or {remedy}"
            )
        if found not in (kind, None) or not reads or not _predicts(part):
            raise InvalidParamError(
                f"{where} a {_WORDS[kind]}, got {what}, which does not predict a label; {remedy}"
            )


def _predicts(stage: Any) -> bool:
    """Does it write predictions, as far as can be known? A stage of others need not have the param."""
    return stage.hasParam("predictionCol") or not stage.hasParam("outputCol")


def _predictors(learner: Any) -> Iterator[tuple[str, Any]]:
    """Return what learns in a learner, with the name of what it is in; None where nothing is in it."""
    name = type(learner).__name__
    if not is_holder(learner):
        yield name, learner
        return
    held = inside(learner)
    if not held:
        yield name, None
    elif learner.hasParam("models"):
        for model in held:
            yield name, predictor(model)
    else:
        yield name, predictor(learner)


def refuse_foreign(stage: Any, param: str, value: Any) -> None:
    """Fail with the remedy on a learner of scikit-learn or of a library that follows it, and on a class."""
    given = list(value) if isinstance(value, list | tuple) else [value]
    for one in given:
        where = f"{stage._stage}: param `{param}`"
        if isinstance(one, type) and hasattr(one, "fit"):
            raise InvalidParamError(
                f"{where} must be a stage, got the class {one.__name__}; make one of it: {one.__name__}()"
            )
        if isinstance(one, (Params, type)) or not hasattr(one, "fit"):
            continue
        if hasattr(one, "get_params") and hasattr(one, "set_params"):
            library = type(one).__module__.split(".")[0]
            word = "scikit-learn" if library == "sklearn" else library
            raise InvalidParamError(
                f"{where} must be an estimator of Spark ML or mmlrs, got the {type(one).__name__} of {word}; take its "
                f"counterpart of Spark ML ({_EXAMPLES['classification']}; XGBoost and LightGBM have estimators for Spark), "
                "or fit it yourself on the vectors that mmlrs.featurize.Featurize makes"
            )
