"""Parallel cross-validation of trials, which computes shared steps once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mmlrs._progress import Bar, progress
from mmlrs._typing import Self
from mmlrs.automl.computed import Computed, families, selected
from mmlrs.automl.judge import best_value, learner_in, statistics, value_of
from mmlrs.automl.kept import Base, Kept
from mmlrs.automl.rowwise import has_network, is_rowwise
from mmlrs.automl.steps import LearnerStep, Node, RowwiseStep, Step, tree_of
from mmlrs.automl.trials import Trial
from mmlrs.engine.causes import cause_of
from mmlrs.errors import DecodeError, InvalidParamError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._stage import Stage
    from mmlrs._types import AnyStage, Transforms

__all__ = ["Search"]


@dataclass(frozen=True)
class Rows:
    """The rows at a step, either in one frame or as a training and a test frame per fold."""

    frame: DataFrame | None = None
    parts: tuple[tuple[DataFrame, DataFrame], ...] = ()
    #: For each fold, the fitted previous step.
    fitted: tuple[Any, ...] = ()
    #: The number of steps that computed the frame.
    done: int = 0

    def frames(self) -> list[DataFrame]:
        """Return the frames that hold rows."""
        return [self.frame] if self.frame is not None else [frame for part in self.parts for frame in part]


class Search:
    """One cross-validation of some trials."""

    def __init__(self, stage: Stage, df: DataFrame, trials: list[Trial]) -> None:
        self.stage = stage
        self.folds: int = stage._value("numFolds")
        self.trials = trials
        self.df = df
        self.fold = f"{stage.uid}_fold"
        self._lock = threading.Lock()
        self._left = {trial.number: self.folds for trial in trials}
        self._ended = 0
        self._bar = Bar()
        self._kept = Kept()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.release()

    def fit(self, trial: Trial) -> Any:
        """Return the model of a finished trial, fitted on all rows."""
        return self._kept.fit(trial, self.df)

    def run(self, check: Callable[[Any], None] = lambda _: None) -> None:
        """Run all trials and record their results. `check` is called with the cached rows first."""
        from mmlrs.engine.versions import threads_inherit

        tree = tree_of(self.trials, f"{self.stage.uid}_features", self._failed)
        with self._with_folds() as rows:
            check(rows)
            pool = ThreadPoolExecutor(max_workers=self.stage._value("parallelism"))
            self._submit: Callable[..., Future[None]] = lambda work, *arguments: pool.submit(
                threads_inherit(rows.sparkSession, work), *arguments
            )
            with self._shown():
                try:
                    self._visit(tree, Rows(frame=rows))
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Show a bar of the trials with `showProgress`."""
        if not self.stage._value("showProgress"):
            yield
            return
        with progress(self.stage._stage, len(self.trials), "trial", done=self._ended) as self._bar:
            yield

    @contextmanager
    def _with_folds(self) -> Iterator[Any]:
        """Yield the cached rows with a column of fold numbers."""
        from pyspark.sql import functions as F

        number = F.floor(F.rand(self.stage._value("seed")) * self.folds).cast("int")
        folds = self.df.withColumn(self.fold, number).persist()
        try:
            numbers = {row[0] for row in folds.groupBy(self.fold).count().collect()}
            if not numbers:
                raise DecodeError(f"{self.stage._stage}: the dataset has no rows")
            if empty := sorted(set(range(self.folds)) - numbers):
                raise DecodeError(
                    f"{self.stage._stage}: fold {empty[0] + 1} of {self.folds} has no row; use more rows, fewer "
                    "folds (`numFolds`) or another `seed`"
                )
            yield folds
        finally:
            folds.unpersist()

    def _visit(self, node: Node, rows: Rows) -> None:
        """Run all trials below a node whose step is done."""
        first = [child for child in node.children.values() if isinstance(child.step, RowwiseStep)]
        others = [child for child in node.children.values() if child not in first]
        alone = [
            child
            for child in others
            if len(child.all_trials()) == 1 and not any(map(_has_network, child.chain()))
        ]
        futures = [
            self._submit(self._evaluate_fold, t, rows, i) for t in node.trials for i in range(self.folds)
        ]
        futures += [
            self._submit(self._try_fold, child.all_trials()[0], child.chain(), rows, i)
            for child in alone
            for i in range(self.folds)
        ]
        for family in families(first):
            self._compute(family, cast("DataFrame", rows.frame))
        for child in others:
            if child not in alone:
                self._share(child, rows)
        for future in futures:
            future.result()

    def _compute(self, family: list[Node], frame: DataFrame) -> None:
        """Compute the columns of row-wise steps once, for all folds, and run the trials below them."""
        computed, planned = Computed(frame, f"{self.stage.uid}_computed"), list[Node]()
        for node in family:
            try:
                computed.add(node.rowwise)
                planned.append(node)
            except Exception as error:  # noqa: BLE001 - as in `_share`
                self._all_failed(node, error)
        if not planned:
            return
        try:
            computed.narrow({node.rowwise.key: self._read_below(node) for node in planned})
            cached = _computed(computed.frame)
        except Exception as error:  # noqa: BLE001 - as in `_share`
            for node in planned:
                if len(planned) == 1:
                    self._all_failed(node, error)
                else:  # one of them cannot be computed
                    self._compute([node], frame)
            return
        rows = {node: Rows(frame=computed.of(node.rowwise, cached), done=1) for node in planned}
        try:
            for node in planned:
                self._visit(node, rows[node])
        finally:
            self._kept.offer(cached, self._bases(rows), self._best())

    def _bases(self, rows: dict[Node, Rows]) -> dict[int, Base]:
        """Return the rows on which the models of trials can be fitted, by their numbers."""
        return {
            trial.number: Base(some.frame.drop(self.fold), some.done)
            for node, some in rows.items()
            for trial in node.all_trials()
            if some.frame is not None
        }

    def _best(self) -> Trial | None:
        """Return the first of the best trials that have ended."""
        ended = [t for t in self.trials if t.metric() is not None and self._left[t.number] == 0]
        best = best_value(self.stage, [t.metric() for t in ended])
        return next((t for t in ended if t.metric() == best), None)

    def _read_below(self, node: Node) -> set[str] | None:
        """Return the columns that the steps below a node and the metrics read, or None if they may read any."""
        names = node.reads()
        return None if names is None else names | self._for_metrics()

    def _for_metrics(self) -> set[str]:
        """Return the columns that the search itself reads."""
        params = ("labelCol", "scoredLabelsCol", "scoresCol")
        return {self.fold, *(value for name in params if (value := self.stage._value(name)))}

    def _all_failed(self, node: Node, error: Exception) -> None:
        for trial in node.all_trials():
            self._failed(trial, error)

    def _share(self, node: Node, rows: Rows) -> None:
        """Run a step that several trials share, and the steps after it."""
        assert node.step is not None
        try:
            rows = self._advanced(node.step, rows)
        except Exception as error:  # noqa: BLE001 - recorded, and reported if all trials fail
            self._all_failed(node, error)
            return
        children = list(node.children.values())
        passes = not _has_network(node.step) or (children and _has_network(children[0].step))
        if len(children) == 1 and not node.trials and passes:
            self._visit(node, rows)
            return
        rows = self._pruned(node, rows)
        cached = [frame.persist() for frame in rows.frames()]
        try:
            self._visit(node, rows)
        finally:
            if rows.frame is not None and _has_network(node.step):
                self._kept.offer(cached[0], self._bases({node: rows}), self._best())
            else:
                for frame in cached:
                    frame.unpersist()

    def _advanced(self, step: Step, rows: Rows) -> Rows:
        """Return the rows after a step. They stay in one frame until a step has to be fitted."""
        if rows.frame is not None and not step.learns:
            result = cast("Transforms", step.stage).transform(rows.frame)
            kinds = {f.name: f.dataType for f in rows.frame.schema.fields}
            if kinds[self.fold] == next(
                (f.dataType for f in result.schema.fields if f.name == self.fold), None
            ):
                return Rows(frame=result, done=rows.done + 1)
        parts, models = [], []
        for i in range(self.folds):
            train, test = self._part(rows, i)
            model = step.fit(train, self._all(rows, i), rows.fitted[i] if rows.fitted else None)
            models.append(model)
            parts.append((model.transform(train), model.transform(test)))
        return Rows(parts=tuple(parts), fitted=tuple(models))

    def _part(self, rows: Rows, i: int) -> tuple[DataFrame, DataFrame]:
        """Return the training and the test rows of a fold."""
        if rows.frame is None:
            return rows.parts[i]
        fold = rows.frame[self.fold]
        return rows.frame.where(fold != i).drop(self.fold), rows.frame.where(fold == i).drop(self.fold)

    def _all(self, rows: Rows, i: int) -> DataFrame:
        """Return the rows of all folds, so that a class that a fold lacks is known."""
        if rows.frame is not None:
            return rows.frame.drop(self.fold)
        train, test = rows.parts[i]
        return train.union(test)

    def _pruned(self, node: Node, rows: Rows) -> Rows:
        """Drop the columns that no later step reads, if the steps name their columns."""
        children = list(node.children.values())
        if node.trials:
            return rows
        if rows.frame is not None:
            return Rows(frame=self._select(rows.frame, self._read_below(node)), done=rows.done)
        parts = []
        for (train, test), previous in zip(rows.parts, rows.fitted, strict=True):
            if any(child.children for child in children):
                columns = node.reads()
            else:
                columns = _union(child.step.columns(previous) for child in children if child.step)
            parts.append((self._select(train, columns), self._select(test, columns)))
        return Rows(parts=tuple(parts), fitted=rows.fitted)

    def _select(self, frame: DataFrame, columns: set[str] | None) -> DataFrame:
        from mmlrs.engine.spark import quoted

        if columns is None:
            return frame
        return frame.select(*map(quoted, selected(frame, columns | self._for_metrics())))

    def _try_fold(self, trial: Trial, chain: list[Step], rows: Rows, i: int) -> None:
        """Fit the last steps of a trial on all folds except one, and evaluate it on that fold."""

        def score() -> float | None:
            (train, test), previous = self._part(rows, i), rows.fitted[i] if rows.fitted else None
            all_rows = self._all(rows, i)
            for step in chain[:-1]:
                model = step.fit(train, all_rows, previous)
                train, test, previous = model.transform(train), model.transform(test), model
                all_rows = train.union(test)  # with the columns of this step
            return self._last(chain[-1], train, test, all_rows, previous, len(chain) > 1)

        self._fold(trial, i, score)

    def _last(
        self, step: Step, train: Any, test: Any, all_rows: Any, previous: Any, cache: bool
    ) -> float | None:
        """Fit and evaluate the last step. The rows are cached for a learner after other steps."""
        columns = step.columns(previous)
        cached = self._select(train, columns).persist() if cache and columns is not None else None
        try:
            model = step.fit(train if cached is None else cached, all_rows, previous)
        finally:
            if cached is not None:
                cached.unpersist()
        label = previous.target if isinstance(step, LearnerStep) else None
        return self._measured(model.transform(test), model, step.stage, label)

    def _evaluate_fold(self, trial: Trial, rows: Rows, i: int) -> None:
        """Evaluate a trial that ends with the step that computed these rows."""

        def score() -> float | None:
            model = rows.fitted[i] if rows.fitted else trial.model
            return self._measured(self._part(rows, i)[1], model, trial.learner(), None)

        self._fold(trial, i, score)

    def _measured(self, scored: Any, model: AnyStage, estimator: AnyStage, label: str | None) -> float | None:
        """Return the metric, or None if it is not defined for a fold, as when all rows have one label."""
        row = statistics(
            self.stage, scored, learner_in(model), label, estimator=learner_in(estimator), all_metrics=False
        )
        return value_of(self.stage, row)

    def _fold(self, trial: Trial, i: int, score: Callable[[], float | None]) -> None:
        """Record the result of a trial on a fold, unless the trial has failed already."""
        start = time.monotonic()
        try:
            if trial.error is None:
                trial.folds[i] = score()
                if len(trial.folds) == self.folds and not any(v is not None for v in trial.folds.values()):
                    raise self._undefined()
        except Exception as error:  # noqa: BLE001 - a trial that fails is recorded, not fatal
            self._failed(trial, error)
            return
        with self._lock:
            trial.seconds += time.monotonic() - start
            self._left[trial.number] -= 1
            if trial.error is None and self._left[trial.number] == 0:
                self._report(trial)

    def _undefined(self) -> InvalidParamError:
        metric = self.stage._value("evaluationMetric")
        return InvalidParamError(
            f'{self.stage._stage}: param `evaluationMetric`: "{metric}" is not defined for these predictions'
        )

    def _failed(self, trial: Trial, error: Exception) -> None:
        with self._lock:
            if trial.error is None:
                trial.error = error
                self._report(trial)

    def _report(self, trial: Trial) -> None:
        """Count a finished trial, and tell its result with `showProgress`."""
        self._ended += 1
        if not self.stage._value("showProgress"):
            return
        metric = self.stage._value("evaluationMetric")
        if trial.error is None:
            outcome = f"{metric} {trial.metric():.4g}, {trial.seconds:.1f} s"
        else:
            outcome = f"failed: {cause_of(trial.error)}"
        line = f"{self.stage._stage}: {self._ended} of {len(self.trials)}: trial {trial.number}, {trial.describe()}: {outcome}"
        self._bar.line(line)
        ended = [t.metric() for t in self.trials if t.error is not None or self._left[t.number] == 0]
        best = best_value(self.stage, ended)
        self._bar.note("" if best is None else f"best {metric} {best:.4g}")
        self._bar.update()


def _computed(frame: DataFrame) -> DataFrame:
    """Return a cached frame after one job has computed it, because jobs that run at the same time could compute it twice."""
    cached = frame.persist()
    try:
        cached.count()
    except BaseException:
        cached.unpersist()
        raise
    return cached


def _has_network(step: Step | None) -> bool:
    return step is not None and is_rowwise(step.stage) and has_network(step.stage)


def _union(names: Iterable[set[str] | None]) -> set[str] | None:
    """Return the union of sets of columns, where None stands for all columns."""
    every = list(names)
    return None if any(some is None for some in every) else {name for some in every for name in some or ()}
