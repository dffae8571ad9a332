"""What a learner does, step by step, so that trials can share the steps in which they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mmlrs._pyspark import Params
from mmlrs.automl.trials import Trial, configured
from mmlrs.params.stages import stages_in
from mmlrs.train.learners import Prepared, Trainer
from mmlrs.train.wiring import every

__all__ = ["FeaturesStep", "LearnerStep", "Node", "Step", "StageStep", "tree_of"]


@dataclass
class Step:
    """A stage of a learner. Steps with the same key do the same."""

    key: Any
    stage: Any

    @property
    def learns(self) -> bool:
        """Must it see rows before it can transform any?"""
        return hasattr(self.stage, "fit")

    def fit(self, df: Any, whole: Any, before: Any) -> Any:
        """Return what transforms; `whole` are all rows, if they are still the dataset's, `before` the step before, fitted."""
        raise NotImplementedError

    def columns(self, before: Any) -> set[str] | None:
        """Return the columns that it reads; None when it may read any."""
        return None


class StageStep(Step):
    """A stage of a pipeline, or a learner that is not one."""

    def fit(self, df: Any, whole: Any, before: Any) -> Any:
        """Fit an estimator; a transformer is ready."""
        return self.stage.fit(df) if self.learns else self.stage

    def columns(self, before: Any) -> set[str] | None:
        """Return the columns of a learner of Spark ML, which names all that it reads."""
        stage = self.stage
        if not (self.learns and stage.hasParam("featuresCol") and stage.hasParam("labelCol")):
            return None
        ends = ("Col", "Cols", "_col", "_cols")
        values = [_value(s, p.name) for s in every(stage) for p in s.params if p.name.endswith(ends)]
        return {name for v in values for name in (v if isinstance(v, list) else [v]) if isinstance(name, str)}


class FeaturesStep(Step):
    """What `TrainClassifier` and `TrainRegressor` do before the learner."""

    def fit(self, df: Any, whole: Any, before: Any) -> Any:
        """Return how rows become features and numbers of labels; no label of the whole dataset is unknown."""
        return self.stage._prepare(df, whole)


class LearnerStep(Step):
    """The learner of `TrainClassifier` and `TrainRegressor`."""

    def fit(self, df: Any, whole: Any, before: Prepared) -> Any:
        """Fit the learner on rows that the step before prepared."""
        return self.stage._fit_learner(before, df)

    def columns(self, before: Prepared) -> set[str] | None:
        """Return what the learner reads."""
        return set(before.columns())


def _value(stage: Any, name: str) -> Any:
    return stage.getOrDefault(name) if stage.isDefined(name) else None


def _identity(value: Any) -> Any:
    """Return what tells a value from others: of a stage its uid, since it shows a part of its params only."""
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    return value.uid if isinstance(value, Params) else value


def steps_of(model: Any, trial: Trial, features_col: str) -> Iterator[Step]:
    """Return the steps of one trial.

    Trainers that leave the name of the features open all get the same, so that they can share them.
    """
    if _is_pipeline(model):
        for stage in model.getStages():
            yield from steps_of(stage, trial, features_col)
        return
    own = {stage.uid for stage in stages_in(model)}
    values = [(h.stage, h.param, _identity(value)) for h, value in trial.point if h.stage in own]
    stage = configured(model, trial.point)
    if not isinstance(stage, Trainer):
        yield StageStep((id(model), repr(values)), stage)
        return
    if not stage.isSet("featuresCol"):
        stage._set(featuresCol=features_col)
    yield FeaturesStep(("features", stage._features_key()), stage)
    yield LearnerStep(("learner", id(model), repr(values)), stage)


def _is_pipeline(stage: Any) -> bool:
    return isinstance(stage, Params) and hasattr(stage, "getStages") and hasattr(stage, "fit")


@dataclass
class Node:
    """A step, the steps that trials take after it, and the trials that end with it."""

    step: Step | None = None
    children: dict[Any, Node] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)

    def all_trials(self) -> list[Trial]:
        """Return the trials that end here or below."""
        return [*self.trials, *(t for child in self.children.values() for t in child.all_trials())]

    def chain(self) -> list[Step]:
        """Return the steps from here to the end of the only trial below."""
        assert self.step is not None
        return [self.step, *(step for child in self.children.values() for step in child.chain())]


def tree_of(trials: list[Trial], features_col: str, failed: Callable[[Trial, Exception], None]) -> Node:
    """Return the steps of all trials; those that begin alike have their beginning in common."""
    root = Node()
    for trial in trials:
        try:
            steps = list(steps_of(trial.model, trial, features_col))
        except Exception as error:  # noqa: BLE001 - a value that a param refuses makes the trial fail
            failed(trial, error)
            continue
        node = root
        for step in steps:
            node = node.children.setdefault(step.key, Node(step))
        node.trials.append(trial)
    return root
