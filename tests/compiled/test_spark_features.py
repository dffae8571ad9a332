"""Compiled feature transformers of Spark ML give what the originals give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from parity import check

import mmlrs
from mmlrs.errors import MmlrsError

pytest.importorskip("pyspark")

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml import feature as F
from pyspark.ml.linalg import SparseVector, Vectors, VectorUDT
from pyspark.sql.types import DoubleType, StructField, StructType

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def words(spark: Any) -> Any:
    rows = [
        ("b", "x", 1.0, 3, 2.5),
        ("a", "y", 2.0, 1, 1.0),
        ("b", None, float("nan"), 3, -7.25),
        ("c", "y", 2.0, None, 0.0),
    ]
    return spark.createDataFrame(rows, "city string, kind string, number double, count int, odd double")


@pytest.fixture(scope="module")
def vectors(spark: Any) -> Any:
    rows = []
    for i in range(40):
        values = np.round(RNG.normal(size=5), 2) * (RNG.random(5) < 0.6)
        values[3] = 1.5
        values[4] = abs(values[4])
        places = np.flatnonzero(values)
        rows.append(
            (Vectors.dense(values) if i % 2 else SparseVector(5, places, values[places]), float(i % 3))
        )
    rows.append((Vectors.dense([0.0] * 5), 0.0))
    return spark.createDataFrame(rows, ["v", "label"])


@pytest.mark.parametrize("policy", ["error", "keep", "skip"])
def test_string_indexer(words: Any, policy: str) -> None:
    model = F.StringIndexer(
        inputCols=["city", "number"], outputCols=["index", "index2"], handleInvalid=policy
    ).fit(words.na.drop())
    data = words if policy != "error" else words.na.drop()
    check(model, data)


def test_numbers_are_labels_by_their_value(spark: Any) -> None:
    values = [8.8624192728684912e16, 3.0, -0.0, 0.0, 1e22, 5e-324, 12345678.9, 2.0]
    doubles = spark.createDataFrame([(v,) for v in values], "x double").coalesce(1)
    check(F.StringIndexer(inputCol="x", outputCol="index").fit(doubles), doubles)
    floats = spark.createDataFrame(
        [(float(np.float32(v)),) for v in (1e9 / 3, 2e7, 0.1, 16777216.0)], "x float"
    )
    check(F.StringIndexer(inputCol="x", outputCol="index").fit(floats), floats)
    whole = F.StringIndexer(inputCol="i", outputCol="index").fit(
        spark.createDataFrame([(3,), (3,), (4,)], "i int")
    )
    # A missing value in a column of pandas turns integers into doubles.
    indexed = mmlrs.compile(whole).transform(pa.table({"i": [4.0, 3.0]}))
    assert indexed["index"].to_pylist() == [1.0, 0.0]
    again = mmlrs.compile(
        F.StringIndexer(inputCol="x", outputCol="index").fit(doubles.where("x = 3 OR x = 2"))
    )
    assert again.predict_one({"x": 3}) == again.predict_one({"x": 3.0})


def test_an_unseen_label_is_an_error_that_names_stage_column_row_and_value(words: Any) -> None:
    model = mmlrs.compile(F.StringIndexer(inputCol="city", outputCol="index").fit(words))
    with pytest.raises(
        MmlrsError,
        match=r'^StringIndexerModel: column `city`, row 1 of the table: has the value "z", which did not',
    ):
        model.transform(pa.table({"city": ["a", "z"]}))
    with pytest.raises(MmlrsError, match="column `city`, row 0 of the table: is null"):
        model.transform(pa.table({"city": pa.array([None], pa.string())}))


def test_index_to_string(words: Any) -> None:
    indexer = F.StringIndexer(inputCol="city", outputCol="i")
    check(Pipeline(stages=[indexer, F.IndexToString(inputCol="i", outputCol="again")]).fit(words), words)
    named = F.IndexToString(inputCol="i", outputCol="again", labels=["x", "y", "z"])
    check(Pipeline(stages=[indexer, named]).fit(words), words)


@pytest.mark.parametrize("policy", ["error", "keep"])
@pytest.mark.parametrize("drop", [True, False])
def test_one_hot_encoder(spark: Any, policy: str, drop: bool) -> None:
    df = spark.createDataFrame([(0.0, 1), (2.0, 0), (1.0, 3)], "a double, b int")
    model = F.OneHotEncoder(
        inputCols=["a", "b"], outputCols=["x", "y"], dropLast=drop, handleInvalid=policy
    ).fit(df)
    odd = spark.createDataFrame([(0.5, 1), (7.0, -1)], "a double, b int")
    nulls = spark.createDataFrame([(None, 1), (1.0, None)], "a double, b int")
    check(model, df.union(nulls) if policy == "error" else df.union(odd).union(nulls))
    if policy == "error":
        with pytest.raises(
            MmlrsError, match=r"^OneHotEncoderModel: column `a`, row 0 of the table: has the value 9.0"
        ):
            mmlrs.compile(model).transform(pa.table({"a": [9.0], "b": [1]}))


@pytest.mark.parametrize("policy", ["error", "keep", "skip"])
def test_vector_assembler(words: Any, vectors: Any, policy: str) -> None:
    stage = F.VectorAssembler(inputCols=["number", "count", "odd"], outputCol="out", handleInvalid=policy)
    check(PipelineModel([stage]), words if policy != "error" else words.na.drop())
    if policy != "keep":  # which needs the size of the vectors in their metadata
        check(
            F.VectorAssembler(inputCols=["v", "label", "v"], outputCol="out", handleInvalid=policy), vectors
        )


def test_vectors_with_nan_pass_the_assembler(spark: Any) -> None:
    df = spark.createDataFrame([(Vectors.dense([float("nan"), 1.0]),)], ["v"])
    check(F.VectorAssembler(inputCols=["v", "v"], outputCol="out"), df)


def test_slices_and_size_hints(vectors: Any) -> None:
    check(F.VectorSlicer(inputCol="v", outputCol="out", indices=[4, 0, 3]), vectors)
    check(F.VectorSizeHint(inputCol="v", size=5), vectors)
    check(
        PipelineModel(
            [F.VectorSizeHint(inputCol="v", size=5), F.VectorSlicer(inputCol="v", outputCol="o", indices=[1])]
        ),
        vectors,
    )
    check(
        PipelineModel(
            [
                F.VectorSizeHint(inputCol="v", size=4, handleInvalid="optimistic"),
                F.VectorSlicer(inputCol="v", outputCol="o", indices=[1]),
            ]
        ),
        vectors,
    )
    hint = mmlrs.compile(
        PipelineModel([F.VectorSizeHint(inputCol="v", size=4), F.Normalizer(inputCol="v", outputCol="o")])
    )
    with pytest.raises(MmlrsError, match="has a vector of size 5; the fitted stage needs 4"):
        hint.transform(pa.table({"v": [[1.0] * 5]}))


def test_missing_vectors_have_the_size_of_their_hint(spark: Any) -> None:
    rows = [(None, 1.0), (Vectors.sparse(3, [1], [2.0]), None), (Vectors.dense([1.0, 2.0, 3.0]), 2.0)]
    types = StructType([StructField("v", VectorUDT()), StructField("x", DoubleType())])
    df = spark.createDataFrame(rows, types)
    hint = F.VectorSizeHint(inputCol="v", size=3, handleInvalid="optimistic")
    assembler = F.VectorAssembler(inputCols=["v", "x"], outputCol="out", handleInvalid="keep")
    check(PipelineModel([hint, assembler]), df, on_spark=True)
    check(PipelineModel([hint, assembler]), df.limit(1))
    sized = mmlrs.compile(PipelineModel([hint, assembler])).transform(
        pa.table({"v": pa.array([None], pa.list_(pa.float64())), "x": [1.0]})
    )
    values = mmlrs.to_numpy(sized["out"])
    assert np.isnan(values[0, :3]).all()
    assert values[0, 3] == 1.0
    check(hint, df)
    unsized = mmlrs.compile(assembler)
    with pytest.raises(
        MmlrsError, match=r"column `v`, row 0.*: is null in the whole batch.*set `vectorSizes`"
    ):
        unsized.transform(pa.table({"v": pa.array([None], pa.list_(pa.float64())), "x": [1.0]}))


@pytest.mark.parametrize("policy", ["error", "keep", "skip"])
def test_vector_indexer(spark: Any, policy: str) -> None:
    rows = [(Vectors.dense([float(i % 3) - 1.0, i / 7, float(5 * (i % 2))]),) for i in range(20)]
    rows += [(Vectors.sparse(3, [1], [0.5]),), (Vectors.sparse(3, [0, 2], [-1.0, 5.0]),)]
    df = spark.createDataFrame(rows, ["v"])
    model = F.VectorIndexer(inputCol="v", outputCol="out", maxCategories=4, handleInvalid=policy).fit(df)
    assert sorted(model.categoryMaps) == [0, 2]
    odd = [(Vectors.dense([7.0, 0.1, -0.0]),), (Vectors.dense([-0.0, 0.1, float("nan")]),)]
    odd += [(Vectors.sparse(3, [0], [7.0]),)]
    check(model, df if policy == "error" else df.union(spark.createDataFrame(odd, ["v"])))
    if policy == "error":
        with pytest.raises(
            MmlrsError,
            match=r"^VectorIndexerModel: column `v`, row 1 of the table: has the unknown category 7.0 in slot 0",
        ):
            mmlrs.compile(model).transform(pa.table({"v": [[0.0, 1.0, 5.0], [7.0, 1.0, 5.0]]}))
    with pytest.raises(
        MmlrsError, match="row 0 of the table: has a vector of size 2; the fitted stage needs 3"
    ):
        mmlrs.compile(model).transform(pa.table({"v": [[0.0, 1.0]]}))


@pytest.mark.parametrize("strategy", ["mean", "median", "mode"])
def test_imputer(words: Any, strategy: str) -> None:
    model = F.Imputer(inputCols=["number", "count"], outputCols=["x", "y"], strategy=strategy).fit(words)
    check(model, words)
    odd = F.Imputer(inputCol="odd", outputCol="x", missingValue=2.5, strategy=strategy).fit(words)
    check(odd, words)


@pytest.mark.parametrize("policy", ["error", "keep", "skip"])
def test_buckets(spark: Any, policy: str) -> None:
    values = [(-0.0, 1.0), (0.0, 2.0), (-5.0, 0.5), (10.0, 3.0), (3.0, None)]
    nan = [(float("nan"), 1.0)]
    df = spark.createDataFrame(values if policy == "error" else values + nan, "a double, b double")
    stage = F.Bucketizer(
        inputCols=["a", "b"], outputCols=["bucket", "bucket2"], handleInvalid=policy,
        splitsArray=[[-float("inf"), 0.0, 3.0, 10.0], [0.0, 1.0, 2.0, 4.0]],
    )  # fmt: skip
    check(stage, df if policy != "error" else df.na.drop())
    check(
        F.QuantileDiscretizer(inputCol="a", outputCol="bucket", numBuckets=3, handleInvalid=policy).fit(df),
        df,
    )
    with pytest.raises(MmlrsError, match=r"has the value 9.0, which is outside the buckets from 0.0 to 4.0"):
        mmlrs.compile(F.Bucketizer(inputCol="a", outputCol="bucket", splits=[0.0, 4.0])).transform(
            pa.table({"a": [9.0]})
        )


def test_binarizer(words: Any, vectors: Any) -> None:
    check(F.Binarizer(inputCol="odd", outputCol="out", threshold=1.0), words)
    nulls = words.selectExpr("cast(count AS double) AS count")
    check(F.Binarizer(inputCol="count", outputCol="out", threshold=1.0), nulls)
    check(F.Binarizer(inputCols=["odd", "number"], outputCols=["o", "p"], thresholds=[0.0, 1.5]), words)
    for threshold in (0.0, 1.0, -0.5):
        check(F.Binarizer(inputCol="v", outputCol="out", threshold=threshold), vectors)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, float("inf")])
def test_normalizer(vectors: Any, p: float) -> None:
    check(F.Normalizer(inputCol="v", outputCol="out", p=p), vectors)


def test_scalers(vectors: Any) -> None:
    estimators: list[Any] = [
        F.StandardScaler(inputCol="v", outputCol="out"),
        F.StandardScaler(inputCol="v", outputCol="out", withMean=True),
        F.StandardScaler(inputCol="v", outputCol="out", withMean=True, withStd=False),
        F.StandardScaler(inputCol="v", outputCol="out", withStd=False),
        F.MinMaxScaler(inputCol="v", outputCol="out"),
        F.MinMaxScaler(inputCol="v", outputCol="out", min=-2.0, max=3.0),
        F.MaxAbsScaler(inputCol="v", outputCol="out"),
        F.RobustScaler(inputCol="v", outputCol="out"),
        F.RobustScaler(inputCol="v", outputCol="out", withCentering=True, withScaling=False),
    ]
    for estimator in estimators:
        check(estimator.fit(vectors), vectors)


def test_expansions_projections_and_selections(vectors: Any) -> None:
    for degree in (1, 2, 3):
        check(F.PolynomialExpansion(inputCol="v", outputCol="out", degree=degree), vectors)
    check(F.PCA(inputCol="v", outputCol="out", k=3).fit(vectors), vectors)
    selector = F.UnivariateFeatureSelector(
        featuresCol="v", outputCol="out", labelCol="label", selectionMode="numTopFeatures"
    )
    selector.setFeatureType("continuous").setLabelType("categorical").setSelectionThreshold(3)
    check(selector.fit(vectors), vectors)
    check(F.VarianceThresholdSelector(featuresCol="v", outputCol="out").fit(vectors), vectors)
    flags = F.Binarizer(inputCol="v", outputCol="flags").transform(vectors)
    check(
        F.ChiSqSelector(featuresCol="flags", outputCol="out", labelCol="label", numTopFeatures=2).fit(flags),
        flags,
    )


def test_an_expansion_of_infinities(spark: Any) -> None:
    df = spark.createDataFrame(
        [(Vectors.dense([0.0, float("inf"), -2.0]),), (Vectors.sparse(3, [1], [1e200]),)], ["v"]
    )
    check(F.PolynomialExpansion(inputCol="v", outputCol="out", degree=3), df)


def test_texts(spark: Any) -> None:
    texts = ["Hi I heard  about Spark", "", " leading space", "A a A b", "ÅSA Σοφός ΣΟΦΟΣ the the I"]
    df = spark.createDataFrame([(t,) for t in texts], ["text"])
    stages: list[Any] = [
        F.Tokenizer(inputCol="text", outputCol="tokens"),
        F.RegexTokenizer(
            inputCol="text",
            outputCol="words",
            pattern=r"\w+",
            gaps=False,
            minTokenLength=2,
            toLowercase=False,
        ),
        F.StopWordsRemover(inputCols=["tokens", "words"], outputCols=["tokens2", "words2"]),
        F.StopWordsRemover(inputCol="words", outputCol="words3", stopWords=["I"], caseSensitive=True),
        F.NGram(inputCol="tokens2", outputCol="tokens3", n=2),
        F.HashingTF(inputCol="tokens3", outputCol="tf", numFeatures=50),
        F.HashingTF(inputCol="tokens", outputCol="tf2", numFeatures=64, binary=True),
        F.CountVectorizer(inputCol="tokens", outputCol="counts"),
        F.CountVectorizer(inputCol="tokens", outputCol="counts2", minTF=2.0, vocabSize=3, binary=True),
        F.CountVectorizer(inputCol="tokens", outputCol="counts3", minTF=0.4),
        F.IDF(inputCol="tf", outputCol="idf"),
        F.IDF(inputCol="counts", outputCol="idf2", minDocFreq=2),
    ]
    check(Pipeline(stages=stages).fit(df), df, on_spark=True)


def test_feature_hasher(spark: Any) -> None:
    rows = [(2.2, True, "1", "foo", 5), (3.3, False, None, "bar", 6), (0.0, None, "3", "é", None)]
    df = spark.createDataFrame(rows, "real double, bool boolean, text string, word string, count int")
    names = ["real", "bool", "text", "word", "count"]
    check(F.FeatureHasher(inputCols=names, outputCol="out"), df)
    check(
        F.FeatureHasher(inputCols=names, outputCol="out", numFeatures=7, categoricalCols=["real", "count"]),
        df,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT city, odd AS other FROM __THIS__",
        "select odd as `a b`, city from __THIS__",
        "SELECT *, odd AS again FROM __THIS__",
        "SELECT odd AS number, number AS odd FROM __THIS__",
        "SELECT * FROM __THIS__",
    ],
)
def test_sql_that_selects_and_renames(words: Any, statement: str) -> None:
    stages = [
        F.SQLTransformer(statement=statement),
        F.SQLTransformer(statement="SELECT *, 1 AS one FROM __THIS__"),
    ]
    if statement != "SELECT * FROM __THIS__":
        check(stages[0], words)
    with pytest.raises(
        MmlrsError,
        match=r"stage 2 of 2 of the pipeline, the SQLTransformer .* cannot be compiled: its statement",
    ):
        mmlrs.compile(PipelineModel(stages))
