"""Java's regular expressions as tokenizer patterns, and the maps and lengths of the other stages of text."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
from checks import answered, each, rows_kept
from mutate import text

from mmlrs.text import MultiNGram, PageSplitter, TextFeaturizer, TextPreprocessor, UnicodeNormalize

BATCH = 32
SHORT = 64

_PATTERNS = [
    r"\s+", r"\W+", r"[^\p{L}\p{N}]+", r"(?<=[a-z])(?=[A-Z])", r"(\w)\1", r"[a-z&&[^aeiou]]+", r"\Qa.b\E", r"(?i)the|an?",
    r"(?<name>x)\k<name>", r"[\x{1F600}-\x{1F64F}]", r"\p{IsGreek}", r"\p{javaLowerCase}", r"a{2,5}+b*?", r"(?>a+)b",
    r"\R|\h|\v|\X", r"(a+)+$", r"((a|b)*c){10}", r"[[a-c]x-z]", r"^$", r"(?m)^.", r"\u0041|\x41|\0101|\cA", r"(?x) a b # c",
    r"\b", r"\G.", r"(.*)(.*)(.*)(.*)x", r"(?=(a*))\1b", r"[^", r"a{1000}{1000}", r"\p{Lu}{200}", "",
]  # fmt: skip
_WORDS = [
    "the Quick brown fox",
    "",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
    "a.b ß İ ǆ 𝒳 e\u0301",
    "\0\t\n\r\u2028",
    "x" * 3000,
    "ab " * 700,
]


def item(rng: random.Random) -> Any:
    """A stage, one of its patterns, and texts."""
    pattern = rng.choice(_PATTERNS)
    for _ in range(rng.choice([0, 1, 1, 2])):
        pattern = text(rng, pattern) if rng.random() < 0.6 else pattern + rng.choice(_PATTERNS)
    texts = [text(rng, rng.choice(_WORDS)) for _ in range(3)]
    return rng.randrange(5), _clean(pattern), [_clean(t) for t in texts], rng.getrandbits(32)


def _clean(value: str) -> str:
    return value.encode(errors="replace").decode()


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    which, pattern, texts, seed = given
    rng = random.Random(seed)
    table = pa.table({"text": [*_WORDS[:2], *texts, None]})
    kept = {"handleInvalid": "keep", "errorCol": "why"}
    match which:
        case 0:
            gaps = rng.random() < 0.5
            stage = TextFeaturizer(
                inputCol="text",
                outputCol="o",
                useTokenizer=True,
                tokenizerGaps=gaps,
                tokenizerPattern=pattern,
                **kept,
            )
            model = answered(lambda: stage.fit(table))
            if model is not None:
                alone = model.transform(table.slice(0, 1))["o"].to_pylist()
                rows_kept(model, table, {0: alone}, ["o"], "why")
            return
        case 1:
            keys = [
                key[:300] for key in (pattern, *rng.sample(texts, 2), "a")
            ]  # long ones take seconds to search for
            made = {k: rng.choice(texts) for k in keys if rng.random() < 0.7}
            norm = rng.choice(["identity", "lowerCase", "upperCase"])
            stage = TextPreprocessor(inputCol="text", outputCol="o", map=made, normFunc=norm, **kept)
        case 2:
            length = rng.choice([1, 2, 7, 5000, 2**31 - 1, 2**53])
            stage = PageSplitter(
                inputCol="text", outputCol="o", maximumPageLength=length, minimumPageLength=rng.choice([1, length]),
                boundaryRegex=pattern, **kept,
            )  # fmt: skip
        case 3:
            form = rng.choice(["NFC", "NFD", "NFKC", "NFKD"])
            stage = UnicodeNormalize(
                inputCol="text", outputCol="o", form=form, lower=rng.random() < 0.5, **kept
            )
        case _:
            tokens = pa.array([t.split(" ") if t is not None else None for t in table["text"].to_pylist()])
            table = table.append_column("tokens", tokens)
            lengths = [rng.choice([1, 2, 3, 1000, 2**31, 2**62]) for _ in range(3)]
            stage = MultiNGram(inputCol="tokens", outputCol="o", lengths=lengths, **kept)
    alone = answered(lambda: stage.transform(table.slice(0, 1)))
    if alone is not None:
        rows_kept(stage, table, {0: [alone["o"][0].as_py()]}, ["o"], "why")
