"""`TextFeaturizer` gives what Spark ML's five stages give, slot for slot and value for value."""

from __future__ import annotations

import itertools
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml.feature import IDF, HashingTF, NGram, RegexTokenizer, StopWordsRemover, VectorAssembler
from pyspark.sql import functions as F

from mmlrs.testing.checks import collect
from mmlrs.text import TextFeaturizer, TextFeaturizerModel

pytestmark = pytest.mark.spark

ALPHABETS = [
    "abcdefghij",
    "ABCdefÉéÀñßÿ",
    "абвгдеЖЗИЙ",
    "αβγδσςΣΑΒΩΆ",
    "ابتثجحخ",
    "אבגדה",
    "कखगािी्",
    "中文字漢カナはな",
    "e\u0301a\u0308o\u0323",
    "😀🎉𝐀𐐀",
    "0123456789½Ⅳ",
    "İıſKﬁ",
]
GAPS = [
    " ",
    "  ",
    "\t",
    "\n",
    "\u00a0",
    "\u2003",
    ", ",
    "-",
    ".",
    "'",
    "\x0b",
    "\u200d",
    " The ",
    " DE ",
    " и ",
    "_",
]
FIXED = [
    "",
    " ",
    "  leading",
    "trailing  ",
    "\n\n",
    "one",
    "The the THE tHe",
    "a b a b a b",
    "\u00a0",
    "Σ ΑΣ ΑΣ-Α",
]


def documents(n: int, seed: int) -> list[str]:
    """Return texts of random words in several scripts."""
    rng = random.Random(seed)

    def word() -> str:
        alphabet = rng.choice(ALPHABETS)
        return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 5)))

    def text() -> str:
        return "".join(
            rng.choice([word(), rng.choice(GAPS)]) + rng.choice(GAPS) for _ in range(rng.randint(0, 14))
        )

    return [*FIXED, *(text() for _ in range(n))]


def sparse(vectors: pa.ChunkedArray) -> list[tuple[int, list[int], list[float]]]:
    """Return size, indices and values of each vector."""
    return [(v["size"], v["indices"], v["values"]) for v in vectors.to_pylist()]


def side_by_side(vectors) -> tuple[int, list[int], list[float]]:
    """Return one vector with the slots of several."""
    size, slots, values = 0, [], []
    for n, more, weights in vectors:
        slots += [size + slot for slot in more]
        values += weights
        size += n
    return size, slots, values


def flags(n: int) -> list[tuple[bool, ...]]:
    return list(itertools.product((False, True), repeat=n))


class Reference:
    """Spark's columns for many combinations of switches on one DataFrame."""

    def __init__(self, df):
        self.df = df
        self.made: dict[str, str] = {}

    def add(self, key: str, stage, source: str) -> str:
        """Return the column that `stage` makes of `source`, made once."""
        if key not in self.made:
            name = f"c{len(self.made)}"
            stage = stage.setInputCol(source).setOutputCol(name)
            self.df = stage.transform(self.df)
            self.made[key] = name
        return self.made[key]

    def counts(self, switches: dict, source: str) -> str:
        """Return the column of counted terms for the switches of a `TextFeaturizer`."""
        s = {**{p.name: v for p, v in TextFeaturizer().extractParamMap().items()}, **switches}
        key = ""
        if s["useTokenizer"]:
            names = ("tokenizerGaps", "minTokenLength", "tokenizerPattern", "toLowercase")
            key += repr([s[n] for n in names])
            gaps, length, pattern, lower = (s[n] for n in names)
            stage = RegexTokenizer(gaps=gaps, minTokenLength=length, pattern=pattern, toLowercase=lower)
            source = self.add(key, stage, source)
        if s["useStopWordsRemover"]:
            language, case = s["defaultStopWordLanguage"], s["caseSensitiveStopWords"]
            words = (
                s["stopWords"] if language == "custom" else StopWordsRemover.loadDefaultStopWords(language)
            )
            key += repr([language, words[:3], case])
            source = self.add(key, StopWordsRemover(stopWords=words, caseSensitive=case), source)
        if s["useNGram"]:
            key += repr(s["nGramLength"])
            source = self.add(key, NGram(n=s["nGramLength"]), source)
        key += repr([s["binary"], s["numFeatures"]])
        return self.add(key, HashingTF(binary=s["binary"], numFeatures=s["numFeatures"]), source)


