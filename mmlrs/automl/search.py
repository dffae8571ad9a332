"""Cross-validation of trials side by side; what they share is done once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mmlrs.automl.causes import cause_of
from mmlrs.automl.judge import learner_in, statistics, value_of
from mmlrs.automl.steps import LearnerStep, Node, Step, tree_of
from mmlrs.automl.trials import Trial
from mmlrs.errors import DecodeError, InvalidParamError

__all__ = ["Search"]


@dataclass(frozen=True)
class Rows:
    """The rows at a step: still all of them in one frame, or for each fold those to fit on and those to judge by."""

    whole: Any = None
    parts: tuple[tuple[Any, Any], ...] = ()
    #: For each fold, the last step that was fitted.
    before: tuple[Any, ...] = ()

    def frames(self) -> list[Any]:
        """Return the frames that hold rows."""
        return [self.whole] if self.whole is not None else [frame for part in self.parts for frame in part]


class Search:
    """One cross-validation of some trials."""

    def __init__(self, stage: Any, df: Any, trials: list[Trial]) -> None:
        self.stage = stage
        self.folds: int = stage._value("numFolds")
        self.trials = trials
        self.df = df
        self.fold = f"{stage.uid}_fold"
        self._lock = threading.Lock()
        self._left = {trial.number: self.folds for trial in trials}
        self._ended = 0

    def run(self, check: Callable[[Any], None] = lambda _: None) -> None:
        """Fill in how every trial did; `check` sees the cached rows first."""
        from pyspark.util import inheritable_thread_target

        tree = tree_of(self.trials, f"{self.stage.uid}_features", self._failed)
        with self._dealt() as dealt:
            check(dealt)
            pool = ThreadPoolExecutor(max_workers=self.stage._value("parallelism"))
            self._submit: Callable[..., Future[None]] = lambda work, *arguments: pool.submit(
                inheritable_thread_target(dealt.sparkSession)(work), *arguments
            )
            try:
                self._visit(tree, Rows(whole=dealt))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def _dealt(self) -> Iterator[Any]:
        """Give the cached rows with the number of the fold into which each was dealt."""
        from pyspark.sql import functions as F

        number = F.floor(F.rand(self.stage._value("seed")) * self.folds).cast("int")
        dealt = self.df.withColumn(self.fold, number).persist()
        try:
            there = {row[0] for row in dealt.groupBy(self.fold).count().collect()}
            if not there:
                raise DecodeError(f"{self.stage._stage}: the dataset has no rows")
            if missing := sorted(set(range(self.folds)) - there):
                raise DecodeError(
                    f"{self.stage._stage}: fold {missing[0] + 1} of {self.folds} has no row; give more rows, fewer "
                    "folds (`numFolds`) or another `seed`"
                )
            yield dealt
        finally:
            dealt.unpersist()

    def _visit(self, node: Node, rows: Rows) -> None:
        """Make all trials below a node, whose step is done."""
        running = [self._submit(self._judge_fold, t, rows, i) for t in node.trials for i in range(self.folds)]
        alone = [child for child in node.children.values() if len(child.all_trials()) == 1]
        running += [
            self._submit(self._try_fold, child.all_trials()[0], child.chain(), rows, i)
            for child in alone
            for i in range(self.folds)
        ]
        for child in node.children.values():
            if child not in alone:
                self._share(child, rows)
        for one in running:
            one.result()

    def _share(self, node: Node, rows: Rows) -> None:
        """Do a step that several trials have in common, and what follows."""
        assert node.step is not None
        try:
            rows = self._advanced(node.step, rows)
        except Exception as error:  # noqa: BLE001 - whatever a stage throws is recorded, and told if nothing is left
            for trial in node.all_trials():
                self._failed(trial, error)
            return
        if len(node.children) == 1 and not node.trials:
            self._visit(node, rows)
            return
        rows = self._pruned(node, rows)
        cached = [frame.persist() for frame in rows.frames()]
        try:
            self._visit(node, rows)
        finally:
            for frame in cached:
                frame.unpersist()

    def _advanced(self, step: Step, rows: Rows) -> Rows:
        """Return the rows after a step; as long as nothing has to be fitted they stay in one frame."""
        if rows.whole is not None and not step.learns:
            made = step.stage.transform(rows.whole)
            kinds = {f.name: f.dataType for f in rows.whole.schema.fields}
            if kinds[self.fold] == next(
                (f.dataType for f in made.schema.fields if f.name == self.fold), None
            ):
                return Rows(whole=made)
        parts, fitted = [], []
        for i in range(self.folds):
            train, test = self._part(rows, i)
            ready = step.fit(train, self._all(rows, i), rows.before[i] if rows.before else None)
            fitted.append(ready)
            parts.append((ready.transform(train), ready.transform(test)))
        return Rows(parts=tuple(parts), before=tuple(fitted))

    def _part(self, rows: Rows, i: int) -> tuple[Any, Any]:
        """Return the rows to fit on and the rows to judge by of a fold."""
        if rows.whole is None:
            return rows.parts[i]
        fold = rows.whole[self.fold]
        return rows.whole.where(fold != i).drop(self.fold), rows.whole.where(fold == i).drop(self.fold)

    def _all(self, rows: Rows, i: int) -> Any:
        """Return all rows, whatever fold they are in: a class that a fold lacks is known all the same."""
        if rows.whole is not None:
            return rows.whole.drop(self.fold)
        train, test = rows.parts[i]
        return train.union(test)

    def _pruned(self, node: Node, rows: Rows) -> Rows:
        """Leave out the columns that nothing reads any more, where that is known."""
        steps = [child.step for child in node.children.values()]
        if node.trials or rows.whole is not None or any(child.children for child in node.children.values()):
            return rows
        parts = []
        for (train, test), before in zip(rows.parts, rows.before, strict=True):
            wanted = [step.columns(before) for step in steps if step is not None]
            parts.append((self._select(train, wanted), self._select(test, wanted)))
        return Rows(parts=tuple(parts), before=rows.before)

    def _select(self, frame: Any, wanted: list[set[str] | None]) -> Any:
        from mmlrs.engine.spark import quoted

        if any(names is None for names in wanted):
            return frame
        label = self.stage._value("labelCol")
        read = {name.lower() for names in (wanted or [None]) for name in names or ()} | {
            (label or "").lower()
        }
        return frame.select(*[quoted(name) for name in frame.columns if name.lower() in read])

    def _try_fold(self, trial: Trial, chain: list[Step], rows: Rows, i: int) -> None:
        """Fit the last steps of a trial on all folds but one, and judge by that one."""

        def score() -> float | None:
            (train, test), before = self._part(rows, i), rows.before[i] if rows.before else None
            whole = self._all(rows, i)
            for step in chain[:-1]:
                ready = step.fit(train, whole, before)
                train, test, before = ready.transform(train), ready.transform(test), ready
                whole = train.union(test)  # with what this step made
            return self._last(chain[-1], train, test, whole, before, len(chain) > 1)

        self._fold(trial, i, score)

    def _last(self, step: Step, train: Any, test: Any, whole: Any, before: Any, cache: bool) -> float | None:
        """Fit the last step and judge; a learner that several steps feed gets its rows cached."""
        columns = step.columns(before)
        cached = self._select(train, [columns]).persist() if cache and columns is not None else None
        try:
            fitted = step.fit(train if cached is None else cached, whole, before)
        finally:
            if cached is not None:
                cached.unpersist()
        label = before.target if isinstance(step, LearnerStep) else None
        return self._measured(fitted.transform(test), fitted, label)

    def _judge_fold(self, trial: Trial, rows: Rows, i: int) -> None:
        """Judge a trial that ends with the step that made these rows."""

        def score() -> float | None:
            fitted = rows.before[i] if rows.before else trial.model
            return self._measured(self._part(rows, i)[1], fitted, None)

        self._fold(trial, i, score)

    def _measured(self, scored: Any, fitted: Any, label: str | None) -> float | None:
        """Return the metric; None where it is not defined for a fold, whose rows may all have one label."""
        row = statistics(self.stage, scored, learner_in(fitted), label, all_metrics=False)
        return value_of(self.stage, row)

    def _fold(self, trial: Trial, i: int, score: Callable[[], float | None]) -> None:
        """Record how a trial did on a fold, unless it has failed already."""
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
        """Tell that a trial has ended."""
        self._ended += 1
        if not self.stage._value("showProgress"):
            return
        metric = self.stage._value("evaluationMetric")
        if trial.error is None:
            told = f"{metric} {trial.metric():.4g}, {trial.seconds:.1f} s"
        else:
            told = f"failed: {cause_of(trial.error)}"
        line = f"{self.stage._stage}: {self._ended} of {len(self.trials)}: trial {trial.number}, {trial.describe()}: {told}"
        print(line, file=sys.stderr, flush=True)
