"""Names of learners for people, such as "LogisticRegression(regParam=0.1)"."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmlrs._messages import shown
from mmlrs._pyspark import Params
from mmlrs.models import ModelHandle
from mmlrs.params.stages import stages_in
from mmlrs.train.kinds import predictor

if TYPE_CHECKING:
    from mmlrs._types import AnyStage

__all__ = ["learner_name", "reported", "value_text"]

#: The values that a trial sets, by uid of the stage and name of the param.
Tuned = Mapping[tuple[str, str], Any]

#: Longest text of a value.
_VALUE = 40
#: How the class of a fitted model ends, and that of its estimator.
_ENDINGS = {"Model": "", "ClassificationModel": "Classifier", "RegressionModel": "Regressor"}


def learner_name(stage: AnyStage, tuned: Tuned | None = None) -> str:
    """Return the class of a learner with the params that a trial sets, and others that differ from their defaults.

    A trainer has the name of its learner, and a fitted model that of its estimator. Of a pipeline, the predicting stage and
    those that a trial sets are named. Params that name columns are left out unless a trial sets them.

    Parameters
    ----------
    stage : Params
        An estimator, a fitted model, or a pipeline of such.
    tuned : mapping, optional
        The values that a trial sets, by uid of the stage and name of the param. They need not be valid.

    Examples
    --------
    >>> from mmlrs.automl.names import learner_name
    >>> from mmlrs.stages import Repartition
    >>> stage = Repartition(n=3)
    >>> learner_name(stage), learner_name(stage, {(stage.uid, "n"): 5})
    ('Repartition(n=3)', 'Repartition(n=5)')
    """
    tuned = tuned or {}
    steps = _steps(stage)
    if steps:
        last = next((s for s in reversed(steps) if predictor(s).hasParam("predictionCol")), steps[-1])
        parts = [step for step in steps if step is last or _is_tuned(step, tuned)]
        return " > ".join(learner_name(part, tuned) for part in parts)
    if type(stage).__module__ == "mmlrs.train" and stage.hasParam("model"):
        learner = tuned.get((stage.uid, "model"), stage.getOrDefault("model"))
        own = {name: value for (uid, name), value in tuned.items() if uid == stage.uid and name != "model"}
        name = learner_name(learner, tuned) if isinstance(learner, Params) else value_text(learner)
        return f"{_with_params(stage, own, tuned)} > {name}" if own else name
    return _with_params(stage, _params(stage, tuned), tuned)


def _steps(stage: AnyStage) -> list[AnyStage]:
    """Return the stages of a pipeline, fitted or not; none of another stage."""
    steps = stage.getStages() if hasattr(stage, "getStages") else getattr(stage, "stages", None)
    return list(steps) if isinstance(steps, list) and all(isinstance(step, Params) for step in steps) else []


def _is_tuned(stage: AnyStage, tuned: Tuned) -> bool:
    return not {uid for uid, _ in tuned}.isdisjoint(inner.uid for inner in stages_in(stage))


def _params(stage: AnyStage, tuned: Tuned) -> dict[str, Any]:
    """Return the values that a trial sets, then those that differ from their defaults."""
    values = {name: value for (uid, name), value in tuned.items() if uid == stage.uid}
    for param, value in stage._paramMap.items():
        is_default = param in stage._defaultParamMap and _equal(value, stage._defaultParamMap[param])
        if param.name not in values and not is_default and not param.name.endswith(("Col", "Cols")):
            values[param.name] = value
    return values


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # arrays, compared item by item
        return False


def _with_params(stage: AnyStage, params: Mapping[str, Any], tuned: Tuned) -> str:
    texts = [
        f"{name}={learner_name(value, tuned) if isinstance(value, Params) else value_text(value)}"
        for name, value in params.items()
    ]
    return f"{_class_of(stage)}({', '.join(texts)})" if texts else _class_of(stage)


def reported(value: Any) -> Any:
    """Return the value of a param as reports show it: for the bytes of a model, its handle with the SHA-256."""
    if isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "SerializeToString"):
        return ModelHandle.of(value)
    return value


def value_text(value: Any) -> str:
    """Return the value of a param in a few letters."""
    value = reported(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Params):
        return str(value.uid)
    if isinstance(value, list | tuple) and any(isinstance(item, Params) for item in value):
        return f"[{', '.join(value_text(item) for item in value)}]"
    return value if isinstance(value, str) and len(value) <= _VALUE else shown(value, _VALUE)


def _class_of(stage: AnyStage) -> str:
    """Return the class of a stage; of a fitted model, that of its estimator if its module has one."""
    name = type(stage).__name__
    module = sys.modules.get(type(stage).__module__)
    for ending, replacement in _ENDINGS.items():
        estimator = name.removesuffix(ending) + replacement
        if name.endswith(ending) and hasattr(getattr(module, estimator, None), "fit"):
            return estimator
    return name
