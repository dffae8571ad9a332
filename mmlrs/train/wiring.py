"""The columns that a learner and its nested stages read and write, and how a trainer replaces them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import plain
from mmlrs.errors import InvalidParamError
from mmlrs.train.kinds import inside, predictor, value_of

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs._types import AnyStage

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
#: Learners that support only two classes.
_BINARY = ("GBTClassifier", "LinearSVC", "FMClassifier")
_READ = ("featuresCol", "labelCol", "inputCol", "inputCols")
#: Columns that learners of Spark ML read besides features and label.
_OTHERS = ("weightCol", "validationIndicatorCol", "censorCol", "offsetCol", "foldCol")
_WRITTEN = re.compile(
    r"output|prediction|probability|leaf|quantiles|variance|contrib|shap|error", re.IGNORECASE
)


def inner_name(features: str, name: str) -> str:
    """Return the name of a column for a learner, which differs if Spark ML cannot read the user's name."""
    return name if plain(name) == name else f"{features}_{plain(name)}"


@dataclass(frozen=True)
class Wires:
    """The columns for a learner during training."""

    features: str
    label: str
    #: The names of the other columns that it reads, by the user's name.
    others: dict[str, str] = field(default_factory=dict)


def every(stage: AnyStage) -> Iterator[Any]:
    """Yield a learner, its nested stages, and their classifiers and evaluators."""
    yield stage
    for part in inside(stage):
        yield from every(part)
    for name in ("classifier", "evaluator"):
        if (inner := value_of(stage, name)) is not None:
            yield inner


def leaves(learner: AnyStage) -> list[Any]:
    """Return the learners that read the features directly and not the output of another stage."""
    parts = inside(learner)
    if not parts:
        return [learner]
    if learner.hasParam("stages") and len(parts) > 1:
        return []
    return [leaf for part in parts for leaf in leaves(part)]


def outputs_of(learner: AnyStage) -> list[str]:
    """Return the columns that a learner and its nested stages add."""
    columns: list[str] = []
    for stage in every(learner):
        if hasattr(stage, "evaluate") and not hasattr(stage, "fit"):
            continue
        for param in stage.params:
            if param.name.endswith(("Col", "Cols", "_col")) and _WRITTEN.search(param.name):
                value = value_of(stage, param.name)
                columns += value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return list(dict.fromkeys(columns))


def check_added(learner: AnyStage, columns: Columns, features: str) -> None:
    """Raise if a column to add already exists."""
    for name in outputs_of(learner):
        if (existing := columns.get(name)) is not None:
            raise columns.taken(
                existing,
                f", and the {type(learner).__name__} writes a column of that name; rename or drop it first",
            )
    if (existing := columns.get(features)) is not None:
        raise columns.taken(
            existing, "; set `featuresCol` to another name, which the features have during training"
        )


def other_names(learner: AnyStage) -> list[tuple[str, str]]:
    """Return the params, with their values, that may name columns besides features and label that a learner reads."""
    outputs, names = set(outputs_of(learner)), []
    for part in every(learner):
        for param in part.params:
            name, value = param.name, value_of(part, param.name)
            if name in _READ or not name.endswith(("Col", "_col")) or _WRITTEN.search(name):
                continue
            if isinstance(value, str) and value not in outputs:
                names.append((name, value))
    return names


def other_inputs(learner: AnyStage, columns: Columns) -> list[str]:
    """Return the columns that a learner reads besides features and label, such as weights and folds."""
    names = other_names(learner)
    inputs = [value for name, value in names if name in _OTHERS or columns.get(value) is not None]
    return list(dict.fromkeys(columns.resolve_all(inputs)))


def wired(stage: Stage, learner: AnyStage, wires: Wires) -> Any:
    """Return a deep copy of a learner that reads the given columns."""
    return _Wiring(stage, wires).learner(learner)


