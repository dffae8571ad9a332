"""Files of tokenizers with other models, vocabularies, splits and special tokens."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

import pyarrow as pa
from checks import Broken, each
from mutate import changed, damaged

from mmlrs.testing import sample_text_model, sample_tokenizer
from mmlrs.text import HuggingFaceTokenizer, TextEmbedder

BATCH = 32
SHORT = 256

_WORDS = [
    "the",
    "cat",
    "sat",
    "a",
    "##s",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[PAD]",
    "<s>",
    "</s>",
    "t",
    "h",
    "e",
    "c",
    "th",
    "ca",
]
_VOCABULARY = {word: i for i, word in enumerate(_WORDS)}
_ADDED = [
    {"id": 5, "content": "[UNK]", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True},
    {"id": 8, "content": "[PAD]", "single_word": True, "lstrip": True, "rstrip": True, "normalized": True, "special": True},
]  # fmt: skip
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_MODELS: list[Any] = [
    {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": _VOCABULARY},
    {"type": "WordLevel", "vocab": _VOCABULARY, "unk_token": "[UNK]"},
    {"type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": _VOCABULARY, "merges": [["t", "h"], ["c", "a"]]},
    {"type": "Unigram", "unk_id": 5, "vocab": [[word, -1.0 - i] for i, word in enumerate(_WORDS)], "byte_fallback": False},
]  # fmt: skip
_NORMALIZERS: list[Any] = [
    None,
    {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"},
    {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="},
    {"type": "Precompiled", "precompiled_charsmap": "////fwAAAAA="},
    {"type": "Prepend", "prepend": "\u2581"},
    {"type": "Strip", "strip_left": True, "strip_right": True},
]
_SPLITS: list[Any] = [
    None,
    {"type": "BertPreTokenizer"},
    {"type": "Whitespace"},
    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    {"type": "Split", "pattern": {"Regex": _GPT2}, "behavior": "Isolated", "invert": False},
    {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": True},
    {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "MergedWithNext"}]},
    {"type": "FixedLength", "length": 2},
]  # fmt: skip
_LAST: list[Any] = [
    None,
    {"type": "BertProcessing", "sep": ["[SEP]", 7], "cls": ["[CLS]", 6]},
    {
        "type": "RobertaProcessing",
        "sep": ["</s>", 10],
        "cls": ["<s>", 9],
        "trim_offsets": True,
        "add_prefix_space": True,
    },
    {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [6], "tokens": ["[CLS]"]}},
    },
]
_TRUNCATION = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
_PADDING = {
    "strategy": {"Fixed": 8},
    "direction": "Left",
    "pad_to_multiple_of": 4,
    "pad_id": 8,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}
_TEXTS = [
    "the cat sat",
    "",
    "The Cats  sat, 12 times!",
    "e\u0301 ß 𝒳 \0\u200d",
    "a" * 3000,
    "x " * 400,
    None,
    " ",
    "[CLS]<s>[PAD]",
]


def item(rng: random.Random) -> Any:
    """The content of a file, and how it is used."""
    if rng.random() < 0.1:
        content = damaged(_samples()[rng.randrange(2)], rng)
    else:
        file = {
            "version": "1.0",
            "truncation": rng.choice([None, None, _TRUNCATION]),
            "padding": rng.choice([None, None, _PADDING]),
            "added_tokens": rng.choice([[], _ADDED]),
            "normalizer": rng.choice(_NORMALIZERS),
            "pre_tokenizer": rng.choice(_SPLITS),
            "post_processor": rng.choice(_LAST),
            "decoder": None,
            "model": rng.choice(_MODELS),
        }
        content = json.dumps(file if rng.random() < 0.1 else changed(file, rng, _WORDS)).encode()
    length = rng.choice([None, 1, 2, 3, 8, 2**31, 2**62])
    return content, length, rng.random() < 0.3, rng.random() < 0.7, rng.random() < 0.15


@lru_cache
def _samples() -> list[bytes]:
    return [sample_tokenizer(), sample_text_model()]


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    content, length, pad, special, embed = given
    table = pa.table({"text": _TEXTS})
    kept = {"handleInvalid": "keep", "errorCol": "why"}
    if embed:
        made = TextEmbedder(
            inputCol="text",
            outputCol="v",
            model=sample_text_model(),
            tokenizer=content,
            maxLength=length,
            **kept,
        ).transform(table)
    else:
        stage = HuggingFaceTokenizer(
            inputCol="text", tokenizer=content, addSpecialTokens=special, truncation=rng_of(content), **kept
        )
        if length is not None:
            stage.setMaxLength(length)
        if pad and length is not None and length < 100:
            stage.setPadding("max_length")
        made = stage.transform(table)
    if made.num_rows != table.num_rows or any(
        "internal error" in why for why in made["why"].to_pylist() if why
    ):
        raise Broken(f"rows or reasons are wrong: {made['why'].to_pylist()}")


def rng_of(content: bytes) -> bool:
    return len(content) % 2 == 0
