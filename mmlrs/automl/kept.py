"""The cached columns of the best trial so far, on which the best model is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from mmlrs.automl.steps import RowwiseStep, ordered, steps_of
from mmlrs.automl.trials import Trial

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import Fits, Transforms

__all__ = ["Base", "Kept"]


class Base(NamedTuple):
    """The rows of a dataset with the columns of the first steps of a trial, and the number of these steps."""

    rows: DataFrame
    done: int


class Kept:
    """At most one cached frame: that of the best trial that was offered."""

    def __init__(self) -> None:
        self._cached: DataFrame | None = None
        self._bases: dict[int, Base] = {}

    def offer(self, cached: DataFrame, bases: dict[int, Base], best: Trial | None) -> None:
        """Keep a cached frame if it belongs to the best trial so far, else release it.

        `bases` has the trials that use it, by their numbers.
        """
        if best is None or best.number not in bases:
            cached.unpersist()
            return
        self.release()
        self._cached, self._bases = cached, bases

    def release(self) -> None:
        """Release the cached frame."""
        if self._cached is not None:
            self._cached.unpersist()
        self._cached, self._bases = None, {}

    def fit(self, trial: Trial, df: DataFrame) -> Any:
        """Return the model of a trial, fitted on all rows. Columns that are cached are not computed again."""
        learner, base = trial.learner(), self._bases.get(trial.number)
        if base is None or not _is_plain(learner):
            return learner.fit(df)
        done: set[str] = set()
        for step in ordered(list(steps_of(trial.model, trial, "features")), {})[: base.done]:
            done.update(
                stage.uid for stage in (step.stages if isinstance(step, RowwiseStep) else [step.stage])
            )
        return _Fitting(learner, base.rows, done).model(learner)


def _is_plain(learner: Any) -> bool:
    """Return whether all pipelines are those of Spark ML, not subclasses, which may fit in another way."""
    from pyspark.ml import Pipeline

    if not isinstance(learner, Pipeline):
        return not hasattr(learner, "getStages")
    return type(learner) is Pipeline and all(map(_is_plain, learner.getStages()))


class _Fitting:
    """Fits a pipeline as Spark ML does, on rows that have the columns of some of its stages already."""

    def __init__(self, pipeline: Any, rows: DataFrame, done: set[str]) -> None:
        self.rows = rows
        self.done = done
        #: The number of estimators that are not fitted yet. Nothing is transformed after the last one.
        self.left = sum(hasattr(stage, "fit") for stage in _leaves(pipeline))

    def model(self, stage: Any) -> Any:
        """Return the fitted stage."""
        from pyspark.ml import PipelineModel

        if hasattr(stage, "getStages"):
            return PipelineModel([self.model(inner) for inner in stage.getStages()])
        fitted = stage
        if hasattr(stage, "fit"):
            fitted = cast("Fits", stage).fit(self.rows)
            self.left -= 1
        if self.left and stage.uid not in self.done:
            self.rows = cast("Transforms", fitted).transform(self.rows)
        return fitted


def _leaves(stage: Any) -> list[Any]:
    if not hasattr(stage, "getStages"):
        return [stage]
    return [leaf for inner in stage.getStages() for leaf in _leaves(inner)]
