"""Assemble, select, clean, index, convert and summarize columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._generated import featurize as _generated
from mmlrs._generated.featurize import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._messages import counted
from mmlrs._names import public
from mmlrs.base import NativeTransformer, is_spark, stage_spec
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import Expr, sources_of
from mmlrs.engine.frames import INDEX
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = ["CleanMissingDataModel", "DataConversion", "FastVectorAssembler", "SummarizeData"]
__all__ += _generated.__all__

__dir__ = public(globals())


class FastVectorAssembler(_generated.FastVectorAssembler):
    __doc__ = _generated.FastVectorAssembler.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine.assemble import assemble_in_jvm

        assembled = None if self.getOutputType() == "array" else assemble_in_jvm(self, df)
        return super()._transform_spark(df) if assembled is None else assembled


def _pairs(stage: NativeTransformer, columns: Columns) -> dict[str, str]:
    """Return the output column of each input column.

    Raise if an input is missing, or if an output already exists and is not its own input.
    """
    inputs = columns.resolve_all(stage._columns("input"))
    outputs = stage._value("outputCols") or inputs
    if len(outputs) != len(inputs):
        raise InvalidParamError(
            f"{stage._stage}: param `outputCols` must name {counted(len(inputs), 'column')}, one for each of `{_input_param(stage)}`, "
            f"got {len(outputs)}"
        )

    pairs = {}
    for old, new in zip(inputs, outputs, strict=True):
        pairs[old] = old if columns.same(new, old) else new
    columns.check_new(new for old, new in pairs.items() if new != old)
    return pairs


def _pairs_on_spark(stage: NativeTransformer, df: DataFrame) -> dict[str, str]:
    """Return the output column of each input column. Columns are selected by name, so names must be unique."""
    columns = Columns.of(df, stage._stage)
    columns.check_unique()
    return _pairs(stage, columns)


def _placeholders(stage: NativeTransformer, pairs: dict[str, str]) -> dict[str, str]:
    """Return temporary names for the columns that replace their inputs."""
    return {old: f"{stage.uid}_{i}_{old}" for i, (old, new) in enumerate(pairs.items()) if new == old}


def _with_placeholders(
    stage: NativeTransformer, pairs: dict[str, str], placeholders: dict[str, str]
) -> NativeTransformer:
    """Return the stage with temporary output names for the columns that replace their inputs."""
    outputs = [placeholders.get(old, new) for old, new in pairs.items()]
    return stage.copy()._set(**{_input_param(stage): list(pairs), "outputCols": outputs})


def _input_param(stage: NativeTransformer) -> str:
    """Return the name of the param that names the input columns."""
    [name] = [p["name"] for p in stage_spec(stage._stage)["params"] if p["role"] == "input"]
    return str(name)


def _replace_inputs(dataset: FrameOrTable, placeholders: dict[str, str]) -> Any:
    """Return the dataset with each temporary column moved to the place of the column that it replaces."""
    if not placeholders:
        return dataset
    return (
        _replace_on_spark(dataset, placeholders)
        if is_spark(dataset)
        else _replace_in_table(dataset, placeholders)
    )


def _replace_in_table(table: pa.Table, placeholders: dict[str, str]) -> pa.Table:
    places = {name: i for i, name in enumerate(table.column_names)}
    fields, columns = list(table.schema), list(table.columns)
    for name, placeholder in placeholders.items():
        fields[places[name]] = fields[places[placeholder]].with_name(name)
        columns[places[name]] = columns[places[placeholder]]
    temporary = set(placeholders.values())
    columns_left = [i for name, i in places.items() if name not in temporary]
    schema = pa.schema([fields[i] for i in columns_left], metadata=table.schema.metadata)
    return pa.table([columns[i] for i in columns_left], schema=schema)


def _replace_on_spark(df: DataFrame, placeholders: dict[str, str]) -> Any:
    from pyspark.sql import functions as F

    from mmlrs.engine import spark

    temporary = set(placeholders.values())
    metadata = {field.name: field.metadata for field in df.schema}
    columns = [
        F.col(spark.quoted(placeholders[n])).alias(n, metadata=metadata[placeholders[n]])
        if n in placeholders
        else F.col(spark.quoted(n))
        for n in df.columns
        if n not in temporary
    ]
    return spark.with_lineage(df.select(*columns), _lineage_without(df, set(placeholders) | temporary))


class _Replacing(NativeTransformer):
    """A native stage whose outputs replace their inputs if `outputCols` is not set or names the inputs."""

    def _transform_table(self, table: pa.Table) -> pa.Table:
        pairs = _pairs(self, Columns.of(table, self._stage))
        placeholders = _placeholders(self, pairs)
        result = NativeTransformer._transform_table(_with_placeholders(self, pairs, placeholders), table)
        return _replace_inputs(result, placeholders)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        pairs = _pairs_on_spark(self, df)
        placeholders = _placeholders(self, pairs)
        return _replace_inputs(
            spark.transform(_with_placeholders(self, pairs, placeholders), df), placeholders
        )


def _lineage_without(df: DataFrame, changed: set[str]) -> dict[str, Expr]:
    """Return the lineage of the columns that do not depend on a changed column."""
    from mmlrs.engine import spark

    lineage = spark.lineage_of(df)
    return {n: e for n, e in lineage.items() if n not in changed and not sources_of(e) & changed}


class CleanMissingDataModel(_generated.CleanMissingDataModel, _Replacing):
    __doc__ = _generated.CleanMissingDataModel.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        pairs = _pairs_on_spark(self, df)
        lineage = spark.lineage_of(df)
        if all(old not in lineage for old in pairs):
            return self._in_the_jvm(df, pairs)
        return super()._transform_spark(df)

    def _in_the_jvm(self, df: DataFrame, pairs: dict[str, str]) -> Any:
        """Clean plain columns with expressions, which Spark compiles and fuses with their neighbours."""
        from pyspark.sql import functions as F

        from mmlrs.engine import spark

        stage = _with_placeholders(self, pairs, _placeholders(self, pairs))
        spark.check(stage, df)
        cleaned = {}
        for (old, new), fill in zip(pairs.items(), self._value("fillValues"), strict=True):
            field = df.schema[old]
            value = F.col(spark.quoted(old))
            if field.dataType.typeName() in ("double", "float"):
                value = F.when(~F.isnan(value), value)
            metadata = field.metadata if new == old else {}
            cleaned[new] = F.coalesce(value, F.lit(fill).cast(field.dataType)).alias(new, metadata=metadata)
        columns = [cleaned.pop(n) if n in cleaned else F.col(spark.quoted(n)) for n in df.columns]
        result = df.select(*columns, *cleaned.values())
        return spark.with_lineage(result, _lineage_without(df, set(pairs) & set(pairs.values())))


class DataConversion(_generated.DataConversion, _Replacing):
    __doc__ = _generated.DataConversion.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_table(self, table: pa.Table) -> pa.Table:
        if self._value("convertTo") in _CATEGORICAL:
            return self._categorical(table, _pairs(self, Columns.of(table, self._stage)))
        return super()._transform_table(table)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        if self._value("convertTo") in _CATEGORICAL:
            return self._categorical(df, _pairs_on_spark(self, df))
        stage = self
        if self._value("timeZone") is None:
            stage = self.copy()._set(timeZone=df.sparkSession.conf.get("spark.sql.session.timeZone"))
        return _Replacing._transform_spark(stage, df)

    def _categorical(self, dataset: FrameOrTable, pairs: dict[str, str]) -> Any:
        """Convert the columns to indices, or indices back to their values."""
        placeholders = _placeholders(self, pairs)
        policy = {name: self._value(name) for name in ("handleInvalid", "errorCol")}
        if policy["errorCol"] is not None and len(pairs) > 1:
            raise InvalidParamError(
                f"{self._stage}: param `errorCol` can be set for one column only if `convertTo` is {self._value('convertTo')}"
            )
        for old, new in pairs.items():
            columns = {"inputCol": old, "outputCol": placeholders.get(old, new), **policy}
            stage: Any = _generated.IndexToValue(**columns)
            if self._value("convertTo") == "toCategorical":
                stage = _generated.ValueIndexer(**columns).fit(dataset)
            dataset = stage.transform(dataset)
        return _replace_inputs(dataset, placeholders)


_CATEGORICAL = ("toCategorical", "clearCategorical")


class SummarizeData(_generated.SummarizeData):
    __doc__ = _generated.SummarizeData.__doc__
    __module__ = "mmlrs.featurize"

    def _described(self, dataset: FrameOrTable) -> list[str]:
        """Return the columns to describe, as the dataset spells them."""
        columns, names = Columns.of(dataset, self._stage), self._value("inputCols")
        return columns.resolve_all([n for n in columns.names if n != INDEX] if names is None else names)

    def _summarize(self, dataset: FrameOrTable) -> pa.Table:
        names = self._described(dataset)
        nested, readable = (
            _describable_frame(dataset, names) if is_spark(dataset) else _describable_table(dataset, names)
        )
        rows = self.copy()._set(inputCols=names)._finished(readable)["rows"] if names else []
        for row in rows:
            if row["Feature"] in nested:
                row["Unique_Value_Count"] = None
        groups = [group for switch, group in _STATISTICS if switch is None or self._value(switch)]
        schema = pa.schema([field for group in groups for field in group])
        return pa.table(
            {f.name: [_number(row[f.name], f.type) for row in rows] for f in schema}, schema=schema
        )


def _describable_table(table: pa.Table, names: list[str]) -> tuple[set[str], pa.Table]:
    """Return the names of the nested columns, and all columns as the native core reads them.

    Nested columns become flags of which only the nulls are counted.
    """
    nested = {name for name in names if pa.types.is_nested(table.schema.field(name).type)}
    return nested, pa.table({name: _describable(table[name]) for name in names})


def _describable_frame(df: DataFrame, names: list[str]) -> tuple[set[str], Any]:
    """Do the same as `_describable_table` for a DataFrame."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import AtomicType, CharType, VarcharType

    from mmlrs.engine import spark

    kinds = {field.name: field.dataType for field in df.schema}
    nested = {name for name in names if not isinstance(kinds[name], AtomicType | CharType | VarcharType)}
    if not nested:
        return nested, df
    column = {name: F.col(spark.quoted(name)) for name in df.columns}
    readable = [F.when(c.isNotNull(), True).alias(n) if n in nested else c for n, c in column.items()]
    return nested, spark.with_lineage(df.select(*readable), _lineage_without(df, nested))


def _describable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column that the native core can describe: nested and dictionary columns become true or null."""
    if pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
        return pc.if_else(pc.is_valid(column), True, None)
    return column


def _number(value: Any, kind: pa.DataType) -> Any:
    """Return a number from the native core, which writes infinities and NaN as strings."""
    return float(value) if value is not None and pa.types.is_floating(kind) else value


def _statistics(kind: pa.DataType, *names: str) -> list[pa.Field]:
    return [pa.field(name, kind) for name in names]


#: The columns of a summary by the param that switches them on.
_STATISTICS = [
    (None, _statistics(pa.string(), "Feature")),
    ("counts", _statistics(pa.int64(), "Count", "Unique_Value_Count", "Missing_Value_Count")),
    ("basic", _statistics(pa.float64(), "Min", "1st_Quartile", "Median", "3rd_Quartile", "Max", "Mean")),
    (
        "sample",
        _statistics(
            pa.float64(), "Sample_Variance", "Sample_Standard_Deviation", "Sample_Skewness", "Sample_Kurtosis"
        ),
    ),
    ("percentiles", _statistics(pa.float64(), "P0_5", "P1", "P5", "P95", "P99", "P99_5")),
]