def switches() -> list[dict]:
    """Return every combination of the switches but `useIDF`; the other params vary along."""
    combinations = []
    tokenizers = [{"useTokenizer": True, "tokenizerGaps": g, "toLowercase": lower} for g, lower in flags(2)]
    for i, (tokenizer, (stop, case, gram, binary)) in enumerate(
        itertools.product([{"useTokenizer": False}, *tokenizers], flags(4))
    ):
        if case and not stop:
            continue
        pattern = r"\s+" if tokenizer.get("tokenizerGaps", True) else r"\w+|[^\s\w]"
        custom = {"defaultStopWordLanguage": "custom", "stopWords": ["The", "é", "σσς", "и", "ab", ""]}
        combinations.append(
            {
                **tokenizer,
                "tokenizerPattern": pattern,
                "minTokenLength": (0, 1, 3)[i // 4 % 3],
                "useStopWordsRemover": stop,
                "caseSensitiveStopWords": case,
                **((custom, {}, {"defaultStopWordLanguage": "russian"})[i // 2 % 3] if stop else {}),
                "useNGram": gram,
                "nGramLength": (2, 3, 1)[i % 3],
                "binary": binary,
                "numFeatures": (512, 1000, 7, 300)[i % 4],
            }
        )
    return combinations


def test_every_combination_of_switches_gives_what_spark_gives(spark):
    texts = documents(60, seed=3)
    tokens = [[*text.split(" "), None][: 1 + len(text) % 9] for text in texts]
    data = pa.table({"text": pa.array(texts), "tokens": pa.array(tokens, pa.list_(pa.string()))})
    df = spark.createDataFrame(data).coalesce(1)
    combinations = switches()
    assert len(combinations) == 60
    # A sixth at a time: Spark analyzes all columns again with each one that is added.
    for some in range(6):
        part, rare = combinations[some::6], some % 3
        reference = Reference(df)
        columns = [reference.counts(s, "text" if s["useTokenizer"] else "tokens") for s in part]
        # Spark weighs every slot by itself, so one fit on all vectors side by side weighs them all.
        assembler = VectorAssembler(inputCols=columns, outputCol="all")
        counted = assembler.transform(reference.df).select(*set(columns), "all").cache()
        idf = IDF(inputCol="all", outputCol="idf", minDocFreq=rare)
        expected = collect(idf.fit(counted).transform(counted).drop("all"))
        counted.unpersist()
        ours = []
        for s, column in zip(part, columns, strict=True):
            source = "text" if s["useTokenizer"] else "tokens"
            stage = TextFeaturizer(inputCol=source, outputCol="out", minDocFreq=rare, **s)
            ours.append(sparse(stage.fit(data).transform(data)["out"]))
            plain = stage.copy().setUseIDF(False).fit(data).transform(data)["out"]
            assert sparse(plain) == sparse(expected[column]), s
        assert [side_by_side(row) for row in zip(*ours, strict=True)] == sparse(expected["idf"])


PATTERNS = [
    r"\s+",
    r"\s",
    r"\s*",
    r"\W+",
    r"\W",
    r"[^a-z]+",
    r"[\s,.'-]+",
    r"\p{L}+",
    r"\p{IsAlphabetic}",
    r"\P{L}+",
    r"\p{Punct}|\s",
    r"[a-z&&[^aeiou]]+",
    r"[\p{L}&&[^\p{Lu}]]+",
    r"(?i)[a-f]+|é",
    r"\d{1,2}?",
    r"a|ab",
    r"(a|b)*c?",
    r".{2}",
    r"(?s).",
    r"\u0301|\x{1F600}",
    r"^\S+",
    r"\A.|.\z",
    r"\Q.\E|[-_]",
    r"\h|\v|\R",
    r"[\[\]^-]|[]x]",
    r"",
]


def test_patterns_mean_what_they_mean_to_java(spark):
    # Java may split a character outside the basic plane where a pattern matches nothing; we never do.
    texts = [t.translate({ord(c): "x" for c in "😀🎉𝐀𐐀"}) for t in documents(60, seed=5)]
    texts += ["the theé", "abab ab\r\nb\u2028a.b", "x]y[z^-", "a\u2003b\u3000c"]
    data = pa.table({"text": texts})
    df = spark.createDataFrame(data).coalesce(1)
    cases = [
        {"tokenizerPattern": p, "tokenizerGaps": g, "minTokenLength": n}
        for p in PATTERNS
        for g in (True, False)
        for n in (0, 1)
    ]
    # An eighth at a time: Spark analyzes all columns again with each one that is added.
    for some in range(8):
        part, reference = cases[some::8], Reference(df)
        columns = [reference.counts(c, "text") for c in part]
        expected = collect(reference.df.select(*set(columns)))
        for case, column in zip(part, columns, strict=True):
            made = TextFeaturizerModel(inputCol="text", outputCol="out", **case).transform(data)["out"]
            for text, a, b in zip(texts, sparse(made), sparse(expected[column]), strict=True):
                assert a == b, (case, text)


def test_lower_case_is_that_of_java(spark):
    # Of what Unicode 3.2 knew, which every Java knows.
    known = [
        chr(c) for c in range(0x110000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Cs", "Co")
    ]
    cased = [c for c in known if c.lower() != c or c.upper() != c]
    around = ["Α{}Σ", "ΑΣ{}", "ΑΣ{}Α", "Α{}Σ-Α", "1{}Σ", "ΑΣ.{}Α"]
    marks = [
        "",
        " ",
        "-",
        ".",
        "'",
        ",",
        "1",
        "_",
        ":",
        "\u0301",
        "\u00ad",
        "中",
        "ア",
        "ʰ",
        "ª",
        "$",
        "א",
        "ff",
        "½",
    ]
    texts = [*cased, *(form.format(mark) for form in around for mark in marks), *documents(200, seed=9)]
    data = pa.table({"text": texts})
    tokens = RegexTokenizer(inputCol="text", outputCol="c", pattern="\x00", minTokenLength=0)
    lowered = tokens.transform(spark.createDataFrame(data).coalesce(1)).select(
        F.concat_ws("", "c").alias("c")
    )
    expected = lowered.toArrow()["c"].to_pylist()
    ours = TextFeaturizerModel(inputCol="text", outputCol="v", tokenizerPattern="\x00").transform(data)["v"]
    plain = pa.table({"text": pa.array(expected)})
    theirs = TextFeaturizerModel(
        inputCol="text", outputCol="v", tokenizerPattern="\x00", toLowercase=False
    ).transform(plain)["v"]
    wrong = [t for t, a, b in zip(texts, sparse(ours), sparse(theirs), strict=True) if a != b]
    assert wrong == []


LANGUAGES = [
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "russian",
    "spanish",
    "swedish",
    "turkish",
]


def test_stop_words_are_sparks(spark):
    lists = {language: StopWordsRemover.loadDefaultStopWords(language) for language in LANGUAGES}
    words = sorted({word for words in lists.values() for word in words} | {"aardvark", "Übung", "χ"})
    data = pa.table({"t": pa.array([[word] for word in words], pa.list_(pa.string()))})
    for language, expected in lists.items():
        made = TextFeaturizerModel(
            inputCol="t",
            outputCol="v",
            useTokenizer=False,
            useStopWordsRemover=True,
            caseSensitiveStopWords=True,
            defaultStopWordLanguage=language,
        ).transform(data)["v"]
        left_out = {word for word, (_, slots, _) in zip(words, sparse(made), strict=True) if not slots}
        assert left_out == set(expected), language


def test_the_weights_are_those_of_sparks_model(spark):
    texts = documents(40, seed=11)
    df = spark.createDataFrame(pa.table({"text": texts})).coalesce(1)
    ours = TextFeaturizer(inputCol="text", outputCol="out", numFeatures=64, minDocFreq=3).fit(df)
    tokens = RegexTokenizer(inputCol="text", outputCol="t", minTokenLength=0).transform(df)
    counts = HashingTF(inputCol="t", outputCol="c", numFeatures=64).transform(tokens)
    theirs = IDF(inputCol="c", outputCol="v", minDocFreq=3).fit(counts)
    assert ours.numDocs == theirs.numDocs == len(texts)
    assert ours.docFreq.tolist() == list(theirs.docFreq)
    np.testing.assert_array_equal(ours.idf, theirs.idf.toArray())