class _Wiring:
    def __init__(self, stage: Stage, wires: Wires) -> None:
        self.stage = stage
        self.wires = wires
        #: The columns that previous stages add.
        self.added: set[str] = set()
        features = value_of(stage, "featuresCol")
        self.names = {"features": wires.features, "label": wires.label, wires.features: wires.features}
        if features is not None:
            self.names[features] = wires.features
        if (label := value_of(stage, "labelCol")) is not None:
            self.names[label] = wires.label

    def learner(self, learner: AnyStage) -> Any:
        """Return a copy of a stage in which the stage and its nested stages read the columns."""
        parts = inside(learner)
        copy = learner.copy()
        if not parts:
            self._leaf(copy)
        elif copy.hasParam("stages"):
            copy._set(stages=[self.learner(part) for part in parts])
        elif copy.hasParam("models"):
            added, copies = set(self.added), []
            for part in parts:
                self.added = set(added)
                copies.append(self.learner(part))
            copy._set(models=copies)
            self._read(copy)
        else:
            [name] = [n for n in ("estimator", "stage") if copy.hasParam(n)]
            copy._set(**{name: self.learner(parts[0])})
        self._others(copy)
        if (evaluator := value_of(copy, "evaluator")) is not None:
            copy._set(evaluator=self._evaluator(evaluator.copy(), copy))
        self.added |= set(outputs_of(copy))
        return copy

    def _leaf(self, stage: AnyStage) -> None:
        self._read(stage)
        if stage.hasParam("inputCol") and not self._predicts(stage):
            name = value_of(stage, "inputCol")
            if stage.hasParam("inputCols") and (names := value_of(stage, "inputCols")) is not None:
                stage._set(inputCols=[self._input(stage, n) for n in names])
            else:
                stage._set(inputCol=self.wires.features if name is None else self._input(stage, name))
        elif stage.hasParam("inputCols") and (names := value_of(stage, "inputCols")) is not None:
            stage._set(inputCols=[self._input(stage, n) for n in names])
        inner = value_of(stage, "classifier")  # of a OneVsRest, which passes its own weights on
        if inner is not None and value_of(inner, "weightCol") and stage.hasParam("weightCol"):
            stage._set(weightCol=value_of(stage, "weightCol") or value_of(inner, "weightCol"))

    def _predicts(self, stage: AnyStage) -> bool:
        return bool(stage.hasParam("featuresCol") and stage.hasParam("labelCol"))

    def _read(self, stage: AnyStage) -> None:
        """Set the columns of features and labels, unless a previous stage adds them."""
        for param, column in (("featuresCol", self.wires.features), ("labelCol", self.wires.label)):
            if stage.hasParam(param) and value_of(stage, param) not in self.added:
                stage._set(**{param: column})

    def _input(self, stage: AnyStage, name: str) -> str:
        if name in self.added:
            return name
        if name in self.names:
            return self.names[name]
        raise InvalidParamError(
            f"{self.stage._stage}: param `model`: its {type(stage).__name__} reads the column `{name}`, which no previous "
            "stage adds; only `features` and `label` exist inside a trainer; fit a pipeline of raw columns on its own"
        )

    def _others(self, stage: AnyStage) -> None:
        """Set the names of the other columns that a stage reads, and plain names for those that it writes."""
        for param in stage.params:
            value = value_of(stage, param.name)
            if param.name in _READ or not param.name.endswith(("Col", "_col")) or not isinstance(value, str):
                continue
            if _WRITTEN.search(param.name):
                new = inner_name(self.wires.features, value)
            elif value in self.added:
                continue
            else:
                others = self.wires.others
                by_case = next((name for old, name in others.items() if old.lower() == value.lower()), value)
                new = others.get(value, by_case)
            if new != value:
                stage._set(**{param.name: new})

    def _evaluator(self, evaluator: Any, owner: AnyStage) -> Any:
        """Return an evaluator that reads the label and the columns of the learner."""
        learner = predictor(owner)
        if evaluator.hasParam("labelCol") and value_of(evaluator, "labelCol") not in self.added:
            evaluator._set(labelCol=self.wires.label)
        outputs = {value_of(learner, f"{role}Col") for role in _ROLES}
        for role in _ROLES:
            column = value_of(learner, f"{role}Col")
            if (
                column
                and evaluator.hasParam(f"{role}Col")
                and value_of(evaluator, f"{role}Col") not in outputs
            ):
                evaluator._set(**{f"{role}Col": column})
        self._others(evaluator)
        return evaluator


def of_many(learner: AnyStage, classes: Callable[[], int]) -> Any:
    """Return a learner in which learners of two classes are trained once per class if there are more classes."""
    parts = inside(learner)
    if not parts:
        if type(learner).__name__ not in _BINARY or classes() <= 2:
            return learner
        return _one_vs_rest(learner)
    changed = [of_many(part, classes) for part in parts]
    if all(new is old for new, old in zip(changed, parts, strict=True)):
        return learner
    for name in ("stages", "models"):
        if learner.hasParam(name):
            learner._set(**{name: changed})
            return learner
    [name] = [n for n in ("estimator", "stage") if learner.hasParam(n)]
    learner._set(**{name: changed[0]})
    return learner


def _one_vs_rest(learner: AnyStage) -> Any:
    from pyspark.ml.classification import Classifier, OneVsRest

    result: OneVsRest[Any] = OneVsRest(classifier=cast("Classifier[Any]", learner))
    for name in ("featuresCol", "labelCol", "predictionCol", "rawPredictionCol", "weightCol"):
        if (value := value_of(learner, name)) is not None:
            result._set(**{name: value})
    return result
