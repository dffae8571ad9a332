"""Weights for classes of unequal size."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._generated import stages as _generated
from mmlrs._messages import counted
from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["ClassBalancer", "ClassBalancerModel"]

#: Maximum number of classes for weights as an expression. Spark searches a map linearly.
_EXPRESSION = 1000

#: The type of the classes for each kind of column, in Spark and in Arrow.
_SPARK = {"string": "string", "boolean": "boolean", "long": "bigint", "double": "double"}
_ARROW = {"string": pa.string(), "boolean": pa.bool_(), "long": pa.int64(), "double": pa.float64()}


class ClassBalancer(_generated.ClassBalancer):
    __doc__ = _generated.ClassBalancer.__doc__
    __module__ = "mmlrs.stages"

    def _fit_spark(self, df: DataFrame) -> Any:
        from pyspark.sql import functions as F

        from mmlrs.engine import spark

        name = Columns.of(df, self._stage).resolve(self._value("inputCol"))
        kind = _spark_kind(self._stage, df, name)
        label = F.col(spark.quoted(name)).cast(_SPARK[kind])
        counts = df.select(label.alias("label")).where(F.col("label").isNotNull()).groupBy("label").count()
        return self._model({row[0]: row[1] for row in counts.collect()})

    def _fit_table(self, table: pa.Table) -> Any:
        name = Columns.of(table, self._stage).resolve(self._value("inputCol"))
        labels = _labels(table[name], _table_kind(self._stage, table, name))
        counts = pc.value_counts(labels.drop_null())
        return self._model(
            dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
        )

    def _model(self, counts: dict[Any, int]) -> Any:
        classes = sorted(value for value in counts if not isinstance(value, float) or math.isfinite(value))
        largest = max((counts[value] for value in classes), default=0)
        model = ClassBalancerModel(
            inputCol=self.getInputCol(),
            outputCol=self.getOutputCol(),
            broadcastJoin=self.getBroadcastJoin(),
            values=[value + 0.0 if isinstance(value, float) else value for value in classes],
            weights=[largest / counts[value] for value in classes],
        )
        return model._resetUid(self.uid)


class ClassBalancerModel(_generated.ClassBalancerModel):
    __doc__ = _generated.ClassBalancerModel.__doc__
    __module__ = "mmlrs.stages"

    def _weights(self, name: str, kind: str) -> dict[Any, float]:
        """Return the weights of the classes that a column of this kind can hold."""
        values, weights = self._value("values"), self._value("weights")
        if len(values) != len(weights):
            raise InvalidParamError(
                f"{self._stage}: param `weights` must have {counted(len(values), 'value')}, one for each class, got {len(weights)}"
            )
        expected = {"string": str, "boolean": bool}.get(kind, (int, float))
        for value in values:
            if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
                raise SchemaMismatchError(
                    f"{self._stage}: column `{name}`: has type {kind}, which the class {value!r} does not have"
                )
        pairs = zip(values, weights, strict=True)
        if kind == "long":
            return {int(v): w for v, w in pairs if v == int(v) and -(2**63) <= v < 2**63}
        if kind == "double":
            return {float(v): w for v, w in pairs}
        return dict(pairs)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        from mmlrs.engine import spark

        [name] = self._inputs(df)
        kind = _spark_kind(self._stage, df, name)
        weights = self._weights(name, kind)
        label = F.col(spark.quoted(name)).cast(_SPARK[kind])
        if len(weights) > _EXPRESSION:
            return self._joined(df, label, kind, weights)
        text = json.dumps({"k": list(weights), "w": list(weights.values())})
        literal = F.from_json(F.lit(text), f"k array<{_SPARK[kind]}>, w array<double>")
        weight = F.try_element_at(F.map_from_arrays(literal["k"], literal["w"]), label)
        return df.select("*", F.coalesce(weight, F.lit(1.0)).alias(self.getOutputCol()))

    def _joined(self, df: DataFrame, label: Any, kind: str, weights: dict[Any, float]) -> Any:
        from pyspark.sql import functions as F

        from mmlrs.engine.versions import frame_of

        rows = pa.table(
            {
                _CLASS: pa.array(list(weights), _ARROW[kind]),
                _WEIGHT: pa.array(list(weights.values()), pa.float64()),
            }
        )
        right = frame_of(df.sparkSession, rows)
        if self.getBroadcastJoin():
            right = F.broadcast(right)
        joined = df.join(right, label == F.col(_CLASS), "left")
        weight = F.coalesce(F.col(_WEIGHT), F.lit(1.0)).alias(self.getOutputCol())
        return joined.select("*", weight).drop(_CLASS, _WEIGHT)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        [name] = self._inputs(table)
        kind = _table_kind(self._stage, table, name)
        weights = self._weights(name, kind)
        classes = pa.array(list(weights), _ARROW[kind])
        indices = pc.index_in(_labels(table[name], kind), value_set=classes)
        values = pa.array(list(weights.values()), pa.float64())
        weight = pc.fill_null(values.take(indices), 1.0)
        return table.append_column(pa.field(self.getOutputCol(), pa.float64()), weight)


_CLASS, _WEIGHT = "__mmlrs_class__", "__mmlrs_weight__"


def _refuse(stage: str, name: str, kind: object) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{stage}: column `{name}`: has type {kind}; {stage} reads string, whole number, float, boolean"
    )


def _spark_kind(stage: str, df: DataFrame, name: str) -> str:
    """Return the kind of a label column: string, boolean, long or double."""
    from pyspark.sql import types as T

    kind = df.schema[name].dataType
    if isinstance(kind, T.StringType | T.CharType | T.VarcharType):
        return "string"
    if isinstance(kind, T.BooleanType):
        return "boolean"
    if isinstance(kind, T.IntegralType):
        return "long"
    if isinstance(kind, T.FractionalType) and not isinstance(kind, T.DecimalType):
        return "double"
    raise _refuse(stage, name, kind.simpleString())


def _table_kind(stage: str, table: pa.Table, name: str) -> str:
    """Return the kind of a label column: string, boolean, long or double."""
    kind = table.schema.field(name).type
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_ = pa.types
    if is_.is_string(value_type) or is_.is_large_string(value_type) or is_.is_string_view(value_type):
        return "string"
    if is_.is_boolean(value_type):
        return "boolean"
    if is_.is_integer(value_type):
        return "long"
    if is_.is_floating(value_type):
        return "double"
    raise _refuse(stage, name, kind)


def _labels(column: pa.ChunkedArray, kind: str) -> pa.Array:
    """Return labels in the type of their kind. Integers above the range of int64 become null, as in Spark."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    array = column.combine_chunks()
    if pa.types.is_uint64(array.type):
        array = pc.if_else(pc.less(array, pa.scalar(2**63, pa.uint64())), array, None)
    array = array.cast(_ARROW[kind])
    if kind == "double":
        array = pc.add(array, 0.0)  # -0.0 becomes 0.0
        array = pc.if_else(pc.is_finite(array), array, None)
    return array
