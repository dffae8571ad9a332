"""Tokens equal those of the `tokenizers` package, whatever the vocabulary and the script."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minilm import EXPECTED, TOKENIZER
from pyarrow import parquet
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from mmlrs.errors import InvalidParamError, IoError, MmlrsError, ModelLoadError
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_text_model, sample_tokenizer
from mmlrs.text import HuggingFaceTokenizer

TEXTS = parquet.read_table(EXPECTED)["text"].to_pylist()


def byte_level() -> bytes:
    """Byte pairs, split by the regular expression of GPT-2, which looks ahead."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer.to_str().encode()


def unigram() -> bytes:
    """Unigrams of SentencePiece, as XLM-R and T5 have them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=300, show_progress=False, special_tokens=special, unk_token="<unk>"
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer.to_str().encode()


FILES = {
    "sample": sample_tokenizer(),
    "wordpiece": TOKENIZER.read_bytes(),
    "bytelevel": byte_level(),
    "unigram": unigram(),
}


def tokens(texts, **params):
    """The lists of ids, masks and types."""
    stage = HuggingFaceTokenizer(inputCol="text", tokenTypeIdsCol="token_type_ids", **params)
    out = stage.transform(pa.table({"text": pa.array(texts, pa.string())}))
    return [out[n].to_pylist() for n in ("input_ids", "attention_mask", "token_type_ids")]


def reference(content, texts, *, max_length=None, pad_to=None, special=True):
    tokenizer = Tokenizer.from_str(content.decode())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length is not None:
        tokenizer.enable_truncation(max_length)
    if pad_to is not None:
        tokenizer.enable_padding(length=pad_to)
    encoded = [tokenizer.encode(text, add_special_tokens=special) for text in texts]
    return [[e.ids for e in encoded], [e.attention_mask for e in encoded], [e.type_ids for e in encoded]]


@pytest.mark.parametrize("name", FILES)
def test_tokens_are_those_of_the_tokenizers_package(name):
    got = tokens(TEXTS, tokenizer=FILES[name], maxLength=100_000)
    assert got == reference(FILES[name], TEXTS)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_tokens_of_any_text_are_those_of_the_tokenizers_package(name, texts):
    got = tokens(texts, tokenizer=FILES[name], maxLength=12)
    assert got == reference(FILES[name], texts, max_length=12)


@pytest.mark.parametrize("special", [True, False])
def test_padding_and_special_tokens_are_those_of_the_tokenizers_package(special):
    got = tokens(
        TEXTS,
        tokenizer=FILES["wordpiece"],
        maxLength=20,
        padding="max_length",
        addSpecialTokens=special,
    )
    assert got == reference(FILES["wordpiece"], TEXTS, max_length=20, pad_to=20, special=special)
    assert {len(row) for part in got for row in part} == {20}


def test_texts_stay_whole_without_truncation_and_are_filled_up_all_the_same():
    params = {"tokenizer": FILES["wordpiece"], "maxLength": 20, "padding": "max_length", "truncation": False}
    assert tokens(TEXTS, **params) == reference(FILES["wordpiece"], TEXTS, pad_to=20)


def test_the_length_is_that_of_the_file_and_its_own_padding_is_not_applied():
    (ids, _, _) = tokens(TEXTS, tokenizer=TOKENIZER)
    assert max(map(len, ids)) == 128
    assert min(map(len, ids)) == 2


def test_a_path_and_the_bytes_of_the_file_are_the_same_tokenizer():
    assert tokens(TEXTS, tokenizer=str(TOKENIZER)) == tokens(TEXTS, tokenizer=TOKENIZER.read_bytes())


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(FILES["sample"])
    first = tokens(["cat"], tokenizer=path)
    path.write_bytes(FILES["wordpiece"])
    assert tokens(["cat"], tokenizer=path) != first


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_every_kind_of_arrow_text_is_read(kind):
    table = pa.table({"text": pa.array(["x", "a cat", "sat"], kind).slice(1)})
    out = HuggingFaceTokenizer(inputCol="text", tokenizer=FILES["sample"]).transform(table)
    assert out["input_ids"].to_pylist() == reference(FILES["sample"], ["a cat", "sat"])[0]
    assert out["input_ids"].type == pa.list_(pa.int64())


def test_onnx_model_finds_the_columns_by_their_names():
    table = pa.table({"text": ["The cat sat", "a dog", "a cat"]})
    with_tokens = HuggingFaceTokenizer(inputCol="text", tokenizer=sample_tokenizer()).transform(table)
    out = ONNXModel(model=sample_text_model()).transform(with_tokens)
    assert [np.shape(v) for v in out["last_hidden_state"].to_pylist()] == [(5, 8), (4, 8), (4, 8)]


def test_a_million_characters_are_cut_and_whole_when_asked_for():
    texts = ["cat " * 250_000, "x" * 1_000_000, "\u0301" * 500_000, " " * 1_000_000]
    (ids, _, _) = tokens(texts, tokenizer=FILES["wordpiece"], maxLength=64)
    assert [len(row) for row in ids] == [64, 3, 2, 2], "a word too long is one unknown; accents go"
    assert len(tokens(texts[:1], tokenizer=FILES["wordpiece"], truncation=False)[0][0]) == 250_002
    assert tokens(texts, tokenizer=FILES["bytelevel"], maxLength=64) == reference(
        FILES["bytelevel"], texts, max_length=64
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe\x00",
        b"null",
        FILES["wordpiece"][:1000],
        FILES["sample"].replace(b'"WordPiece"', b'"NoSuchModel"'),
        json.dumps({**json.loads(FILES["sample"]), "model": {"type": "WordPiece"}}).encode(),
    ],
)
def test_a_damaged_file_is_one_clear_error(content):
    with pytest.raises(
        ModelLoadError, match=r"HuggingFaceTokenizer: .* is not a tokenizer\.json, or is damaged"
    ):
        tokens(["a"], tokenizer=content)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(IoError, match="no_such_file"):
        tokens(["a"], tokenizer=tmp_path / "no_such_file.json")
    with pytest.raises(MmlrsError, match=r"is a folder; a tokenizer is the tokenizer\.json in it"):
        tokens(["a"], tokenizer=tmp_path)


def test_a_length_without_room_for_the_text_and_padding_to_no_length_are_errors():
    with pytest.raises(InvalidParamError, match="`maxLength` must be greater than 2"):
        tokens(["a"], tokenizer=FILES["sample"], maxLength=2)
    with pytest.raises(InvalidParamError, match='`maxLength` must be set for padding "max_length"'):
        tokens(["a"], tokenizer=FILES["sample"], padding="max_length")
