"""Measure the time that a stage takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.base import Estimator
from mmlrs.engine.bridge import on_table_or_spark, through_spark
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import AnyStage, Transforms

__all__ = ["Timer", "TimerModel"]

_LOG = logging.getLogger("mmlrs.stages")


class Timer(_generated.Timer):
    __doc__ = _generated.Timer.__doc__
    __module__ = "mmlrs.stages"

    def _fit_spark(self, df: DataFrame) -> Any:
        stage: AnyStage = self.getStage()
        if not hasattr(stage, "fit"):
            return self._model(stage, None)
        with _cached(df, materialize=not self.getDisableMaterialization()):
            return self._model(*_timed(self._stage, f"the fit of {stage.uid}", lambda: stage.fit(df)))

    def _fit_table(self, table: pa.Table) -> Any:
        stage: AnyStage = self.getStage()
        if not hasattr(stage, "fit"):
            return self._model(stage, None)
        if not isinstance(stage, Estimator):
            return through_spark(self, table, self._fit_spark)
        return self._model(*_timed(self._stage, f"the fit of {stage.uid}", lambda: stage.fit(table)))

    def _model(self, stage: AnyStage, seconds: float | None) -> Any:
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
        """Duration of the fit in seconds; None for a transformer, and for a model that was loaded."""
        return self._fit_seconds

    @property
    def transformSeconds(self) -> float | None:
        """Duration of the last call of `transform` in seconds; None before the first call, and for a stream."""
        return self._transform_seconds

    def _check_params(self) -> None:
        super()._check_params()
        stage = self.getStage()
        if not hasattr(stage, "transform"):
            raise InvalidParamError(
                f"{self._stage}: param `stage` must be a transformer, got a {type(stage).__name__}; fit a `Timer` first"
            )

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        stage = cast("Transforms", self.getStage())
        if df.isStreaming:
            self._transform_seconds = None
            _LOG.info(
                "%s: the transform of %s is not measured, because a stream has no end", self._stage, stage.uid
            )
            return stage.transform(df)
        materialize = not self.getDisableMaterialization()

        def work() -> Any:
            result = stage.transform(df)
            if materialize:
                _materialize(result)
            return result

        with _cached(df, materialize=materialize):
            return self._measured(stage, work)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        stage = cast("Transforms", self.getStage())
        return self._measured(stage, lambda: on_table_or_spark(self, stage, table))

    def _measured(self, stage: Transforms, work: Callable[[], Any]) -> Any:
        result, self._transform_seconds = _timed(self._stage, f"the transform of {stage.uid}", work)
        return result


def _timed(name: str, description: str, work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of `work` and its duration in seconds, which is logged."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    _LOG.info("%s: %s took %.3f s", name, description, seconds)
    return result, seconds


def _is_cached(df: DataFrame) -> bool:
    """Return whether the rows are cached in memory or on disk, by any handle."""
    level = df.storageLevel
    return bool(level.useMemory or level.useDisk)


def _materialize(df: DataFrame) -> None:
    """Compute and cache all rows."""
    if not _is_cached(df):
        df.persist()
    df.count()


@contextmanager
def _cached(df: DataFrame, *, materialize: bool) -> Iterator[None]:
    """Cache the rows within the block, and restore their state afterwards."""
    if not materialize or df.isStreaming:
        yield
        return
    was_cached = _is_cached(df)
    _materialize(df)
    try:
        yield
    finally:
        if not was_cached:
            df.unpersist()
