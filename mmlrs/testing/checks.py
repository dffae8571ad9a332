"""The contract of a stage, one function per promise."""

from __future__ import annotations

import json
import math
import pickle
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import mmlrs.engine.table as tables
from mmlrs import _native
from mmlrs._allowed import allow_functions
from mmlrs._messages import shown
from mmlrs._pyspark import Params
from mmlrs.base import (
    Estimator,
    NativeEstimator,
    NativeTransformer,
    PythonTransformer,
    Stage,
    Transformer,
    stage_spec,
    stage_specs,
)
from mmlrs.engine.bridge import collect, to_spark
from mmlrs.errors import ColumnNotFoundError, InvalidParamError, SchemaMismatchError
from mmlrs.params.functions import name_of
from mmlrs.params.stages import stages_in

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["check_stage", "checks_of", "sample_stage"]

Check = Callable[[Stage, pa.Table, Any], None]


def sample_stage(cls: type[Stage]) -> tuple[Stage, pa.Table]:
    """Return a stage of that class with params and data it runs on, from its descriptor."""
    from mmlrs.models import ModelHandle

    text, batch = _native.sample(cls._stage)
    values = {k: ModelHandle(sha256=v["sha256"]) if _is_model(v) else v for k, v in json.loads(text).items()}
    named = [v["function"] for v in values.values() if isinstance(v, dict) and set(v) == {"function"}]
    with allow_functions(*named):  # the package's own word
        return cls(**values), pa.Table.from_batches([batch])  # type: ignore[arg-type]


def functions_of(stage: Stage) -> list[str]:
    """Return the names of the functions that a stage and those within it call, as `load` takes them."""
    values = [value for inner in stages_in(stage) for value in inner._paramMap.values()]
    return [name_of(value) for value in values if callable(value) and not isinstance(value, Params)]


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"sha256"}


def check_stage(stage: Stage, data: Any, spark: SparkSession | None = None) -> None:
    """Run every check of the contract on a stage.

    Parameters
    ----------
    stage : Stage
        With params such that it runs on `data` without error.
    data : pyarrow.Table, pandas.DataFrame or Arrow PyCapsule object
        At least four rows.
    spark : SparkSession, optional
        Also check that Spark gives the same result, fused and unfused.

    Raises
    ------
    AssertionError
        Naming the promise that is not kept.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.stages import SelectColumns
    >>> from mmlrs.testing import check_stage
    >>> check_stage(SelectColumns(cols=["a"]), pa.table({"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}))
    """
    table = tables.to_table(data)
    for name, check in checks_of(stage, spark is not None):
        try:
            check(stage, table, spark)
        except AssertionError as error:
            raise AssertionError(f"{stage._stage}: {name}: {error}") from error


def checks_of(stage: Stage | type[Stage], with_spark: bool = False) -> Iterator[tuple[str, Check]]:
    """Return the checks that apply to a stage or to a class of stages, by name."""
    cls = stage if isinstance(stage, type) else type(stage)
    for check in _CHECKS:
        if check in _SPARK_CHECKS and not with_spark:
            continue
        if check in _NATIVE_CHECKS and not issubclass(cls, NativeTransformer):
            continue
        if check in _FIT_CHECKS and not issubclass(cls, NativeEstimator):
            continue
        if cls._stage in _NEEDS_SPARK and not with_spark and check not in _CHECKS_WITHOUT_RUN:
            continue
        yield check.__name__.removeprefix("check_"), check


def fit_stage(stage: Stage, data: Any) -> Transformer:
    """Return what transforms: the stage, or with an estimator the model that it fits on `data`."""
    ready = stage.fit(data) if isinstance(stage, Estimator) else stage
    assert isinstance(ready, Transformer), f"{type(ready).__name__} is not a transformer"
    return ready


def run_stage(stage: Stage, data: Any, on: Any = None) -> Any:
    """Transform `data`, or with an estimator fit a model on `data` and transform with it: `data`, or `on` if given."""
    return fit_stage(stage, data).transform(data if on is None else on)


