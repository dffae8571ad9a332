"""Average columns over the rows of each key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._generated import stages as _generated
from mmlrs._messages import counted
from mmlrs.engine.batches import is_list
from mmlrs.engine.causes import named
from mmlrs.engine.columns import Columns
from mmlrs.engine.fields import is_vector_struct
from mmlrs.engine.select import take_rows
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = ["EnsembleByKey"]

Ints = npt.NDArray[np.int64]


class EnsembleByKey(_generated.EnsembleByKey):
    __doc__ = _generated.EnsembleByKey.__doc__
    __module__ = "mmlrs.stages"

    def _resolved(self, dataset: FrameOrTable) -> tuple[list[str], dict[str, str]]:
        """Return the keys, and the columns to average by the names of their averages."""
        params = {name: self._value(name) for name in ("keys", "cols", "colNames")}
        columns = Columns.of(dataset, self._stage)
        keys, cols = columns.resolve_all(params["keys"]), columns.resolve_all(params["cols"])
        names = params["colNames"] or [f"mean({name})" for name in cols]
        if len(names) != len(cols):
            raise InvalidParamError(
                f"{self._stage}: param `colNames` must name {counted(len(cols), 'column')}, one for each of `cols`, got {len(names)}"
            )
        if len(set(keys)) < len(keys):
            raise InvalidParamError(f"{self._stage}: param `keys` must name each column once")
        existing = keys if self.getCollapseGroup() else columns.names
        for i, name in enumerate(names):
            replace(columns, names=[*existing, *names[:i]]).check_new([name])
        return keys, dict(zip(names, cols, strict=True))

    def _refuse(self, name: str, kind: object, reads: str) -> SchemaMismatchError:
        return SchemaMismatchError(f"{self._stage}: column `{name}`: has type {kind}; {reads}")

    # -- Spark ---------------------------------------------------------------------------------------------------------

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.ml.functions import array_to_vector
        from pyspark.ml.linalg import VectorUDT
        from pyspark.sql import functions as F

        from mmlrs.engine.expr import quoted
        from mmlrs.engine.spark import refuse_old_vectors

        keys, cols = self._resolved(df)
        schema = {field.name: field for field in df.schema}
        for name in keys:
            if not _groups(schema[name].dataType):
                raise self._refuse(name, schema[name].dataType.simpleString(), "it cannot be a key")
        grouped: list[Any] = []
        averages: list[Any] = []
        for i, (name, source) in enumerate(cols.items()):
            field, rows = schema[source], f"__rows{i}__"
            refuse_old_vectors(self._stage, field)
            values = self._values(field)
            attributes = {k: v for k, v in field.metadata.items() if k == "ml_attr"}
            if values is None:
                grouped.append(F.avg(F.col(quoted(source)).cast("double")).alias(rows))
                averages.append(F.col(rows).alias(name))
                continue
            size = F.array_size(values)
            lists = F.collect_list(values).alias("rows")
            grouped.append(F.struct(lists, F.min(size).alias("low"), F.max(size).alias("high")).alias(rows))
            mean = self._mean_of_arrays(rows, source)
            if isinstance(field.dataType, VectorUDT):
                mean = F.when(mean.isNotNull(), array_to_vector(mean))  # raises on a null
            averages.append(mean.alias(name, metadata=attributes))
        by = [F.col(quoted(name)).alias(f"__key{i}__") for i, name in enumerate(keys)]
        averaged = df.groupBy(*by).agg(*grouped)
        if self.getCollapseGroup():
            key_columns = [
                F.col(f"__key{i}__").alias(name, metadata=schema[name].metadata)
                for i, name in enumerate(keys)
            ]
            return averaged.select(*key_columns, *averages)
        right = averaged.select(*[f"__key{i}__" for i in range(len(keys))], *averages)
        same_key = F.lit(True)
        for i, name in enumerate(keys):
            same_key = same_key & F.col(quoted(name)).eqNullSafe(F.col(f"__key{i}__"))
        return df.join(right, same_key, "left").drop(*[f"__key{i}__" for i in range(len(keys))])

    def _values(self, field: Any) -> Any:
        """Return a vector or an array as an array of doubles, None for a number."""
        from pyspark.ml.linalg import VectorUDT
        from pyspark.sql import functions as F
        from pyspark.sql.types import ArrayType, BooleanType, NumericType

        from mmlrs.engine.spark import quoted, vectors_as_lists

        kind, column = field.dataType, F.col(quoted(field.name))
        if isinstance(kind, VectorUDT):
            return vectors_as_lists(column)
        if isinstance(kind, ArrayType) and isinstance(kind.elementType, NumericType):
            return column.cast("array<double>")
        if isinstance(kind, NumericType | BooleanType):
            return None
        raise self._refuse(field.name, kind.simpleString(), _READS.format(self._stage))

    def _mean_of_arrays(self, rows: str, source: str) -> Any:
        """Return the element-wise mean of collected arrays."""
        from pyspark.sql import functions as F

        low, high = F.col(f"{rows}.low"), F.col(f"{rows}.high")
        start = f"{self._stage}: column `{source}`: has arrays of different size under one key, "
        message = F.concat(
            F.lit(named(DecodeError, start)), low.cast("string"), F.lit(" and "), high.cast("string")
        )
        mean = F.expr(
            f"transform(slice(sequence(0, {rows}.high), 1, {rows}.high), i -> aggregate({rows}.rows, "
            "named_struct('s', 0D, 'n', 0L), "
            "(a, r) -> if(r[i] is null, a, named_struct('s', a.s + r[i], 'n', a.n + 1L)), "
            "a -> if(a.n = 0, null, a.s / a.n)))"
        )
        failed = F.raise_error(message).cast("array<double>")
        return F.when(low.isNull(), F.lit(None)).when(low != high, failed).otherwise(mean)

    # -- tables --------------------------------------------------------------------------------------------------------

    def _transform_table(self, table: pa.Table) -> pa.Table:
        keys, cols = self._resolved(table)
        codes, first = self._grouped(table, keys)
        fields, columns = [], []
        for name, source in cols.items():
            field = table.schema.field(source)
            try:
                column = table[source].combine_chunks()
            except pa.ArrowNotImplementedError:
                raise self._refuse(source, field.type, _READS.format(self._stage)) from None
            mean = self._mean(column, source, codes, len(first))
            keep = field.metadata if pa.types.is_nested(mean.type) else None
            fields.append(pa.field(name, mean.type, metadata=keep))
            columns.append(mean)
        if self.getCollapseGroup():
            out = take_rows(table.select(keys), pa.array(first))
        else:
            out, columns = table, [take_rows(column, pa.array(codes)) for column in columns]
        for field, column in zip(fields, columns, strict=True):
            out = out.append_column(field, column)
        return out

    def _grouped(self, table: pa.Table, keys: list[str]) -> tuple[Ints, Ints]:
        """Return the group number of each row, in order of first appearance, and the first row of each group."""
        codes: Ints = np.zeros(table.num_rows, np.int64)
        first: Ints = np.zeros(0, np.int64)
        for name in keys:
            column = table[name]
            if pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
                raise self._refuse(name, column.type, "it cannot be a key")
            try:
                column = column.combine_chunks()
                if pa.types.is_float32(column.type) or pa.types.is_float64(column.type):
                    column = pc.add(column, pa.scalar(0.0, column.type))  # -0.0 becomes 0.0
                encoded = column.dictionary_encode(null_encoding="encode")
            except pa.ArrowNotImplementedError:
                raise self._refuse(name, column.type, "it cannot be a key") from None
            indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            joint = codes * (len(encoded.dictionary) + 1) + indices
            _, first, codes = np.unique(joint, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return rank[codes], first[order]

    def _mean(self, column: pa.Array, name: str, codes: Ints, groups: int) -> pa.Array:
        kind = column.type
        numeric = (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_decimal(kind)
            or pa.types.is_boolean(kind)
        )
        if is_vector_struct(kind):
            return _as_vectors(
                self._mean_of_lists(_of_vectors(column), name, codes, groups, sparse=True), kind
            )
        if is_list(kind) and _is_number(kind.value_type):
            lists = self._mean_of_lists(_of_lists(column), name, codes, groups, sparse=False)
            if pa.types.is_fixed_size_list(kind):
                return lists.cast(pa.list_(pa.float64(), kind.list_size))
            return lists
        if not numeric:
            raise self._refuse(name, kind, _READS.format(self._stage))
        if pa.types.is_boolean(kind):
            column = column.cast(pa.int8())
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        values = column.cast(pa.float64(), safe=False).drop_null().to_numpy(zero_copy_only=False)
        return _means(codes[valid], values, np.bincount(codes[valid], minlength=groups))

    def _mean_of_lists(self, lists: _Lists, name: str, codes: Ints, groups: int, *, sparse: bool) -> pa.Array:
        """Return the mean of the lists of each group. With `sparse`, missing elements are 0."""
        valid = np.flatnonzero(lists.sizes >= 0)
        sizes = np.full(groups, -1, np.int64)
        sizes[codes[valid][::-1]] = lists.sizes[valid][::-1]
        mismatches = valid[lists.sizes[valid] != sizes[codes[valid]]]
        if len(mismatches):
            row = int(mismatches[0])
            raise DecodeError(
                f"{self._stage}: column `{name}`, row {row} of the table: has arrays of different size under one key, "
                f"{sizes[codes[row]]} and {lists.sizes[row]}"
            )
        starts = np.append(0, np.cumsum(np.maximum(sizes, 0)))
        slots = starts[codes[lists.rows]] + lists.places
        counts = np.bincount(slots, minlength=starts[-1])
        if sparse:
            counts = np.repeat(np.bincount(codes[valid], minlength=groups), np.maximum(sizes, 0))
        elements = _means(slots, lists.values, counts)
        return pa.ListArray.from_arrays(
            pa.array(starts, pa.int32()), elements, mask=pa.array(sizes < 0, pa.bool_())
        )


_READS = "{} reads number, vector, array of numbers"


def _groups(kind: Any) -> bool:
    """Return whether Spark can group and compare values of this type."""
    from pyspark.sql.types import MapType, StructType, UserDefinedType

    from mmlrs.engine.versions import VariantType

    if isinstance(kind, StructType):
        return all(_groups(field.dataType) for field in kind)
    return not isinstance(kind, MapType | VariantType | UserDefinedType)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


@dataclass(frozen=True)
class _Lists:
    """Lists of numbers: the size of each, -1 for a null, and the row, position and value of each element that is not null."""

    sizes: Ints
    rows: Ints
    places: Ints
    values: npt.NDArray[np.float64]


def _of_lists(column: pa.Array) -> _Lists:
    sizes = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.maximum(sizes, 0)
    rows = np.repeat(np.arange(len(sizes)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    elements = pc.list_flatten(column).cast(pa.float64(), safe=False)
    valid = elements.is_valid().to_numpy(zero_copy_only=False)
    values = elements.drop_null().to_numpy(zero_copy_only=False)
    return _Lists(sizes, rows[valid], places[valid], values)


def _of_vectors(column: pa.Array) -> _Lists:
    """Read Spark ML vectors. Sparse vectors (type 0) have the positions of their values."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    members = dict(zip([f.name for f in column.type], column.flatten(), strict=True))
    values = _of_lists(members["values"])
    sparse = valid & (pc.fill_null(members["type"], 1).to_numpy(zero_copy_only=False) == 0)
    size = pc.fill_null(members["size"], -1).to_numpy(zero_copy_only=False).astype(np.int64)
    sizes = np.where(valid, np.where(sparse, size, values.sizes), -1)
    indices = _of_lists(members["indices"])
    places = values.places.copy()
    places[sparse[values.rows]] = indices.values[sparse[indices.rows]].astype(np.int64)
    return _Lists(sizes, values.rows, places, values.values)


def _as_vectors(lists: pa.ListArray, kind: pa.StructType) -> pa.Array:
    """Return lists as dense Spark ML vectors."""
    count = len(lists)
    members = {
        "type": pa.array(np.ones(count, np.int8)),
        "size": pa.nulls(count),
        "indices": pa.nulls(count),
        "values": lists,
    }
    arrays = [members[f.name].cast(f.type) for f in kind]
    return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=lists.is_null())


def _means(slots: Ints, values: npt.NDArray[np.float64], counts: Ints) -> pa.Array:
    """Return the mean of the values of each slot, or null for an empty slot."""
    sums = np.bincount(slots, weights=values, minlength=len(counts))
    empty = counts == 0
    return pa.array(sums / np.where(empty, 1, counts), pa.float64(), mask=empty)
