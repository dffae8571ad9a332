"""What is known of a stage before it runs: whether it works row by row, the columns it reads and adds, and its identity."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmlrs._descriptors import stage_class, stage_spec
from mmlrs.base import NativeEstimator, NativeTransformer, Stage
from mmlrs.errors import MmlrsError
from mmlrs.models._content import content_id
from mmlrs.train.kinds import value_of
from mmlrs.train.wiring import every, outputs_of

if TYPE_CHECKING:
    from typing import TypeGuard

    from mmlrs._types import AnyStage

__all__ = ["added", "has_network", "identity", "is_rowwise", "keeps_rows", "lowered", "read"]

#: Stages written in Python that compute the same whenever their params are equal.
_SAME = frozenset({"DropColumns", "RenameColumn", "SelectColumns"})
#: Stages of `pyspark.ml.feature` that may read any column.
_READ_ANY = frozenset({"RFormula", "RFormulaModel", "SQLTransformer"})
#: How the names of params end that name columns.
_COLUMN = ("Col", "Cols", "_col", "_cols")


def is_rowwise(stage: AnyStage) -> TypeGuard[NativeTransformer]:
    """Return whether a stage is a native transformer of mmlrs.

    Its results for a row depend on that row and its params only, and it adds columns. A subclass of a user may do anything.
    """
    return isinstance(stage, NativeTransformer) and not stage._has_body and _is_own(stage, "native")


def _is_own(stage: Stage, body: str) -> bool:
    spec = stage_spec(stage._stage)
    return bool(spec["body"] == body and type(stage) is stage_class(stage._stage))


def keeps_rows(stage: AnyStage) -> bool:
    """Return whether a stage of mmlrs or of `pyspark.ml.feature` drops no rows."""
    return value_of(stage, "handleInvalid") != "skip"


def has_network(stage: Stage) -> bool:
    """Return whether a stage runs a network."""
    params = stage_spec(stage._stage)["params"]
    return any(p["type"] == "model" and stage._value(p["name"]) is not None for p in params)


def identity(stage: AnyStage) -> str | None:
    """Return a text that is equal for stages that compute the same from the same rows, or None if that is unknown.

    Models and files are identified by their content, whether they are given by name, by path or as bytes.

    Raises
    ------
    MmlrsError
        A param or a model cannot be used.
    """
    if not isinstance(stage, Stage):
        return None
    if not is_rowwise(stage) and not (stage._stage in _SAME and _is_own(stage, "python")):
        return None
    params = json.loads(stage._params_json())
    for param in stage_spec(stage._stage)["params"]:
        name = param["name"]
        if param["type"] in ("model", "file", "weights") and params.get(name) is not None:
            params[name] = content_id(params[name])
    return json.dumps([stage._stage, params], sort_keys=True)


def read(stage: AnyStage) -> set[str] | None:
    """Return the columns that a stage reads to fit and to transform, or None if it may read any."""
    if isinstance(stage, Stage):
        if not is_rowwise(stage) and not (isinstance(stage, NativeEstimator) and _is_own(stage, "native")):
            return None
        try:
            return set(stage._core().inputs()) or None
        except MmlrsError:  # which is reported when the stage runs
            return None
    is_learner = hasattr(stage, "fit") and stage.hasParam("featuresCol") and stage.hasParam("labelCol")
    return _named(stage) if is_learner or _is_feature_stage(stage) else None


def _is_feature_stage(stage: AnyStage) -> bool:
    cls = type(stage)
    return cls.__module__ == "pyspark.ml.feature" and cls.__name__ not in _READ_ANY


def _named(stage: AnyStage) -> set[str]:
    """Return all columns that the params of a stage of Spark ML name."""
    values = [value_of(s, p.name) for s in every(stage) for p in s.params if p.name.endswith(_COLUMN)]
    return {name for v in values for name in (v if isinstance(v, list) else [v]) if isinstance(name, str)}


def added(stage: AnyStage) -> set[str] | None:
    """Return the columns that a stage adds, or None if it may do more than add columns or may read any column."""
    if read(stage) is None or not keeps_rows(stage):
        return None
    if isinstance(stage, Stage):
        return set(stage._columns("output") + stage._columns("error"))
    return set(outputs_of(stage)) if _is_feature_stage(stage) else None


def lowered(names: Iterable[str]) -> set[str]:
    """Return names in lower case, because Spark ignores case."""
    return {name.lower() for name in names}
