"""The steps of learners, which trials share as long as they agree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from mmlrs._pyspark import Params
from mmlrs.automl.rowwise import added, has_network, identity, is_rowwise, keeps_rows, lowered, read
from mmlrs.automl.trials import Trial, configured
from mmlrs.params.stages import stages_in
from mmlrs.train.learners import Prepared, Trainer
from mmlrs.train.wiring import other_names

if TYPE_CHECKING:
    from typing import TypeGuard

    from pyspark.ml import Pipeline
    from pyspark.sql import DataFrame

    from mmlrs._types import AnyStage, Fits

__all__ = [
    "FeaturesStep",
    "LearnerStep",
    "Node",
    "RowwiseStep",
    "StageStep",
    "Step",
    "ordered",
    "steps_of",
    "tree_of",
]


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

    @abstractmethod
    def reads(self) -> set[str] | None:
        """Return the columns that the step reads, apart from those of the step before it, or None if it may read any."""

    def columns(self, previous: Any) -> set[str] | None:
        """Return all columns that the fitted step reads, or None if it may read any."""
        return None


class RowwiseStep(Step):
    """The first stages of a pipeline, which work row by row, so that they run on the rows of all folds together.

    Parameters
    ----------
    stages : list of NativeTransformer
        The stages in order. Their rows are those of the dataset.
    identities : list of str
        What identifies each stage.
    """

    def __init__(self, steps: list[StageStep]) -> None:
        self.stages: list[Any] = [step.stage for step in steps]
        self.identities = [str(step.key) for step in steps]
        super().__init__(("rowwise", *self.identities), self.stages[-1])

    def fit(self, df: DataFrame, all_rows: Any, previous: Any) -> Any:
        """Return the step itself, which learns nothing."""
        return self

    def transform(self, df: DataFrame) -> DataFrame:
        """Add the columns of all stages."""
        for stage in self.stages:
            df = stage.transform(df)
        return df

    def reads(self) -> set[str] | None:
        """Return the columns that the stages read."""
        return {name for stage in self.stages for name in read(stage) or ()}

    def networks(self) -> set[Any]:
        """Return a key of each network with all that its input is computed from."""
        made: dict[str, Any] = {}
        found = set()
        for name, stage in zip(self.identities, self.stages, strict=True):
            sources = lowered(read(stage) or ())
            key = (name, *sorted({repr(made[column]) for column in sources if column in made}))
            made.update(dict.fromkeys(lowered(added(stage) or ()), key))
            if has_network(stage):
                found.add(key)
        return found


class StageStep(Step):
    """A stage of a pipeline, or a learner that is not one."""

    def fit(self, df: DataFrame, all_rows: Any, previous: Any) -> Any:
        """Fit an estimator. A transformer is returned as it is."""
        return cast("Fits", self.stage).fit(df) if self.learns else self.stage

    def reads(self) -> set[str] | None:
        """Return the columns that a known stage reads."""
        return read(self.stage)

    def columns(self, previous: Any) -> set[str] | None:
        """Return the columns of a learner or of another estimator that names all columns that it reads."""
        return read(self.stage) if self.learns else None


class FeaturesStep(Step):
    """The preparation of `TrainClassifier` and `TrainRegressor` before the learner."""

    stage: Trainer

    def fit(self, df: DataFrame, all_rows: Any, previous: Any) -> Any:
        """Return the fitted preparation of features and labels, which knows all labels of the dataset."""
        return self.stage._prepare(df, all_rows)

    def reads(self) -> set[str] | None:
        """Return the columns that the trainer names, or None if it learns from all columns."""
        inputs = self.stage._value("inputCols")
        if inputs is None:
            return None
        others = {name for _, name in other_names(self.stage._value("model"))}
        return {self.stage._value("labelCol"), *inputs, *others}


class LearnerStep(Step):
    """The learner of `TrainClassifier` and `TrainRegressor`."""

    stage: Trainer

    def fit(self, df: DataFrame, all_rows: Any, previous: Prepared) -> Any:
        """Fit the learner on rows that the previous step prepared."""
        return self.stage._fit_learner(previous, df)

    def reads(self) -> set[str] | None:
        """Return nothing: all columns are of the step before."""
        return set()

    def columns(self, previous: Prepared) -> set[str] | None:
        """Return the columns that the learner reads."""
        return set(previous.columns())


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
        yield StageStep(identity(stage) or (id(model), repr(values)), stage)
        return
    if not stage.isSet("featuresCol"):
        stage._set(featuresCol=features_col)
    yield FeaturesStep(("features", stage._features_key()), stage)
    yield LearnerStep(("learner", id(model), repr(values)), stage)


def ordered(steps: list[Step], known: dict[Any, AnyStage]) -> list[Step]:
    """Return the steps with those first that can run on the rows of the dataset, as one step.

    A row-wise stage may run before a stage that only adds columns, if it does not read them. The last step stays the last.
    `known` collects the stages by key: those that compute the same become one, which is planned once.
    """
    for step in steps:
        if isinstance(step, StageStep):
            step.stage = known.setdefault(step.key, step.stage)
    first: list[StageStep] = []
    rest: list[Step] = []
    for step in steps:
        if isinstance(step, StageStep) and _may_run_first(step.stage, rest, last=step is steps[-1]):
            first.append(step)
        else:
            rest.append(step)
    return [RowwiseStep(first), *rest] if first else rest


def _may_run_first(stage: AnyStage, before: list[Step], *, last: bool) -> bool:
    if not is_rowwise(stage) or not keeps_rows(stage) or (before and last):
        return False
    inputs, outputs = read(stage), added(stage)
    if inputs is None or outputs is None:
        return False
    names = lowered(inputs | outputs)
    others = [added(step.stage) if isinstance(step, StageStep) else None for step in before]
    return all(columns is not None and names.isdisjoint(lowered(columns)) for columns in others)


def _is_pipeline(stage: object) -> TypeGuard[Pipeline]:
    return isinstance(stage, Params) and hasattr(stage, "getStages") and hasattr(stage, "fit")


@dataclass(eq=False)
class Node:
    """A step, the steps that trials take after it, and the trials that end with it."""

    step: Step | None = None
    children: dict[Any, Node] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)

    @property
    def rowwise(self) -> RowwiseStep:
        """The step of a node with row-wise stages."""
        assert isinstance(self.step, RowwiseStep)
        return self.step

    def all_trials(self) -> list[Trial]:
        """Return the trials that end at this node or below it."""
        return [*self.trials, *(t for child in self.children.values() for t in child.all_trials())]

    def reads(self) -> set[str] | None:
        """Return the columns that the steps below this node read, or None if they may read any."""
        if self.trials:
            return None
        names: set[str] = set()
        for child in self.children.values():
            assert child.step is not None
            own, below = child.step.reads(), child.reads() if child.children else set()
            if own is None or below is None:
                return None
            names |= own | below
        return names

    def chain(self) -> list[Step]:
        """Return the steps from this node to the end of its only trial."""
        assert self.step is not None
        return [self.step, *(step for child in self.children.values() for step in child.chain())]


def tree_of(trials: list[Trial], features_col: str, failed: Callable[[Trial, Exception], None]) -> Node:
    """Return the tree of the steps of all trials, which share their common first steps."""
    root, known = Node(), dict[Any, "AnyStage"]()
    for trial in trials:
        try:
            steps = ordered(list(steps_of(trial.model, trial, features_col)), known)
        except Exception as error:  # noqa: BLE001 - an invalid value of a param makes the trial fail
            failed(trial, error)
            continue
        node = root
        for step in steps:
            node = node.children.setdefault(step.key, Node(step))
        node.trials.append(trial)
    return root
