"""MultiColumnAdapter: one stage for several columns, of mmlrs and of Spark ML."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmlrs.errors import ColumnNotFoundError, InvalidParamError, IoError, SchemaMismatchError
from mmlrs.featurize import FastVectorAssembler, ValueIndexer, ValueIndexerModel
from mmlrs.stages import MultiColumnAdapter, MultiColumnAdapterModel, RenameColumn, UDFTransformer
from mmlrs.text import UnicodeNormalize

TABLE = pa.table({"a": ["X", "Y", "X"], "b": ["q", "q", "P"], "n": [1, 2, 3]})
PAIRS = {"inputCols": ["a", "b"], "outputCols": ["c", "d"]}


def test_an_estimator_is_fitted_for_each_pair_of_columns_and_stays_as_it_is():
    base = ValueIndexer(outputCol="mine", handleInvalid="keep")
    before = base._params_json()
    model = MultiColumnAdapter(baseStage=base, **PAIRS).fit(TABLE)
    assert base._params_json() == before
    assert isinstance(model, MultiColumnAdapterModel)
    assert [type(stage) for stage in model.getStages()] == [ValueIndexerModel] * 2
    assert [stage.getLevels() for stage in model.getStages()] == [["X", "Y"], ["P", "q"]]
    assert {stage.getHandleInvalid() for stage in model.getStages()} == {"keep"}
    made = model.transform(TABLE)
    assert made.column_names == ["a", "b", "n", "c", "d"]
    assert made["c"].to_pylist() == [0, 1, 0]
    assert made["d"].to_pylist() == [1, 1, 0]


def test_a_transformer_is_copied_for_each_pair_of_columns():
    adapter = MultiColumnAdapter(baseStage=UnicodeNormalize(form="NFC"), **PAIRS)
    model = adapter.fit(TABLE)
    assert model.uid == adapter.uid
    assert {stage.getForm() for stage in model.getStages()} == {"NFC"}
    made = model.transform(TABLE)
    assert made["c"].to_pylist() == ["x", "y", "x"]
    assert made["d"].to_pylist() == ["q", "q", "p"]


def test_one_column_may_be_read_twice():
    adapter = MultiColumnAdapter(baseStage=UnicodeNormalize(), inputCols=["a", "a"], outputCols=["c", "d"])
    made = adapter.fit(TABLE).transform(TABLE)
    assert made["c"].to_pylist() == made["d"].to_pylist() == ["x", "y", "x"]


def test_every_copy_is_fitted_on_the_dataset_as_it_is(monkeypatch):
    seen = []
    fit = ValueIndexer._fit_table

    def look(self, table):
        seen.append(table.column_names)
        return fit(self, table)

    monkeypatch.setattr(ValueIndexer, "_fit_table", look)
    MultiColumnAdapter(baseStage=ValueIndexer(), **PAIRS).fit(TABLE)
    assert seen == [TABLE.column_names] * 2


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {**PAIRS, "outputCols": ["c"]},
            InvalidParamError,
            "`outputCols` must name 2 columns, one for each of .* got 1",
        ),
        (
            {**PAIRS, "outputCols": ["c", "c"]},
            InvalidParamError,
            "`outputCols` must name each column once, but names `c` twice",
        ),
        ({**PAIRS, "outputCols": ["c", "n"]}, SchemaMismatchError, "column `n` already exists"),
        ({**PAIRS, "inputCols": ["a", "z"]}, ColumnNotFoundError, "column `z`: not found"),
        ({"inputCols": [], "outputCols": []}, InvalidParamError, "`inputCols` must not be empty"),
        ({"inputCols": ["a"]}, InvalidParamError, "`outputCols` must be set"),
    ],
)
@pytest.mark.parametrize("where", ["table", pytest.param("spark", marks=pytest.mark.spark)])
def test_columns_that_make_no_pairs_are_refused(request, where, params, error, message):
    data = TABLE if where == "table" else request.getfixturevalue("spark").createDataFrame(TABLE)
    with pytest.raises(error, match=f"MultiColumnAdapter: (param )?{message}"):
        MultiColumnAdapter(baseStage=ValueIndexer(), **params).fit(data)
    with pytest.raises(error, match=f"MultiColumnAdapterModel: (param )?{message}"):
        stages = [UnicodeNormalize() for _ in params["inputCols"]] or [UnicodeNormalize()]
        MultiColumnAdapterModel(stages=stages, **params).transform(data)


def test_a_stage_of_other_columns_is_refused():
    with pytest.raises(
        InvalidParamError,
        match=r"MultiColumnAdapter: param `baseStage` must have the params `inputCol` and `outputCol`; a "
        "FastVectorAssembler has no `inputCol`",
    ):
        MultiColumnAdapter(baseStage=FastVectorAssembler(), **PAIRS).fit(TABLE)
    for bad in (3, "ValueIndexer", {"class": "mmlrs.nothing.Nothing"}, {"class": "json.JSONEncoder"}):
        with pytest.raises((InvalidParamError, ImportError), match=r"must be a stage|No module"):
            MultiColumnAdapter(baseStage=bad)
    with pytest.raises(InvalidParamError, match="MultiColumnAdapter: param `baseStage` must be set"):
        MultiColumnAdapter(**PAIRS).fit(TABLE)


def test_a_model_of_estimators_is_refused():
    with pytest.raises(InvalidParamError, match="param `stages` must hold transformers, got a ValueIndexer"):
        MultiColumnAdapterModel(stages=[ValueIndexer(), ValueIndexer()], **PAIRS).transform(TABLE)


def test_an_error_of_the_stage_tells_the_column():
    with pytest.raises(SchemaMismatchError, match="UnicodeNormalize: column `n`"):
        MultiColumnAdapter(baseStage=UnicodeNormalize(), inputCols=["a", "n"], outputCols=["c", "d"]).fit(
            TABLE
        ).transform(TABLE)


def test_a_stage_that_changes_the_columns_it_reads_fails_by_its_own_error():
    adapter = MultiColumnAdapter(baseStage=RenameColumn(), inputCols=["a", "a"], outputCols=["c", "d"])
    with pytest.raises(ColumnNotFoundError, match="RenameColumn: column `a`: not found"):
        adapter.fit(TABLE).transform(TABLE)


def test_a_model_is_saved_and_loaded(tmp_path):
    adapter = MultiColumnAdapter(baseStage=ValueIndexer(), **PAIRS)
    adapter.save(str(tmp_path / "adapter"))
    model = MultiColumnAdapter.load(str(tmp_path / "adapter")).fit(TABLE)
    model.save(str(tmp_path / "model"))
    loaded = MultiColumnAdapterModel.load(str(tmp_path / "model"))
    assert loaded.transform(TABLE).equals(model.transform(TABLE))


def test_functions_in_the_copies_are_kept_to_their_rule(tmp_path):
    base = UDFTransformer(udf=lambda text: text + "!", returnType="string")
    model = MultiColumnAdapter(baseStage=base, **PAIRS).fit(TABLE)
    assert model.transform(TABLE)["d"].to_pylist() == ["q!", "q!", "P!"]
    with pytest.raises(
        InvalidParamError, match="UDFTransformer: param `udf` cannot be saved: the function is a lambda"
    ):
        model.save(str(tmp_path / "refused"))
    model.save(str(tmp_path / "model"), allow_pickle=True)
    with pytest.raises(IoError, match="UDFTransformer: param `udf` is a pickle"):
        MultiColumnAdapterModel.load(str(tmp_path / "model"))
    loaded = MultiColumnAdapterModel.load(str(tmp_path / "model"), allow_pickle=True)
    assert loaded.transform(TABLE)["c"].to_pylist() == ["X!", "Y!", "X!"]


@pytest.mark.spark
def test_names_are_found_whatever_their_case(spark):
    df = spark.createDataFrame(TABLE)
    adapter = MultiColumnAdapter(baseStage=ValueIndexer(), inputCols=["A", "B"], outputCols=["c", "d"])
    made = adapter.fit(df).transform(df)
    assert made.columns == ["a", "b", "n", "c", "d"]
    assert sorted((r.c, r.d) for r in made.collect()) == [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    with pytest.raises(SchemaMismatchError, match="column `N` already exists"):
        adapter.copy().setOutputCols(["c", "N"]).fit(df)


@pytest.mark.spark
def test_native_copies_are_one_pass(spark):
    from mmlrs.engine.spark import lineage_of

    df = spark.createDataFrame(TABLE)
    made = MultiColumnAdapter(baseStage=UnicodeNormalize(), **PAIRS).fit(df).transform(df)
    assert set(lineage_of(made)) == {"c", "d"}


@pytest.mark.spark
def test_stages_of_spark_are_adapted_too_on_tables_as_well(spark, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.feature import StringIndexer, Tokenizer

    df = spark.createDataFrame(TABLE)
    base = StringIndexer(stringOrderType="alphabetAsc")
    indexing = MultiColumnAdapter(baseStage=base, **PAIRS)
    splitting = MultiColumnAdapter(baseStage=Tokenizer(), inputCols=["a", "b"], outputCols=["s", "t"])
    expected = [
        {"a": "X", "b": "P", "n": 3, "c": 0.0, "d": 0.0, "s": ["x"], "t": ["p"]},
        {"a": "X", "b": "q", "n": 1, "c": 0.0, "d": 1.0, "s": ["x"], "t": ["q"]},
        {"a": "Y", "b": "q", "n": 2, "c": 1.0, "d": 1.0, "s": ["y"], "t": ["q"]},
    ]
    model = Pipeline(stages=[indexing, splitting]).fit(df)
    assert not base.isSet("inputCol")
    model.save(str(tmp_path / "model"))
    for ready in (model, PipelineModel.load(str(tmp_path / "model"))):
        assert [r.asDict() for r in ready.transform(df).sort("a", "b").collect()] == expected
    made = indexing.fit(TABLE).transform(splitting.fit(TABLE).transform(TABLE))
    assert (
        made.select(list(expected[0])).sort_by([("a", "ascending"), ("b", "ascending")]).to_pylist()
        == expected
    )
