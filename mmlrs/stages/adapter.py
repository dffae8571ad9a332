"""Apply one stage to several columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs._messages import counted
from mmlrs.base import Stage
from mmlrs.engine.bridge import collect, through_spark
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import plain
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._generated.shared import HasPairedColumns
    from mmlrs._types import AnyStage, FrameOrTable

__all__ = ["MultiColumnAdapter", "MultiColumnAdapterModel"]


class MultiColumnAdapter(_generated.MultiColumnAdapter):
    __doc__ = _generated.MultiColumnAdapter.__doc__
    __module__ = "mmlrs.stages"

    def _check_params(self) -> None:
        super()._check_params()
        _check_pairs(self)
        base: Any = self.getBaseStage()
        missing = [name for name in ("inputCol", "outputCol") if not base.hasParam(name)]
        if missing:
            raise InvalidParamError(
                f"{self._stage}: param `baseStage` must have the params `inputCol` and `outputCol`; a "
                f"{type(base).__name__} has no `{missing[0]}`"
            )

    def _fit_spark(self, df: DataFrame) -> Any:
        return self._model(df)

    def _fit_table(self, table: pa.Table) -> Any:
        base: Any = self.getBaseStage()
        if hasattr(base, "fit") and not isinstance(base, Stage):
            return through_spark(self, table, self._fit_spark)
        return self._model(table)

    def _model(self, dataset: FrameOrTable) -> Any:
        """Fit a copy of the stage for each pair of columns."""
        base: Any = self.getBaseStage()
        inputs, outputs = _resolved(self, dataset)
        stages = []
        for i, pair in enumerate(zip(inputs, outputs, strict=True)):
            stage = base.copy()
            names = _names_for(self, stage, i, pair)
            stage._set(inputCol=names[0], outputCol=names[1])
            stages.append(stage.fit(_with_input(dataset, pair, names)) if hasattr(stage, "fit") else stage)
        model = MultiColumnAdapterModel(inputCols=inputs, outputCols=outputs, stages=stages)
        return model._resetUid(self.uid)


class MultiColumnAdapterModel(_generated.MultiColumnAdapterModel):
    __doc__ = _generated.MultiColumnAdapterModel.__doc__
    __module__ = "mmlrs.stages"

    def _check_params(self) -> None:
        super()._check_params()
        _check_pairs(self)
        stages, inputs = self.getStages() or [], self.getInputCols() or []
        if len(stages) != len(inputs):
            raise InvalidParamError(
                f"{self._stage}: param `stages` must hold {len(inputs)} stages, one for each of `inputCols`, got "
                f"{len(stages)}"
            )
        for stage in stages:
            if not hasattr(stage, "transform"):
                raise InvalidParamError(
                    f"{self._stage}: param `stages` must hold transformers, got a {type(stage).__name__}; fit a "
                    "`MultiColumnAdapter` first"
                )

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        _resolved(self, df)
        return self._through(df)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        _resolved(self, table)
        if all(isinstance(stage, Stage) for stage in self.getStages() or []):
            return self._through(table)
        return collect(through_spark(self, table, self._through))

    def _through(self, dataset: FrameOrTable) -> Any:
        pairs = zip(self.getInputCols() or [], self.getOutputCols() or [], strict=True)
        for i, (stage, pair) in enumerate(zip(self.getStages() or [], pairs, strict=True)):
            names = _names_for(self, stage, i, pair)
            dataset = stage.transform(_with_input(dataset, pair, names))  # type: ignore[attr-defined]
            if names[0] != pair[0]:
                dataset = dataset.drop(names[0])
            if names[1] != pair[1]:
                dataset = dataset.withColumnsRenamed({names[1]: pair[1]})
        return dataset


def _names_for(owner: Stage, stage: AnyStage, i: int, pair: tuple[str, str]) -> tuple[str, str]:
    """Return the column names for a stage: the pair itself, or temporary names if Spark ML cannot read the pair."""
    if isinstance(stage, Stage):
        return pair
    temporary = [f"{plain(owner.uid)}_{i}_{part}" for part in ("in", "out")]
    names = [name if plain(name) == name else new for name, new in zip(pair, temporary, strict=True)]
    return names[0], names[1]


def _with_input(dataset: FrameOrTable, pair: tuple[str, str], names: tuple[str, str]) -> Any:
    """Return the dataset with the input column under the name for the stage."""
    if names[0] == pair[0]:
        return dataset
    from pyspark.sql import functions as F

    from mmlrs.engine.spark import quoted

    return dataset.select("*", F.col(quoted(pair[0])).alias(names[0]))


def _check_pairs(stage: HasPairedColumns) -> None:
    """Raise unless the columns are pairs of an input and a different output each."""
    inputs, outputs = stage.getInputCols(), stage.getOutputCols()
    if len(inputs) != len(outputs):
        raise InvalidParamError(
            f"{stage._stage}: param `outputCols` must name {counted(len(inputs), 'column')}, one for each of `inputCols`, got "
            f"{len(outputs)}"
        )
    duplicates = [name for i, name in enumerate(outputs) if name in outputs[:i]]
    if duplicates:
        raise InvalidParamError(
            f"{stage._stage}: param `outputCols` must name each column once, but names `{duplicates[0]}` twice"
        )


def _resolved(stage: HasPairedColumns, dataset: FrameOrTable) -> tuple[list[str], list[str]]:
    """Return the input columns as the dataset spells them, and the output columns. Raise if an output exists."""
    columns = Columns.of(dataset, stage._stage)
    inputs = columns.resolve_all(stage.getInputCols())
    outputs = list(stage.getOutputCols())
    columns.check_new(outputs)
    return inputs, outputs
