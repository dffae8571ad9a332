"""The checks of the contract find what they are for, and the report lists what did not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from mmlrs.errors import ColumnNotFoundError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import ValueIndexer
from mmlrs.stages import Lambda, RenameColumn, SelectColumns
from mmlrs.testing import Tags, check_stage, checks_of, reversed_columns
from mmlrs.testing.checks import CHECKS, Facts, NotApplicable, report_of
from mmlrs.text import UnicodeNormalize

DATA = pa.table({"a": [1, 2, 3, 4], "b": ["Å", "y", "x", "z"]})


def has_views(table: pa.Table) -> bool:
    return pa.string_view() in table.schema.types


# -- stages that break one promise each ---------------------------------------------------------------------------------


class OtherDefault(UnicodeNormalize):
    def _own_defaults(self) -> dict[str, Any]:
        return {"form": "NFC"}


class WrongGetter(SelectColumns):
    def getCols(self) -> list[str]:
        return []


class TakesAnything(SelectColumns):
    def _set(self, **kwargs: Any) -> Any:
        try:
            return super()._set(**kwargs)
        except InvalidParamError:
            return self


class SharedCopy(SelectColumns):
    def copy(self, extra: Any = None) -> Any:
        return self


class _Ignores(UnicodeNormalize):
    ignored: type[Exception]

    def transform(self, dataset: Any, params: Any = None) -> Any:
        try:
            return super().transform(dataset, params)
        except self.ignored:
            return dataset


class IgnoresBadValues(_Ignores):
    ignored = InvalidParamError


class IgnoresMissingColumns(_Ignores):
    ignored = ColumnNotFoundError


class IgnoresExistingColumns(_Ignores):
    ignored = SchemaMismatchError


class OtherSchemaOfNoRows(SelectColumns):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table) if table.num_rows else table


class LosesARow(SelectColumns):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table).slice(1)


class NumbersRows(SelectColumns):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table).set_column(0, "a", [range(table.num_rows)])


class ReadsTheFirstChunk(SelectColumns):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(pa.Table.from_batches(table.to_batches()[:1], table.schema))


class AlwaysATable(SelectColumns):
    def transform(self, dataset: Any, params: Any = None) -> Any:
        made = super().transform(dataset, params)
        return pa.Table.from_batches([made]) if isinstance(made, pa.RecordBatch) else made


class LosesARowOfViews(UnicodeNormalize):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table.slice(int(has_views(table))))


class LosesOtherColumns(RenameColumn):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table).select([self.getOutputCol()])


class ReversesOtherColumns(RenameColumn):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table).take(list(reversed(range(table.num_rows))))


class RefusesOddNames(SelectColumns):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        assert not any("`" in name for name in table.column_names), "a quote in a name"
        return super()._transform_table(table)

    def _transform_spark(self, df: Any) -> Any:
        assert not any("`" in name for name in df.columns), "a quote in a name"
        return super()._transform_spark(df)


class FillsNulls(UnicodeNormalize):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        made, name = super()._transform_table(table), self.getOutputCol()
        return made.set_column(made.column_names.index(name), name, made[name].fill_null(""))


class GivesNoReasons(UnicodeNormalize):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        made = super()._transform_table(table)
        if self.getErrorCol() is None:
            return made
        at = made.column_names.index(self.getErrorCol())
        return made.set_column(at, self.getErrorCol(), pa.nulls(made.num_rows, pa.string()))


class AlwaysKeeps(UnicodeNormalize):
    def _transform_table(self, table: pa.Table) -> pa.Table:
        return UnicodeNormalize._transform_table(self.copy()._set(handleInvalid="keep"), table)


class FitsOnSomeRows(ValueIndexer):
    def _fit_table(self, table: pa.Table) -> Any:
        return super()._fit_table(table.slice(2))


class KeepsStateOutsideParams(SelectColumns):
    skipped = 0

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "skipped"}

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return super()._transform_table(table).slice(self.skipped)


class AlwaysOverwrites(SelectColumns):
    def save(self, path: Any, *, allow_pickle: bool = False) -> None:
        self.write().overwrite().save(path)


class LosesRowsOnSpark(SelectColumns):
    def _transform_spark(self, df: Any) -> Any:
        return super()._transform_spark(df).where("a > 1")


class ReadsOnePartition(SelectColumns):
    def _transform_spark(self, df: Any) -> Any:
        from pyspark.sql import functions as F

        return super()._transform_spark(df).where(F.spark_partition_id() == 0)


class OtherSchemaOfNoRowsOnSpark(SelectColumns):
    def _transform_spark(self, df: Any) -> Any:
        return df if df.isEmpty() else super()._transform_spark(df)


class AttachesOtherFields(SelectColumns):
    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine.spark import with_lineage

        return with_lineage(super()._transform_spark(df), {}, fields=[])


class OtherResultWhenFused(UnicodeNormalize):
    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine.spark import lineage_of

        stage = self.copy()._set(lower=not lineage_of(df))
        return UnicodeNormalize._transform_spark(stage, df)


def texts(cls: type[UnicodeNormalize]) -> UnicodeNormalize:
    return cls(inputCol="b", outputCol="normal")


def outside_params() -> SelectColumns:
    stage = KeepsStateOutsideParams(cols=["a"])
    stage.skipped = 1
    return stage


#: By check: a stage that does not keep the promise, and the message.
BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "default_construction": (lambda: texts(OtherDefault), "default of form"),
    "set_and_get": (lambda: WrongGetter(cols=["a"]), "getCols"),
    "bad_types": (lambda: TakesAnything(cols=["a"]), "no InvalidParamError for cols"),
    "copy": (lambda: SharedCopy(cols=["a"]), "clearing the copy changed the original"),
    "bad_values": (lambda: texts(IgnoresBadValues), "no InvalidParamError for inputCol"),
    "schema": (lambda: OtherSchemaOfNoRows(cols=["a"]), "b: string is not a: int64"),
    "row_count": (lambda: LosesARow(cols=["a"]), "4 rows became 3"),
    "slices": (lambda: NumbersRows(cols=["a"]), "row 0, column a: 0 is not 2"),
    "chunks": (lambda: ReadsTheFirstChunk(cols=["a"]), "1 rows, expected 4"),
    "order": (lambda: NumbersRows(cols=["a"]), "row 0, column a: 0 is not 3"),
    "kinds_of_table": (lambda: AlwaysATable(cols=["a"]), "a record batch became a Table"),
    "views": (lambda: texts(LosesARowOfViews), "3 rows, expected 4"),
    "views_with_skip": (lambda: texts(LosesARowOfViews), "3 rows, expected 4"),
    "other_columns": (
        lambda: LosesOtherColumns(inputCol="a", outputCol="c"),
        "the result has no __numbers__, __text__, __texts__",
    ),
    "other_column_values": (lambda: ReversesOtherColumns(inputCol="a", outputCol="c"), "__numbers__"),
    "missing_column": (lambda: texts(IgnoresMissingColumns), "no ColumnNotFoundError for b"),
    "existing_output": (lambda: texts(IgnoresExistingColumns), "no SchemaMismatchError for normal"),
    "column_names": (lambda: RefusesOddNames(cols=["a"]), "a quote in a name"),
    "null_in_null_out": (lambda: texts(FillsNulls), "normal is not null"),
    "null_reason": (lambda: texts(GivesNoReasons), "the row with a null has no reason"),
    "null_skip": (lambda: texts(AlwaysKeeps), "4 rows, expected 3"),
    "null_error": (lambda: texts(AlwaysKeeps), "a row with a null must be an error"),
    "partitions": (lambda: FitsOnSomeRows(inputCol="b", outputCol="i", handleInvalid="keep"), "column i"),
    "save_and_load": (outside_params, "4 rows, expected 3"),
    "overwrite": (lambda: AlwaysOverwrites(cols=["a"]), "must fail without overwrite"),
    "pickling": (outside_params, "4 rows, expected 3"),
    "spark_equals_table": (lambda: LosesRowsOnSpark(cols=["a"]), "3 rows, expected 4"),
    "repartitioned": (lambda: ReadsOnePartition(cols=["a"]), "rows, expected 4"),
    "spark_schema": (lambda: OtherSchemaOfNoRowsOnSpark(cols=["a"]), "StructField"),
    "known_fields": (lambda: AttachesOtherFields(cols=["a"]), "the schema has struct<a:bigint>"),
    "fused_equals_unfused": (lambda: texts(OtherResultWhenFused), "column normal"),
    "column_names_on_spark": (lambda: RefusesOddNames(cols=["a"]), "a quote in a name"),
}


def test_there_is_a_broken_stage_for_every_check():
    assert BROKEN.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_a_stage_that_breaks_the_promise_fails_the_check(name, request):
    stage, message = BROKEN[name][0](), BROKEN[name][1]
    spark = request.getfixturevalue("spark") if CHECKS[name].needs_spark else None
    report = report_of(stage, DATA, spark, only=[name])
    assert report.failed.keys() == {name}
    assert message in report.failed[name]


def test_check_stage_names_every_promise_that_is_broken():
    with pytest.raises(AssertionError) as caught:
        check_stage(NumbersRows(cols=["a"]), DATA)
    assert "NumbersRows: slices: row 0, column a: 0 is not 2" in str(caught.value)
    assert "NumbersRows: order: " in str(caught.value)


# -- what did not run ---------------------------------------------------------------------------------------------------


def test_the_report_lists_what_ran_and_what_did_not_and_why():
    report = check_stage(SelectColumns(cols=["a"]), DATA)
    assert {*report.passed, *report.not_applicable} == CHECKS.keys()
    assert report.not_applicable == {
        "bad_values": "no param has values of its type that are not allowed",
        "views_with_skip": "the stage has no param `handleInvalid`",
        "other_columns": "the stage may drop columns that it does not name",
        "other_column_values": "the stage may drop columns that it does not name",
        "existing_output": "the stage names no new column",
        "null_in_null_out": "the stage has no param `handleInvalid`",
        "null_reason": "the stage has no param `handleInvalid`",
        "null_skip": "the stage has no param `handleInvalid`",
        "null_error": "the stage has no param `handleInvalid`",
        "partitions": "the stage computes no mergeable states in the native core",
        "spark_equals_table": "no Spark session was given",
        "repartitioned": "no Spark session was given",
        "spark_schema": "no Spark session was given",
        "known_fields": "no Spark session was given",
        "fused_equals_unfused": "no Spark session was given",
        "column_names_on_spark": "no Spark session was given",
    }
    lines = str(report).splitlines()
    assert lines[0] == "SelectColumns: 16 checks passed, 0 failed, 16 not applicable"
    assert "  fused_equals_unfused   not applicable: no Spark session was given" in lines


class Shuffles(Lambda):
    """A stage of a user, whose class declares what is special about it."""

    tags: ClassVar[Tags] = {"not_picklable": "it holds a lock", "requires_spark": "the session draws"}


class ShufflesOnTables(Shuffles):
    tags: ClassVar[Tags] = {"requires_spark": None, "rows": "kept"}


def test_a_class_declares_tags_in_python():
    facts = Facts.of(Shuffles)
    assert facts.tags == {"not_picklable": "it holds a lock", "requires_spark": "the session draws"}
    assert not facts.keeps_rows
    report = report_of(Shuffles(transformFunc=reversed_columns), DATA)
    assert report.not_applicable["pickling"] == "no Spark session was given, and the session draws"
    assert "chunks" in report.not_applicable


def test_a_class_changes_the_tags_of_its_base_class():
    facts = Facts.of(ShufflesOnTables)
    assert facts.tags == {"not_picklable": "it holds a lock"}
    assert facts.keeps_rows
    report = check_stage(ShufflesOnTables(transformFunc=reversed_columns), DATA)
    assert report.not_applicable["pickling"] == "it holds a lock"
    assert "slices" in report.passed


def test_a_descriptor_declares_tags_that_a_class_takes_back():
    class Stricter(ValueIndexer):
        tags: ClassVar[Tags] = {"maps_nulls": None}

    stage = Stricter(inputCol="b", outputCol="i")
    assert "maps_nulls" in Facts.of(ValueIndexer).tags
    report = report_of(stage, DATA, only=["null_in_null_out"])
    assert report.failed == {"null_in_null_out": "i is not null"}


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"accepts_null": "why"}, "Wrong: there is no tag `accepts_null`; did you mean `accepts_nulls`?"),
        ({"rows": "some"}, 'Wrong: tag `rows` must be "kept" or "changed", got \'some\''),
        ({"accepts_nulls": True}, "Wrong: tag `accepts_nulls` must be a reason or None, got True"),
    ],
)
def test_a_wrong_tag_is_refused(tags, message):
    wrong = type("Wrong", (SelectColumns,), {"tags": tags})
    with pytest.raises(InvalidParamError) as caught:
        check_stage(wrong(cols=["a"]), DATA)
    assert str(caught.value) == message


def test_checks_can_be_run_one_by_one():
    checks = dict(checks_of(LosesARow))
    assert checks.keys() >= {"pickling", "order"}
    assert "spark_schema" not in checks
    assert "spark_schema" in dict(checks_of(LosesARow, with_spark=True))
    checks["pickling"](LosesARow(cols=["a"]), DATA)
    with pytest.raises(AssertionError, match="4 rows became 3"):
        checks["row_count"](LosesARow(cols=["a"]), DATA)
    with pytest.raises(NotApplicable, match="names no new column"):
        checks["existing_output"](SelectColumns(cols=["a"]), DATA)


def test_data_of_views_is_checked_like_other_data():
    names = pa.table({"s": pa.array(["a", "b", "c", "d"], pa.string_view())})
    assert not check_stage(SelectColumns(cols=["s"]), names).failed


@pytest.mark.parametrize(
    ("stage", "data", "error", "message"),
    [
        (3, DATA, InvalidParamError, "param `stage` must be a stage, got a int"),
        (
            SelectColumns,
            DATA,
            InvalidParamError,
            "param `stage` must be a stage, got the class SelectColumns",
        ),
        (SelectColumns(cols=["a"]), [1, 2], SchemaMismatchError, "check_stage: cannot use as data a list"),
        (
            SelectColumns(cols=["a"]),
            DATA[:3],
            InvalidParamError,
            "param `data` must have at least 4 rows, got 3",
        ),
    ],
)
def test_arguments_that_cannot_be_checked_are_refused(stage, data, error, message):
    with pytest.raises(error, match=message):
        check_stage(stage, data)


def test_a_stage_that_drops_rows_and_says_so_passes():
    class Filled(SelectColumns):
        tags: ClassVar[Tags] = {"rows": "changed"}

        def _transform_table(self, table: pa.Table) -> pa.Table:
            return super()._transform_table(table).drop_null()

    data = pa.table({"b": ["v", None, "x", "y", "z"]})
    assert not report_of(Filled(cols=["b"]), data, only=["row_count", "order", "chunks"]).failed
