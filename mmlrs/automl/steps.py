"""The steps of learners, which trials share as long as they agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from mmlrs._pyspark import Params
from mmlrs.automl.trials import Trial, configured
from mmlrs.params.stages import stages_in
from mmlrs.train.learners import Prepared, Trainer
from mmlrs.train.wiring import every

if TYPE_CHECKING:
    from typing import TypeGuard

    from pyspark.ml import Pipeline
    from pyspark.sql import DataFrame

    from mmlrs._types import AnyStage, Fits

__all__ = ["FeaturesStep", "LearnerStep", "Node", "Step", "StageStep", "tree_of"]


@dataclass
class Step(ABC):
    """A step of a learner. Steps with the same key compute the same."""

    key: Any
    stage: AnyStage

    @property
    def learns(self) -> bool:
        """Return whether the step has to be fitted before it can transform."""
        return hasattr(self.stage, "fit")

    @abstractmethod
    def fit(self, df: DataFrame, all_rows: Any, previous: Any) -> Any:
        """Return the fitted step.

        Parameters
        ----------
        df : pyspark.sql.DataFrame
            The training rows.
        all_rows : pyspark.sql.DataFrame
            The rows of all folds.
        previous : object
            The fitted previous step, or None for the first one.
        """

    def columns(self, previous: Any) -> set[str] | None:
        """Return the columns that the step reads, or None if it may read any."""
        return None


class StageStep(Step):
    """A stage of a pipeline, or a learner that is not one."""

    def fit(self, df: DataFrame, all_rows: Any, previous: Any) -> Any:
        """Fit an estimator. A transformer is returned as it is."""
        return cast("Fits", self.stage).fit(df) if self.learns else self.stage

    def columns(self, previous: Any) -> set[str] | None:
        """Return the columns of a Spark ML learner, whose params name all columns that it reads."""
        stage = self.stage
        if not (self.learns and stage.hasParam("featuresCol") and stage.hasParam("labelCol")):
            return None
        ends = ("Col", "Cols", "_col", "_cols")
        values = [_value(s, p.name) for s in every(stage) for p in s.params if p.name.endswith(ends)]
        return {name for v in values for name in (v if isinstance(v, list) else [v]) if isinstance(name, str)}


class FeaturesStep(Step):
    """The preparation of `TrainClassifier` and `TrainRegressor` before the learner."""

    stage: Trainer

    def fit(self, df: DataFrame, all_rows: Any, previous: Any) -> Any:
        """Return the fitted preparation of features and labels, which knows all labels of the dataset."""
        return self.stage._prepare(df, all_rows)


class LearnerStep(Step):
    """The learner of `TrainClassifier` and `TrainRegressor`."""

    stage: Trainer

    def fit(self, df: DataFrame, all_rows: Any, previous: Prepared) -> Any:
        """Fit the learner on rows that the previous step prepared."""
        return self.stage._fit_learner(previous, df)

    def columns(self, previous: Prepared) -> set[str] | None:
        """Return the columns that the learner reads."""
        return set(previous.columns())


def _value(stage: AnyStage, name: str) -> Any:
    return stage.getOrDefault(name) if stage.isDefined(name) else None


def _identity(value: Any) -> Any:
    """Return a form of a value that identifies it. For a stage it is the uid, because its repr shows only some params."""
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    return value.uid if isinstance(value, Params) else value


def steps_of(model: AnyStage, trial: Trial, features_col: str) -> Iterator[Step]:
    """Yield the steps of one trial.

    Trainers without a name for the features column all get the same name, so that they can share the column.
    """
    if _is_pipeline(model):
        for stage in model.getStages():
            yield from steps_of(stage, trial, features_col)
        return
    uids = {stage.uid for stage in stages_in(model)}
    values = [(h.stage, h.param, _identity(value)) for h, value in trial.point if h.stage in uids]
    stage = configured(model, trial.point)
    if not isinstance(stage, Trainer):
        yield StageStep((id(model), repr(values)), stage)
        return
    if not stage.isSet("featuresCol"):
        stage._set(featuresCol=features_col)
    yield FeaturesStep(("features", stage._features_key()), stage)
    yield LearnerStep(("learner", id(model), repr(values)), stage)


def _is_pipeline(stage: object) -> TypeGuard[Pipeline]:
    return isinstance(stage, Params) and hasattr(stage, "getStages") and hasattr(stage, "fit")


@dataclass
class Node:
    """A step, the steps that trials take after it, and the trials that end with it."""

    step: Step | None = None
    children: dict[Any, Node] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)

    def all_trials(self) -> list[Trial]:
        """Return the trials that end at this node or below it."""
        return [*self.trials, *(t for child in self.children.values() for t in child.all_trials())]

    def chain(self) -> list[Step]:
        """Return the steps from this node to the end of its only trial."""
        assert self.step is not None
        return [self.step, *(step for child in self.children.values() for step in child.chain())]


def tree_of(trials: list[Trial], features_col: str, failed: Callable[[Trial, Exception], None]) -> Node:
    """Return the tree of the steps of all trials, which share their common first steps."""
    root = Node()
    for trial in trials:
        try:
            steps = list(steps_of(trial.model, trial, features_col))
        except Exception as error:  # noqa: BLE001 - an invalid value of a param makes the trial fail
            failed(trial, error)
            continue
        node = root
        for step in steps:
            node = node.children.setdefault(step.key, Node(step))
        node.trials.append(trial)
    return root