def check_default_construction(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A stage can be made without arguments, with the defaults of its descriptor."""
    made: Stage = type(stage)()  # type: ignore[call-arg]
    for param in stage_spec(stage._stage)["params"]:
        if param["default"] is not None:
            assert made._value(param["name"]) == param["default"], f"default of {param['name']}"


def check_set_and_get(stage: Stage, data: pa.Table, spark: Any) -> None:
    """Every param has a setter that returns the stage and a getter that returns the value."""
    copy = stage.copy()
    for param in stage_spec(stage._stage)["params"]:
        name = param["name"]
        capital = name[0].upper() + name[1:]
        value = copy._value(name)
        assert getattr(copy, f"get{capital}")() == value, f"get{capital}"
        if value is not None:
            assert getattr(copy, f"set{capital}")(value) is copy, f"set{capital} returns the stage"
            assert copy.isSet(copy.getParam(name)), f"set{capital} sets"
        assert copy.getParam(name).doc, f"{name} is documented"


def check_bad_types(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A value of another type is refused at once, naming the stage and the param."""
    for param in stage_spec(stage._stage)["params"]:
        for bad in param["invalid"]:
            work = partial(stage.copy()._set, **{param["name"]: bad})
            _expect(InvalidParamError, work, stage, param["name"])


def check_bad_values(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A value outside the range is refused when the stage is used, naming the stage and the param."""
    for param in stage_spec(stage._stage)["params"]:
        bad = param["violation"]
        if bad is None or (param["type"] not in ("int", "float", "str") and bad == ""):
            continue
        if param["type"] in ("float_list", "int_list"):
            bad = [bad]
        work = partial(run_stage, stage.copy()._set(**{param["name"]: bad}), data)
        _expect(InvalidParamError, work, stage, param["name"])


def check_copy(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A copy has the same uid and values, and changing it leaves the original alone."""
    copy = stage.copy()
    assert copy.uid == stage.uid and type(copy) is type(stage)
    before = stage._params_json()
    assert copy._params_json() == before
    for param in copy.params:
        copy.clear(param)
    assert stage._params_json() == before, "clearing the copy changed the original"


def check_save_and_load(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A saved stage loads with the same uid and gives the same output; what exists is replaced only when asked."""
    expected = run_stage(stage, data)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/stage"
        stage.save(path)
        loaded = type(stage).load(path, allow_functions=functions_of(stage))
        assert loaded.uid == stage.uid and type(loaded) is type(stage)
        assert_same(run_stage(loaded, data), expected)
        try:
            stage.save(path)
        except Exception:  # noqa: BLE001 - pyspark and mmlrs have no common class
            stage.write().overwrite().save(path)
        else:
            raise AssertionError("saving over a saved stage must fail without overwrite()")
        loaded = type(stage).load(path, allow_functions=functions_of(stage))
        assert_same(run_stage(loaded, data), expected)


def check_pickle(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A pickled stage gives the same output."""
    if stage._stage in _NOT_PICKLED:
        return
    assert_same(run_stage(pickle.loads(pickle.dumps(stage)), data), run_stage(stage, data))


def check_schema(stage: Stage, data: pa.Table, spark: Any) -> None:
    """The schema is known before any data is seen, and is the schema of the result."""
    if stage._stage in _NEEDS_ROWS:
        return
    ready = fit_stage(stage, data)
    empty, full = ready.transform(data.slice(0, 0)), ready.transform(data)
    assert empty.num_rows == 0 or stage._stage in _MAKES_ANOTHER_TABLE
    assert empty.schema.equals(full.schema, check_metadata=True), f"{empty.schema} is not {full.schema}"


def check_chunks(stage: Stage, data: pa.Table, spark: Any) -> None:
    """Slices and chunks of the data give slices and chunks of the result."""
    if stage_spec(stage._stage)["rows"] != "kept":
        return
    ready = fit_stage(stage, data)
    expected = ready.transform(data)
    assert expected.num_rows == data.num_rows, f"{data.num_rows} rows became {expected.num_rows}"
    chunked = pa.concat_tables([data.slice(0, 1), data.slice(1, 0), data.slice(1)])
    assert_same(run_stage(stage, chunked), expected)
    assert_same(ready.transform(data.slice(2)), expected.slice(2))


def check_order(stage: Stage, data: pa.Table, spark: Any) -> None:
    """The result of a row does not depend on its place."""
    if stage_spec(stage._stage)["rows"] != "kept":
        return
    order = list(reversed(range(data.num_rows)))
    assert_same(run_stage(stage, data.take(order)), run_stage(stage, data).take(order))


def check_kinds_of_table(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A record batch and any object with the Arrow PyCapsule interface work as a table does."""
    expected = run_stage(stage, data)
    batch = data.combine_chunks().to_batches()[0]
    made = run_stage(stage, batch)
    assert isinstance(made, pa.RecordBatch) and made.num_rows == expected.num_rows

    class Capsule:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return data.__arrow_c_stream__(requested_schema)

    assert_same(run_stage(stage, Capsule()), expected)


def check_views(stage: Stage, data: pa.Table, spark: Any) -> None:
    """Text and bytes may be views, as polars has them, in columns that the stage reads and in others."""
    texts = [f"text {i % 2}" for i in range(data.num_rows)]
    data = data.append_column("__text__", pa.array(texts))
    data = data.append_column("__texts__", pa.array([[text, None] for text in texts]))
    viewed = pa.table({f.name: _viewed(data[f.name].combine_chunks()) for f in data.schema})
    viewed = pa.Table.from_arrays(
        viewed.columns, schema=pa.schema([f.with_type(viewed.field(f.name).type) for f in data.schema])
    )
    assert_same(run_stage(stage, viewed), run_stage(stage, data))
    if stage.hasParam("handleInvalid"):
        skipping = stage.copy()._set(handleInvalid="skip")
        assert_same(run_stage(skipping, viewed), run_stage(skipping, data))


def _viewed(array: pa.Array) -> pa.Array:
    """Return an array with views in place of text and bytes, in whatever depth."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array.cast(pa.string_view())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return array.cast(pa.binary_view())
    if pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type):
        values = _viewed(array.values)
        field = kind.value_field.with_type(values.type)
        return pa.ListArray.from_arrays(array.offsets, values, type=pa.list_(field), mask=array.is_null())
    if pa.types.is_struct(kind):
        members = [_viewed(array.field(i)) for i in range(len(kind))]
        fields = [field.with_type(member.type) for field, member in zip(kind, members, strict=True)]
        return pa.StructArray.from_arrays(members, fields=fields, mask=array.is_null())
    return array


def check_other_columns(stage: Stage, data: pa.Table, spark: Any) -> None:
    """Columns that the stage does not name stay as they are."""
    from mmlrs.stages import SelectColumns

    if isinstance(stage, SelectColumns) or stage._stage in _MAKES_ANOTHER_TABLE:
        return
    extra = data.append_column("__other__", pa.array(range(data.num_rows)))
    made = run_stage(stage, extra)
    assert "__other__" in made.column_names
    if stage_spec(stage._stage)["rows"] == "kept":
        assert made["__other__"].to_pylist() == list(range(data.num_rows))


def check_missing_column(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A missing input column is named, with what there is."""
    for name in stage._columns("input"):
        if name in data.column_names:
            _expect(ColumnNotFoundError, partial(run_stage, stage, data.drop_columns([name])), stage, name)


def check_existing_output(stage: Stage, data: pa.Table, spark: Any) -> None:
    """An output column that already exists is named."""
    for name in stage._columns("output"):
        if name not in data.column_names:
            taken = data.append_column(name, pa.nulls(data.num_rows))
            _expect(SchemaMismatchError, partial(run_stage, stage, taken), stage, name)


def check_nulls(stage: Stage, data: pa.Table, spark: Any) -> None:
    """A null row is null under "keep" with its reason, dropped under "skip", and one clear error under "error"."""
    if not stage.hasParam("handleInvalid") or stage._stage in _READS_NULLS:
        return
    column = next(n for n in stage._columns("input") if n in data.column_names)
    index = data.column_names.index(column)
    field = data.schema.field(index)
    values = pa.array([None, *data.column(index).to_pylist()[1:]], field.type)
    nulled = data.set_column(index, field, values)
    outputs = set(run_stage(stage, data).column_names) - set(data.column_names)
    kept = run_stage(stage.copy()._set(handleInvalid="keep", errorCol="__why__"), data, nulled)
    if stage._stage not in _KEEPS_PARTIAL_ROWS:
        assert all(kept[n][0].as_py() is None for n in outputs), "null in, null out"
    assert kept["__why__"][0].as_py(), "the reason is told"
    assert kept["__why__"][1].as_py() is None, "a good row has no reason"
    skipped = run_stage(stage.copy()._set(handleInvalid="skip"), data, nulled)
    copies = kept.num_rows // data.num_rows
    assert skipped.num_rows == (data.num_rows - 1) * copies, "the row is dropped"
    try:
        run_stage(stage.copy()._set(handleInvalid="error"), data, nulled)
    except Exception as error:  # noqa: BLE001 - pyspark and mmlrs have no common class
        message = str(error)
        # A stage made of others is told by the name of the one that met the row.
        names = list(stage_specs()) if isinstance(stage, PythonTransformer) else [stage._stage]
        assert any(n in message for n in names) and column in message and "row 0" in message, message
    else:
        raise AssertionError("a null row must be an error")


def check_partitions(stage: Stage, data: pa.Table, spark: Any) -> None:
    """The model does not depend on how the rows are split, nor on the order in which the parts are merged."""
    assert isinstance(stage, NativeEstimator)
    native = stage._core()
    columns = data.select(native.inputs())

    def state(part: pa.Table) -> Any:
        fit = native.fit(columns.schema)
        for batch in part.to_batches():
            fit.update(batch, 1)
        return fit

    def model(merged: Any) -> Any:
        return run_stage(stage._model(*merged.finish()), data)

    expected = model(state(columns))
    middle = data.num_rows // 2
    parts = [columns.slice(0, 1), columns.slice(1, middle), columns.slice(1 + middle), columns.slice(0, 0)]
    for order in (parts, list(reversed(parts))):
        merged = state(columns.slice(0, 0))
        for part in order:
            merged.merge(state(part).state())
        assert_same(model(merged), expected)


def check_spark_equals_table(stage: Stage, data: pa.Table, spark: Any) -> None:
    """Spark gives the result of the table, batch by batch and in one."""
    expected = run_stage(stage, data)
    df = to_spark(spark, data)
    assert_same(collect(run_stage(stage, df)), expected, sort=True)
    assert_same(collect(run_stage(stage, df.repartition(3))), expected, sort=True)


def check_fused_equals_unfused(stage: Stage, data: pa.Table, spark: Any) -> None:
    """The result is the same whether the stage is composed with the stage before it or reads that stage's column."""
    from mmlrs.engine import spark as engine
    from mmlrs.image import ImageTransformer

    column = stage._columns("input")[0]
    if not _is_image(data.schema.field(column).type):
        return
    rename = {
        p["name"]: "__first__"
        for p in stage_spec(stage._stage)["params"]
        if stage._value(p["name"]) == column
    }
    after = stage.copy()._set(**rename)
    first = ImageTransformer(inputCol=column, outputCol="__first__").transform(to_spark(spark, data))
    fused = run_stage(after, first)
    unfused = run_stage(after, engine.with_lineage(first.select("*"), {}))
    assert_same(collect(fused), collect(unfused), sort=True)


def _is_image(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {"nChannels", "data"} <= {f.name for f in kind}


def check_column_names(stage: Stage, data: pa.Table, spark: Any) -> None:
    """Columns may have names with dots, quotes and spaces, in every part that they play; the result is the same."""
    if stage._stage in _NAMES_IN_TEXT:
        return
    inner = {name for part in _stages_in(stage) for name in _texts_of(part)}
    names = {name: f"{name}.x `{name}` y" for name in data.column_names if name not in inner}
    renamed, outputs = stage.copy(), set(stage._columns("output"))
    for param in stage_spec(stage._stage)["params"]:
        if param["role"] in ("input", "output"):
            known = names if param["role"] == "input" else _Odd()
            renamed._set(**{param["name"]: _mapped(stage._value(param["name"]), known, param["role"])})
        elif param["type"] == "str_map":
            pairs = stage._value(param["name"]) or {}
            if pairs.keys() <= outputs:  # from a column that the stage makes to one more
                renamed._set(**{param["name"]: {_Odd()[old]: _Odd()[new] for old, new in pairs.items()}})
    odd = data.rename_columns([names.get(name, name) for name in data.column_names])
    expected = run_stage(stage, data)
    made = [run_stage(renamed, odd)]
    if spark is not None:
        made.append(collect(run_stage(renamed, to_spark(spark, odd))))
    for table in made:
        assert table.num_columns == expected.num_columns, f"{table.column_names}"
        if stage._stage not in _NAMES_IN_VALUES:
            assert_same(table.rename_columns(expected.column_names), expected, sort=True)


class _Odd(dict[str, str]):
    """Odd names of columns to add."""

    def __missing__(self, name: str) -> str:
        return f"{name}.x `{name}` y"


def _mapped(value: Any, names: dict[str, str], role: str) -> Any:
    """Return what a param holds with other names of columns."""

    def new(name: Any) -> Any:
        return names[name] if isinstance(names, _Odd) else names.get(name, name)

    if isinstance(value, dict):
        return (
            {k: new(v) for k, v in value.items()}
            if role == "input"
            else {new(k): v for k, v in value.items()}
        )
    return [new(name) for name in value] if isinstance(value, list) else None if value is None else new(value)


def _stages_in(stage: Any) -> Iterator[Any]:
    """Return the stages that the params of a stage hold."""
    for value in stage._paramMap.values():
        for held in value if isinstance(value, list) else [value]:
            if hasattr(held, "_paramMap"):
                yield held
                yield from _stages_in(held)


def _texts_of(stage: Any) -> Iterator[str]:
    """Return the texts that the params of a stage hold, names of columns among them."""
    for value in stage._paramMap.values():
        yield from [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def check_spark_schema(stage: Stage, data: pa.Table, spark: Any) -> None:
    """On Spark, an empty DataFrame works and has the same schema."""
    if stage._stage in _NEEDS_ROWS:
        return
    df = to_spark(spark, data)
    ready = fit_stage(stage, df)
    made = ready.transform(df.limit(0))
    assert made.count() == 0 or stage._stage in _MAKES_ANOTHER_TABLE
    assert made.schema == ready.transform(df).schema


_CHECKS: list[Check] = [
    check_default_construction,
    check_set_and_get,
    check_bad_types,
    check_bad_values,
    check_copy,
    check_save_and_load,
    check_pickle,
    check_schema,
    check_chunks,
    check_order,
    check_kinds_of_table,
    check_views,
    check_other_columns,
    check_missing_column,
    check_existing_output,
    check_nulls,
    check_column_names,
    check_partitions,
    check_spark_equals_table,
    check_fused_equals_unfused,
    check_spark_schema,
]
_SPARK_CHECKS = {check_spark_equals_table, check_fused_equals_unfused, check_spark_schema}
_NATIVE_CHECKS: set[Check] = {check_fused_equals_unfused}
#: Stages whose result for a row with a null is not null under "keep", and why.
_KEEPS_PARTIAL_ROWS = {
    "FastVectorAssembler": "NaN stands for what is missing, as in Spark's VectorAssembler",
    "ValueIndexer": "a missing value has an index of its own",
    "ValueIndexerModel": "a missing value has an index of its own",
    "FeaturizeModel": "NaN stands for what is missing",
}
#: Stages for which a null is a value like others, and why.
_READS_NULLS = {
    "ComputeModelStatistics": "a row counts or it does not; there is no row to keep",
    "DataConversion": "null stays null, as in a cast of Spark's",
    "Featurize": "replaces what is missing",
    "FindBestModel": "the policy is for rows to compare by",
    "TrainClassifier": "the policy is for rows to train on",
    "TrainRegressor": "the policy is for rows to train on",
    "TuneHyperparameters": "the policy is for rows to compare by",
    "IndexToValue": "no index stands for no value, as in Spark's IndexToString",
}
#: Stages whose params name columns inside a text, and why.
_NAMES_IN_TEXT = {
    "FeaturizeModel": "its encoders hold the names of the columns of the fit",
    "Query": "the statement spells them as SQL does",
}
#: Stages whose result holds the names of columns as values, and why.
_NAMES_IN_VALUES = {
    "SummarizeData": "a row of the result names the column that it describes",
}
#: Stages for which no rows are an error, and why.
_NEEDS_ROWS = {
    "ComputeModelStatistics": "no rows have no metrics",
}
#: Stages whose result does not hold the columns of their input, and why.
_MAKES_ANOTHER_TABLE = {
    "ComputeModelStatistics": "the result is one row of metrics",
    "SummarizeData": "a row of the result describes a column of the input",
}
#: Stages that cannot be pickled, and why.
_NOT_PICKLED = {
    "TrainClassifier": "holds a learner of Spark ML, which lives in the JVM",
    "TrainRegressor": "holds a learner of Spark ML, which lives in the JVM",
}
#: Stages that need a Spark session for a table too, and why.
_NEEDS_SPARK = {
    "Query": "the session runs its SQL",
    "TrainClassifier": "the session trains its learner",
    "TrainRegressor": "the session trains its learner",
    "TuneHyperparameters": "the session makes the trials",
}
_FIT_CHECKS: set[Check] = {check_partitions}
_CHECKS_WITHOUT_RUN: set[Check] = {
    check_default_construction,
    check_set_and_get,
    check_bad_types,
    check_copy,
}


def _expect(kind: type[Exception], work: Callable[[], Any], stage: Stage, *named: str) -> str:
    """Run `work`, which must fail with one error that names the stage and the other names."""
    try:
        work()
    except kind as error:
        message = str(error)
        for name in (stage._stage, *named):
            assert name in message, f"the message does not name {name}: {message}"
        return message
    raise AssertionError(f"no {kind.__name__} for {', '.join(named)}")


def assert_same(got: pa.Table, expected: pa.Table, *, sort: bool = False) -> None:
    """Compare two tables value by value: floats to 1e-5, all else exactly; types may differ in width."""
    assert got.column_names == expected.column_names, f"{got.column_names} is not {expected.column_names}"
    assert got.num_rows == expected.num_rows, f"{got.num_rows} rows, expected {expected.num_rows}"
    left, right = got.to_pylist(), expected.to_pylist()
    if sort:
        left, right = sorted(left, key=repr), sorted(right, key=repr)
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        for name in expected.column_names:
            assert _same(a[name], b[name]), (
                f"row {row}, column {name}: {shown(a[name], 120)} is not {shown(b[name], 120)}"
            )


def _is_vector(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"type", "size", "indices", "values"}


def _sparse(value: Any) -> tuple[int, dict[int, float]]:
    """Return the size and the values other than zero of a vector, given as a struct or as a list."""
    if isinstance(value, list):
        size, pairs = len(value), list(enumerate(value))
    elif value["type"] == 1:
        size, pairs = len(value["values"]), list(enumerate(value["values"]))
    else:
        size, pairs = value["size"], list(zip(value["indices"], value["values"], strict=True))
    return size, {i: v for i, v in pairs if v != 0}


def _same(a: Any, b: Any) -> bool:
    if (_is_vector(a) and isinstance(b, dict | list)) or (_is_vector(b) and isinstance(a, list)):
        (n, left), (m, right) = _sparse(a), _sparse(b)
        return n == m and left.keys() == right.keys() and all(_same(left[i], right[i]) for i in left)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return bool(a == b)
