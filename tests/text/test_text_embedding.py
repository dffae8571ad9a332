"""Embeddings equal those that sentence-transformers makes, and depend on nothing but the text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from minilm import EXPECTED, TOKENIZER, minilm
from networks import network, node, reference, value
from onnx import TensorProto
from pyarrow import parquet
from tokenizers import Tokenizer

from mmlrs.errors import InvalidParamError, MmlrsError, ModelLoadError
from mmlrs.testing import sample_model, sample_text_model, sample_tokenizer
from mmlrs.text import TextEmbedder

EXPECTED_TABLE = parquet.read_table(EXPECTED)
TEXTS = EXPECTED_TABLE["text"].to_pylist()
VECTORS = np.array(EXPECTED_TABLE["embedding"].to_pylist(), np.float32)
#: The length that sentence-transformers reads from sentence_bert_config.json; the tokenizer.json says 128.
LENGTH = 256


def embedder(**params):
    given = {"model": minilm(), "tokenizer": TOKENIZER, "maxLength": LENGTH, "device": "cpu", **params}
    return TextEmbedder(inputCol="text", outputCol="vector", **given)


def vectors(texts, **params):
    table = embedder(**params).transform(pa.table({"text": pa.array(texts, pa.string())}))
    return np.array(table["vector"].to_pylist(), np.float32)


def close(got, expected, atol=1e-5):
    np.testing.assert_allclose(got, expected, rtol=0, atol=atol)


def test_embeddings_equal_those_of_sentence_transformers():
    close(vectors(TEXTS), VECTORS)


def test_the_order_of_the_rows_and_the_size_of_the_runs_change_nothing():
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = [TEXTS[i] for i in order]
    for rows in (1, 5):
        close(vectors(shuffled, miniBatchSize=rows), VECTORS[order])


def test_the_split_into_batches_changes_nothing():
    table = pa.table({"text": pa.chunked_array([TEXTS[:1], TEXTS[1:7], [], TEXTS[7:]], pa.string())})
    close(np.array(embedder().transform(table)["vector"].to_pylist()), VECTORS)


def test_embeddings_on_spark_are_those_on_a_table(spark):
    from pyspark.ml.functions import vector_to_array

    df = spark.createDataFrame(list(enumerate(TEXTS)), "i long, text string").repartition(3)
    out = embedder().transform(df).select("i", vector_to_array("vector").alias("v")).orderBy("i").collect()
    close(np.array([row["v"] for row in out]), VECTORS)


def test_without_a_length_that_of_the_tokenizer_file_is_used():
    long = [text for text in TEXTS if len(text) > 1000]
    close(vectors(long, maxLength=None), vectors(long, maxLength=128))
    assert np.abs(vectors(long, maxLength=None) - vectors(long)).max() > 1e-3


def test_poolings_and_other_outputs_are_those_of_onnxruntime():
    text = TEXTS[1]
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.no_padding()
    encoded = tokenizer.encode(text)
    feeds = {
        "input_ids": np.array([encoded.ids]),
        "attention_mask": np.array([encoded.attention_mask]),
        "token_type_ids": np.array([encoded.type_ids]),
    }
    states, pooler = reference(minilm_proto(), feeds, ["last_hidden_state", "pooler_output"])
    for pooling, expected in (("mean", states[0].mean(0)), ("cls", states[0][0]), ("max", states[0].max(0))):
        # Beside a longer text, so that there is padding to be left out.
        close(vectors([TEXTS[13], text], pooling=pooling, normalize=False)[1], expected)
    close(vectors([text], outputTensorName="pooler_output", normalize=False)[0], pooler[0])


def minilm_proto():
    import onnx

    return onnx.ModelProto.FromString(minilm())


def test_a_million_characters_have_the_vector_of_their_beginning():
    words = "cat " * 250_000
    close(vectors([words], maxLength=32), vectors([words[:400]], maxLength=32))


def test_nulls_are_bad_rows():
    table = pa.table({"text": ["a", None, ""]})
    params = {"model": sample_text_model(), "tokenizer": sample_tokenizer(), "maxLength": 32}
    with pytest.raises(MmlrsError, match="TextEmbedder: column `text`, row 1 of the table: is null"):
        embedder(**params).transform(table)
    assert embedder(**params, handleInvalid="skip").transform(table).num_rows == 2
    kept = embedder(**params, handleInvalid="keep", errorCol="why").transform(table)
    assert [v is None for v in kept["vector"].to_pylist()] == [False, True, False]
    assert kept["why"].to_pylist() == [None, "is null", None]


def test_more_tokens_than_the_model_has_positions_for_are_an_error_before_anything_runs():
    with pytest.raises(
        InvalidParamError, match="`maxLength` is 600: the model fails on a string of 600 tokens"
    ):
        vectors([], maxLength=600)
    with pytest.raises(InvalidParamError, match="`maxLength` must be greater than 2"):
        vectors([], maxLength=2)


def test_a_damaged_model_and_a_damaged_tokenizer_are_named():
    with pytest.raises(ModelLoadError, match=r"TextEmbedder: .* is not an ONNX model"):
        vectors(["a"], model=minilm()[:1000])
    with pytest.raises(ModelLoadError, match=r"TextEmbedder: .* is not a tokenizer\.json"):
        vectors(["a"], tokenizer=TOKENIZER.read_bytes()[:1000])


# ---- Small models: one vector per token, taken from a table -----------------------------------------------------------

WORDS = np.random.default_rng(1).normal(size=(80, 4)).astype(np.float32)
SAMPLE_TEXTS = ["the cat sat on the mat", "a dog", "", "word word word"]


def looked_up(shape=("N", "S"), kind=TensorProto.INT64, inputs=("input_ids",), nodes=(), outputs=None):
    made = [node("Gather", ["words", "input_ids"], ["last_hidden_state"]), *nodes]
    given = [value(name, list(shape), kind) for name in inputs]
    outputs = outputs or [value("last_hidden_state", [*shape, 4])]
    return network(made, given, outputs, {"words": WORDS}).SerializeToString()


def means():
    tokenizer = Tokenizer.from_str(sample_tokenizer().decode())
    return np.array([WORDS[tokenizer.encode(text).ids].mean(0) for text in SAMPLE_TEXTS])


def small(model, **params):
    return vectors(
        SAMPLE_TEXTS,
        **{"model": model, "tokenizer": sample_tokenizer(), "maxLength": 16, "normalize": False, **params},
    )


def test_a_model_without_a_mask_gets_no_padding():
    close(small(looked_up()), means())


def test_a_model_of_32_bit_numbers_and_positions_is_fed():
    added = [node("Cast", ["position_ids"], ["p"], to=TensorProto.FLOAT)]
    model = looked_up(
        kind=TensorProto.INT32,
        inputs=("input_ids", "attention_mask", "position_ids"),
        nodes=[*added, node("ReduceMax", ["p"], ["last"], axes=[1])],
        outputs=[value("last", ["N", 1])],
    )
    lengths = small(model, outputTensorName="last", miniBatchSize=1)
    assert lengths.ravel().tolist() == [7, 3, 1, 4]


def test_a_model_of_a_fixed_shape_is_fed_rows_filled_up_to_it():
    model = looked_up(shape=(1, 16), inputs=("input_ids", "attention_mask"))
    close(small(model), means())
    close(small(model, maxLength=None), means())
    with pytest.raises(
        InvalidParamError, match="`maxLength` is 17, but the model only accepts strings of 16 tokens"
    ):
        small(model, maxLength=17)


def test_an_embedding_is_taken_as_it_is_and_scaled():
    nodes = [node("ReduceMean", ["last_hidden_state"], ["sentence_embedding"], axes=[1], keepdims=0)]
    outputs = [value("last_hidden_state", ["N", "S", 4]), value("sentence_embedding", ["N", 4])]
    model = looked_up(nodes=nodes, outputs=outputs)
    close(small(model, pooling="max"), means())
    close(small(model, normalize=True), means() / np.linalg.norm(means(), axis=1, keepdims=True))


def test_a_row_that_the_model_fails_on_is_a_bad_row_and_its_neighbours_are_not():
    narrow = network(
        [node("Gather", ["words", "input_ids"], ["last_hidden_state"])],
        [value("input_ids", ["N", "S"], TensorProto.INT64)],
        [value("last_hidden_state", ["N", "S", 4])],
        {"words": WORDS[:9]},
    ).SerializeToString()
    texts = pa.table({"text": ["the cat", "on the mat", "a cat", "dog sat"]})
    params = {"model": narrow, "tokenizer": sample_tokenizer(), "maxLength": 16}
    out = embedder(**params, handleInvalid="keep", errorCol="why").transform(texts)
    assert [v is None for v in out["vector"].to_pylist()] == [False, True, False, False]
    assert "the model failed on 5 tokens" in out["why"][1].as_py()


def test_a_model_that_does_not_read_tokens_is_an_error_that_says_so():
    with pytest.raises(ModelLoadError, match="the model reads `x`, which tokens do not provide"):
        small(sample_model())
    mask_only = network(
        [node("Cast", ["attention_mask"], ["y"], to=TensorProto.FLOAT)],
        [value("attention_mask", ["N", "S"], TensorProto.INT64)],
        [value("y", ["N", "S"])],
    ).SerializeToString()
    with pytest.raises(ModelLoadError, match=r"the model has no input `input_ids`.*`attention_mask`"):
        small(mask_only)
    floats = network(
        [node("Identity", ["input_ids"], ["y"])],
        [value("input_ids", ["N", "S"])],
        [value("y", ["N", "S"])],
    ).SerializeToString()
    with pytest.raises(ModelLoadError, match=r"input `input_ids` is a float32.*expected integers"):
        small(floats)


def test_an_output_of_another_form_is_refused():
    four = [node("Unsqueeze", ["last_hidden_state", "last"], ["four"])]
    model = network(
        [node("Gather", ["words", "input_ids"], ["last_hidden_state"]), *four],
        [value("input_ids", ["N", "S"], TensorProto.INT64)],
        [value("four", ["N", "S", 4, 1])],
        {"words": WORDS, "last": np.array([3])},
    ).SerializeToString()
    with pytest.raises(ModelLoadError, match="no output is a hidden state of shape"):
        small(model)
    with pytest.raises(ModelLoadError, match="output `four` is a float32"):
        small(model, outputTensorName="four")
    with pytest.raises(InvalidParamError, match=r"`outputTensorName` is `nope`.*its outputs are `four`"):
        small(model, outputTensorName="nope")
