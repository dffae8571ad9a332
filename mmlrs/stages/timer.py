"""Measuring how long a stage takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.base import Estimator
from mmlrs.engine.bridge import on_table_or_spark, through_spark
from mmlrs.errors import InvalidParamError

__all__ = ["Timer", "TimerModel"]

_LOG = logging.getLogger("mmlrs.stages")


class Timer(_generated.Timer):
    __doc__ = _generated.Timer.__doc__
    __module__ = "mmlrs.stages"

    def _fit_spark(self, df: Any) -> Any:
        stage: Any = self.getStage()
        if not hasattr(stage, "fit"):
            return self._model(stage, None)
        with _ready(df, materialize=not self.getDisableMaterialization()):
            return self._model(*_timed(self._stage, f"the fit of {stage.uid}", lambda: stage.fit(df)))

    def _fit_table(self, table: pa.Table) -> Any:
        stage: Any = self.getStage()
        if not hasattr(stage, "fit"):
            return self._model(stage, None)
        if not isinstance(stage, Estimator):
            return through_spark(self, table, self._fit_spark)
        return self._model(*_timed(self._stage, f"the fit of {stage.uid}", lambda: stage.fit(table)))

    def _model(self, stage: Any, seconds: float | None) -> Any:
        model = TimerModel(stage=stage, disableMaterialization=self.getDisableMaterialization())
        model._fit_seconds = seconds
        return model._resetUid(self.uid)


class TimerModel(_generated.TimerModel):
    __doc__ = _generated.TimerModel.__doc__
    __module__ = "mmlrs.stages"

    _fit_seconds: float | None = None
    _transform_seconds: float | None = None

    @property
    def fitSeconds(self) -> float | None:
        """How long the fit took, in seconds; None for a transformer, and for a model that was loaded."""
        return self._fit_seconds

    @property
    def transformSeconds(self) -> float | None:
        """How long the last call of `transform` took, in seconds; None before the first, and for a stream."""
        return self._transform_seconds

    def _check_params(self) -> None:
        super()._check_params()
        stage = self.getStage()
        if not hasattr(stage, "transform"):
            raise InvalidParamError(
                f"{self._stage}: param `stage` must be a transformer, got a {type(stage).__name__}; fit a `Timer` first"
            )

    def _transform_spark(self, df: Any) -> Any:
        stage: Any = self.getStage()
        if df.isStreaming:
            self._transform_seconds = None
            _LOG.info("%s: the transform of %s is not measured: a stream has no end", self._stage, stage.uid)
            return stage.transform(df)
        materialize = not self.getDisableMaterialization()

        def work() -> Any:
            made = stage.transform(df)
            if materialize:
                _materialize(made)
            return made

        with _ready(df, materialize=materialize):
            return self._measured(stage, work)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        stage: Any = self.getStage()
        return self._measured(stage, lambda: on_table_or_spark(self, stage, table))

    def _measured(self, stage: Any, work: Callable[[], Any]) -> Any:
        made, self._transform_seconds = _timed(self._stage, f"the transform of {stage.uid}", work)
        return made


def _timed(name: str, what: str, work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what `work` returns and how long it took; the log is told."""
    start = time.perf_counter()
    made = work()
    seconds = time.perf_counter() - start
    _LOG.info("%s: %s took %.3f s", name, what, seconds)
    return made, seconds


def _is_kept(df: Any) -> bool:
    """Return whether the rows are cached in memory or on disk, by any handle."""
    level = df.storageLevel
    return bool(level.useMemory or level.useDisk)


def _materialize(df: Any) -> None:
    """Compute every column of every row and keep them."""
    if not _is_kept(df):
        df.persist()
    df.count()


@contextmanager
def _ready(df: Any, *, materialize: bool) -> Iterator[None]:
    """Keep the rows computed within the block, and leave them kept or not as they were."""
    if not materialize or df.isStreaming:
        yield
        return
    kept = _is_kept(df)
    _materialize(df)
    try:
        yield
    finally:
        if not kept:
            df.unpersist()
