"""Features from columns: assembly, selection, cleaning, indexing, conversion and summaries."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mmlrs._generated import featurize as _generated
from mmlrs._generated.featurize import (
    CleanMissingData,
    CountSelector,
    CountSelectorModel,
    Featurize,
    FeaturizeModel,
    IndexToValue,
    ValueIndexer,
    ValueIndexerModel,
)
from mmlrs.base import NativeTransformer, is_spark, stage_spec
from mmlrs.engine.expr import Expr, Source, resolve_all
from mmlrs.errors import InvalidParamError, SchemaMismatchError

__all__ = [
    "CleanMissingData",
    "CleanMissingDataModel",
    "CountSelector",
    "CountSelectorModel",
    "DataConversion",
    "FastVectorAssembler",
    "Featurize",
    "FeaturizeModel",
    "IndexToValue",
    "ValueIndexer",
    "ValueIndexerModel",
]


class FastVectorAssembler(_generated.FastVectorAssembler):
    __doc__ = _generated.FastVectorAssembler.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine.assemble import assemble_in_jvm

        made = assemble_in_jvm(self, df)
        return super()._transform_spark(df) if made is None else made


def _pairs(stage: NativeTransformer, columns: list[str], *, ignore_case: bool) -> dict[str, str]:
    """Return the output column of each input column.

    Fails on a missing input, and on an output that exists already and is not its own input.
    """
    inputs = resolve_all(stage._columns("input"), columns, stage._stage, ignore_case=ignore_case)
    outputs = stage._value("outputCols") or inputs
    if len(outputs) != len(inputs):
        raise InvalidParamError(
            f"{stage._stage}: param `outputCols` must name {len(inputs)} columns, as {_input_param(stage)} does, "
            f"got {len(outputs)}"
        )

    def plain(name: str) -> str:
        return name.lower() if ignore_case else name

    taken = {plain(name) for name in columns}
    pairs = {}
    for old, new in zip(inputs, outputs, strict=True):
        same = plain(new) == plain(old)
        if not same and plain(new) in taken:
            raise SchemaMismatchError(f"{stage._stage}: column `{new}`: exists already")
        pairs[old] = old if same else new
    return pairs


def _aside(stage: NativeTransformer, pairs: dict[str, str]) -> dict[str, str]:
    """Return where the columns that replace their inputs are written until they do, by name."""
    return {old: f"{stage.uid}_{i}_{old}" for i, (old, new) in enumerate(pairs.items()) if new == old}


def _written(stage: NativeTransformer, pairs: dict[str, str], aside: dict[str, str]) -> NativeTransformer:
    """Return the stage with the columns that replace their inputs written aside."""
    outputs = [aside.get(old, new) for old, new in pairs.items()]
    return stage.copy()._set(**{_input_param(stage): list(pairs), "outputCols": outputs})


def _input_param(stage: NativeTransformer) -> str:
    """Return the name of the param that names the input columns."""
    [name] = [p["name"] for p in stage_spec(stage._stage)["params"] if p["role"] == "input"]
    return str(name)


def _put_back(made: Any, aside: dict[str, str]) -> Any:
    """Return the dataset with the columns that were written aside in the places of those they replace."""
    if not aside:
        return made
    return _put_back_on_spark(made, aside) if is_spark(made) else _put_back_in_table(made, aside)


def _put_back_in_table(made: pa.Table, aside: dict[str, str]) -> pa.Table:
    places = {name: i for i, name in enumerate(made.column_names)}
    fields, columns = list(made.schema), list(made.columns)
    for name, other in aside.items():
        fields[places[name]] = fields[places[other]].with_name(name)
        columns[places[name]] = columns[places[other]]
    temporary = set(aside.values())
    kept = [i for name, i in places.items() if name not in temporary]
    schema = pa.schema([fields[i] for i in kept], metadata=made.schema.metadata)
    return pa.table([columns[i] for i in kept], schema=schema)


def _put_back_on_spark(made: Any, aside: dict[str, str]) -> Any:
    from pyspark.sql import functions as F

    from mmlrs.engine import spark

    temporary = set(aside.values())
    metadata = {field.name: field.metadata for field in made.schema}
    columns = [
        F.col(spark.quoted(aside[n])).alias(n, metadata=metadata[aside[n]])
        if n in aside
        else F.col(spark.quoted(n))
        for n in made.columns
        if n not in temporary
    ]
    return spark.with_lineage(made.select(*columns), _lineage_without(made, set(aside) | temporary))


class _Replacing(NativeTransformer):
    """A native stage whose columns may take the place of their inputs: `outputCols` unset, or equal to the inputs."""

    def _transform_table(self, table: pa.Table) -> pa.Table:
        pairs = _pairs(self, table.column_names, ignore_case=False)
        aside = _aside(self, pairs)
        made = NativeTransformer._transform_table(_written(self, pairs, aside), table)
        return _put_back(made, aside)

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        pairs = _pairs(self, df.columns, ignore_case=True)
        aside = _aside(self, pairs)
        return _put_back(spark.transform(_written(self, pairs, aside), df), aside)


def _lineage_without(df: Any, changed: set[str]) -> dict[str, Expr]:
    """Return what is known of the columns of a DataFrame that no changed column has a part in."""
    from mmlrs.engine import spark

    lineage = spark.lineage_of(df)
    return {n: e for n, e in lineage.items() if n not in changed and not _sources(e) & changed}


def _sources(expr: Expr) -> set[str]:
    """Return the plain columns behind an expression."""
    if isinstance(expr, Source):
        return {expr.column}
    return set().union(*(_sources(e) for _, e in expr.node.inputs))


class CleanMissingDataModel(_generated.CleanMissingDataModel, _Replacing):
    __doc__ = _generated.CleanMissingDataModel.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        pairs = _pairs(self, df.columns, ignore_case=True)
        lineage = spark.lineage_of(df)
        if all(old not in lineage for old in pairs):
            return self._in_the_jvm(df, pairs)
        return super()._transform_spark(df)

    def _in_the_jvm(self, df: Any, pairs: dict[str, str]) -> Any:
        """Clean plain columns by expressions, which Spark compiles and fuses with what is around them."""
        from pyspark.sql import functions as F

        from mmlrs.engine import spark

        stage = _written(self, pairs, _aside(self, pairs))
        fields = spark.source_fields(df)
        stage._announce(stage._node(spark._binding(stage, df, {}), portable=True), fields)
        cleaned = {}
        for (old, new), fill in zip(pairs.items(), self._value("fillValues"), strict=True):
            field = df.schema[old]
            value = F.col(spark.quoted(old))
            if field.dataType.typeName() in ("double", "float"):
                value = F.when(~F.isnan(value), value)
            metadata = field.metadata if new == old else {}
            cleaned[new] = F.coalesce(value, F.lit(fill).cast(field.dataType)).alias(new, metadata=metadata)
        columns = [cleaned.pop(n) if n in cleaned else F.col(spark.quoted(n)) for n in df.columns]
        made = df.select(*columns, *cleaned.values())
        return spark.with_lineage(made, _lineage_without(df, set(pairs) & set(pairs.values())))


class DataConversion(_generated.DataConversion, _Replacing):
    __doc__ = _generated.DataConversion.__doc__
    __module__ = "mmlrs.featurize"

    def _transform_table(self, table: pa.Table) -> pa.Table:
        if self._value("convertTo") in _CATEGORICAL:
            return self._categorical(table, _pairs(self, table.column_names, ignore_case=False))
        return super()._transform_table(table)

    def _transform_spark(self, df: Any) -> Any:
        if self._value("convertTo") in _CATEGORICAL:
            return self._categorical(df, _pairs(self, df.columns, ignore_case=True))
        stage = self
        if self._value("timeZone") is None:
            stage = self.copy()._set(timeZone=df.sparkSession.conf.get("spark.sql.session.timeZone"))
        return _Replacing._transform_spark(stage, df)

    def _categorical(self, dataset: Any, pairs: dict[str, str]) -> Any:
        """Index the columns, or put the values of their indices in their place."""
        aside = _aside(self, pairs)
        given = {name: self._value(name) for name in ("handleInvalid", "errorCol")}
        if given["errorCol"] is not None and len(pairs) > 1:
            raise InvalidParamError(
                f"{self._stage}: param `errorCol` is for one column where convertTo is {self._value('convertTo')}"
            )
        for old, new in pairs.items():
            columns = {"inputCol": old, "outputCol": aside.get(old, new), **given}
            stage: Any = IndexToValue(**columns)
            if self._value("convertTo") == "toCategorical":
                stage = ValueIndexer(**columns).fit(dataset)
            dataset = stage.transform(dataset)
        return _put_back(dataset, aside)


_CATEGORICAL = ("toCategorical", "clearCategorical")
