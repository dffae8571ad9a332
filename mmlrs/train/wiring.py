"""Which columns a learner and the stages in it read and write, and how a trainer gives it others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import plain
from mmlrs.errors import InvalidParamError
from mmlrs.train.kinds import inside, predictor, value_of

__all__ = [
    "Wires",
    "check_added",
    "every",
    "inner_name",
    "leaves",
    "of_many",
    "other_inputs",
    "other_names",
    "outputs_of",
    "wired",
]

_ROLES = ("prediction", "probability", "rawPrediction")
#: Learners of two classes alone.
_BINARY = ("GBTClassifier", "LinearSVC", "FMClassifier")
_READ = ("featuresCol", "labelCol", "inputCol", "inputCols")
#: Columns that learners of Spark ML read beside features and label.
_OTHERS = ("weightCol", "validationIndicatorCol", "censorCol", "offsetCol", "foldCol")
_WRITTEN = re.compile(
    r"output|prediction|probability|leaf|quantiles|variance|contrib|shap|error", re.IGNORECASE
)


def inner_name(features: str, name: str) -> str:
    """Return the name that a learner is given for a column: another one where Spark ML could not read the user's."""
    return name if plain(name) == name else f"{features}_{plain(name)}"


@dataclass(frozen=True)
class Wires:
    """The columns that a learner is given while it trains."""

    features: str
    label: str
    #: The other columns that it reads, by the user's name.
    others: dict[str, str] = field(default_factory=dict)


def every(stage: Any) -> Iterator[Any]:
    """Return a learner, the stages in it, and what else of stages it holds: classifiers and evaluators."""
    yield stage
    for part in inside(stage):
        yield from every(part)
    for name in ("classifier", "evaluator"):
        if (held := value_of(stage, name)) is not None:
            yield held


def leaves(learner: Any) -> list[Any]:
    """Return the learners that read the features themselves, not what another stage makes of them."""
    held = inside(learner)
    if not held:
        return [learner]
    if learner.hasParam("stages") and len(held) > 1:
        return []
    return [leaf for part in held for leaf in leaves(part)]


def outputs_of(learner: Any) -> list[str]:
    """Return the columns that a learner and the stages in it add."""
    found: list[str] = []
    for stage in every(learner):
        if hasattr(stage, "evaluate") and not hasattr(stage, "fit"):
            continue
        for param in stage.params:
            if param.name.endswith(("Col", "Cols", "_col")) and _WRITTEN.search(param.name):
                value = value_of(stage, param.name)
                found += value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return list(dict.fromkeys(found))


def check_added(learner: Any, columns: Columns, features: str) -> None:
    """Fail on columns that would be added and are there already."""
    for name in outputs_of(learner):
        if (taken := columns.get(name)) is not None:
            raise columns.taken(
                taken, f", and the {type(learner).__name__} writes one of that name; rename or drop it first"
            )
    if (taken := columns.get(features)) is not None:
        raise columns.taken(
            taken, "; name another one in `featuresCol`, where the features are during training"
        )


def other_names(learner: Any) -> list[tuple[str, str]]:
    """Return the params, with their values, that may name columns which a learner reads beside features and label."""
    made, found = set(outputs_of(learner)), []
    for part in every(learner):
        for param in part.params:
            name, value = param.name, value_of(part, param.name)
            if name in _READ or not name.endswith(("Col", "_col")) or _WRITTEN.search(name):
                continue
            if isinstance(value, str) and value not in made:
                found.append((name, value))
    return found


def other_inputs(learner: Any, columns: Columns) -> list[str]:
    """Return the columns that a learner reads beside features and label: weights, folds and the like."""
    named = other_names(learner)
    read = [value for name, value in named if name in _OTHERS or columns.get(value) is not None]
    return list(dict.fromkeys(columns.resolve_all(read)))


def wired(stage: Any, learner: Any, wires: Wires) -> Any:
    """Return a copy of a learner that reads the given columns; the stages in it are copies too."""
    return _Wiring(stage, wires).learner(learner)


class _Wiring:
    def __init__(self, stage: Any, wires: Wires) -> None:
        self.stage = stage
        self.wires = wires
        #: The columns that stages before made.
        self.made: set[str] = set()
        given = value_of(stage, "featuresCol")
        self.names = {"features": wires.features, "label": wires.label, wires.features: wires.features}
        if given is not None:
            self.names[given] = wires.features
        if (label := value_of(stage, "labelCol")) is not None:
            self.names[label] = wires.label

    def learner(self, learner: Any) -> Any:
        """Return a copy of a stage that reads the columns, as the stages in it do."""
        held = inside(learner)
        copy = learner.copy()
        if not held:
            self._leaf(copy)
        elif copy.hasParam("stages"):
            copy._set(stages=[self.learner(part) for part in held])
        elif copy.hasParam("models"):
            before, made = set(self.made), []
            for part in held:
                self.made = set(before)
                made.append(self.learner(part))
            copy._set(models=made)
            self._read(copy)
        else:
            [name] = [n for n in ("estimator", "stage") if copy.hasParam(n)]
            copy._set(**{name: self.learner(held[0])})
        self._others(copy)
        if (evaluator := value_of(copy, "evaluator")) is not None:
            copy._set(evaluator=self._evaluator(evaluator.copy(), copy))
        self.made |= set(outputs_of(copy))
        return copy

    def _leaf(self, stage: Any) -> None:
        self._read(stage)
        if stage.hasParam("inputCol") and not self._predicts(stage):
            name = value_of(stage, "inputCol")
            if stage.hasParam("inputCols") and (names := value_of(stage, "inputCols")) is not None:
                stage._set(inputCols=[self._input(stage, n) for n in names])
            else:
                stage._set(inputCol=self.wires.features if name is None else self._input(stage, name))
        elif stage.hasParam("inputCols") and (names := value_of(stage, "inputCols")) is not None:
            stage._set(inputCols=[self._input(stage, n) for n in names])
        inner = value_of(stage, "classifier")  # of a OneVsRest, which hands its own weights on
        if inner is not None and value_of(inner, "weightCol") and stage.hasParam("weightCol"):
            stage._set(weightCol=value_of(stage, "weightCol") or value_of(inner, "weightCol"))

    def _predicts(self, stage: Any) -> bool:
        return bool(stage.hasParam("featuresCol") and stage.hasParam("labelCol"))

    def _read(self, stage: Any) -> None:
        """Set the columns of features and labels, unless a stage before makes them."""
        for param, own in (("featuresCol", self.wires.features), ("labelCol", self.wires.label)):
            if stage.hasParam(param) and value_of(stage, param) not in self.made:
                stage._set(**{param: own})

    def _input(self, stage: Any, name: str) -> str:
        if name in self.made:
            return name
        if name in self.names:
            return self.names[name]
        raise InvalidParamError(
            f"{self.stage._stage}: param `model`: its {type(stage).__name__} reads the column `{name}`, which no stage before "
            "it makes; inside a trainer there are `features` and `label` alone; a pipeline of raw columns is fitted by itself"
        )

    def _others(self, stage: Any) -> None:
        """Set the names of the other columns: those that it reads, and plain ones for those that it writes."""
        for param in stage.params:
            value = value_of(stage, param.name)
            if param.name in _READ or not param.name.endswith(("Col", "_col")) or not isinstance(value, str):
                continue
            if _WRITTEN.search(param.name):
                new = inner_name(self.wires.features, value)
            elif value in self.made:
                continue
            else:
                others = self.wires.others
                same = next((name for old, name in others.items() if old.lower() == value.lower()), value)
                new = others.get(value, same)
            if new != value:
                stage._set(**{param.name: new})

    def _evaluator(self, evaluator: Any, owner: Any) -> Any:
        """Return an evaluator that reads the label and what the learner writes."""
        learner = predictor(owner)
        if evaluator.hasParam("labelCol") and value_of(evaluator, "labelCol") not in self.made:
            evaluator._set(labelCol=self.wires.label)
        written = {value_of(learner, f"{role}Col") for role in _ROLES}
        for role in _ROLES:
            own = value_of(learner, f"{role}Col")
            if own and evaluator.hasParam(f"{role}Col") and value_of(evaluator, f"{role}Col") not in written:
                evaluator._set(**{f"{role}Col": own})
        self._others(evaluator)
        return evaluator


def of_many(learner: Any, classes: Callable[[], int]) -> Any:
    """Return a learner in which what knows two classes alone is trained once for each of more."""
    held = inside(learner)
    if not held:
        if type(learner).__name__ not in _BINARY or classes() <= 2:
            return learner
        return _one_vs_rest(learner)
    changed = [of_many(part, classes) for part in held]
    if all(new is old for new, old in zip(changed, held, strict=True)):
        return learner
    for name in ("stages", "models"):
        if learner.hasParam(name):
            return learner._set(**{name: changed}) or learner
    [name] = [n for n in ("estimator", "stage") if learner.hasParam(n)]
    learner._set(**{name: changed[0]})
    return learner


def _one_vs_rest(learner: Any) -> Any:
    from pyspark.ml.classification import OneVsRest

    made = OneVsRest(classifier=learner)
    for name in ("featuresCol", "labelCol", "predictionCol", "rawPredictionCol", "weightCol"):
        if (value := value_of(learner, name)) is not None:
            made._set(**{name: value})
    return made
