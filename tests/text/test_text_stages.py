"""The text stages on tables: what they give, and what bad input gets."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import murmurhash3_32

from mmlrs.errors import DecodeError, InvalidParamError, MmlrsError, ModelLoadError, SchemaMismatchError
from mmlrs.text import (
    MultiNGram,
    PageSplitter,
    TextFeaturizer,
    TextFeaturizerModel,
    TextPreprocessor,
    UnicodeNormalize,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WIDTHS = [pa.string(), pa.large_string(), pa.string_view()]
MILLION = 1_000_000


def column(stage, values: list, kind: pa.DataType | None = None) -> list:
    """Return what a stage makes of one column."""
    table = pa.table({"in": pa.array(values, kind or pa.string())})
    return stage.copy().setInputCol("in").setOutputCol("out").transform(table)["out"].to_pylist()


def counts_of(vector: dict) -> dict[int, float]:
    return dict(zip(vector["indices"], vector["values"], strict=True))


def slot(term: str, slots: int = 1 << 18) -> int:
    return murmurhash3_32(term.encode(), seed=42) % slots


# -- TextFeaturizer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_terms_are_counted_in_texts_of_every_width(width):
    [vector] = column(TextFeaturizerModel(), ["Föö bar föö"], width)
    assert vector["size"] == 1 << 18
    assert counts_of(vector) == {slot("föö"): 2.0, slot("bar"): 1.0}


@given(st.lists(TEXT, min_size=1, max_size=5), st.integers(1, 3), st.integers(1, 5000))
def test_n_grams_are_those_of_the_words(texts, n, slots):
    stage = TextFeaturizerModel(
        toLowercase=False, minTokenLength=1, useNGram=True, nGramLength=n, numFeatures=slots
    )
    for text, vector in zip(texts, column(stage, texts), strict=True):
        ascii_space = str.maketrans(dict.fromkeys("\t\n\x0b\x0c\r", " "))
        words = [word for word in text.translate(ascii_space).split(" ") if word]
        expected: dict[int, float] = {}
        for i in range(len(words) - n + 1):
            place = slot(" ".join(words[i : i + n]), slots)
            expected[place] = expected.get(place, 0.0) + 1.0
        assert counts_of(vector) == expected
        assert vector["indices"] == sorted(vector["indices"])


def test_nulls_are_no_documents_in_the_fit():
    table = pa.table({"t": ["a b", None, "b", None]})
    model = TextFeaturizer(inputCol="t", outputCol="v", handleInvalid="keep").fit(table)
    assert model.numDocs == 2
    assert (model.docFreq[slot("a")], model.docFreq[slot("b")]) == (1, 2)
    made = model.transform(table)["v"].to_pylist()
    assert made[1] is None
    assert made[3] is None
    assert counts_of(made[0]) == {slot("a"): np.log(3 / 2), slot("b"): 0.0}


def test_a_model_remembers_what_it_learnt_when_it_is_saved(tmp_path):
    table = pa.table({"t": ["a b", "b c"]})
    model = TextFeaturizer(inputCol="t", outputCol="v", numFeatures=50).fit(table)
    model.save(str(tmp_path / "model"))
    loaded = TextFeaturizerModel.load(str(tmp_path / "model"))
    assert loaded.transform(table).equals(model.transform(table))
    np.testing.assert_array_equal(loaded.idf, model.idf)


def test_without_idf_nothing_is_learnt_and_counts_come_out():
    table = pa.table({"t": ["a a b"]})
    model = TextFeaturizer(inputCol="t", outputCol="v", useIDF=False).fit(table.slice(0, 0))
    assert (model.numDocs, model.docFreq, model.idf) == (None, None, None)
    assert counts_of(model.transform(table)["v"][0].as_py()) == {slot("a"): 2.0, slot("b"): 1.0}


def test_the_output_is_the_named_column_whatever_steps_are_on():
    tokens = pa.table({"t": [["a", "b"]]})
    stage = TextFeaturizer(inputCol="t", outputCol="named", useTokenizer=False, useIDF=False)
    assert stage.fit(tokens).transform(tokens).column_names == ["t", "named"]


def test_the_column_carries_its_size():
    made = TextFeaturizerModel(inputCol="t", outputCol="v", numFeatures=77).transform(pa.table({"t": ["a"]}))
    assert json.loads(made.schema.field("v").metadata[b"ml_attr"]) == {"num_attrs": 77}


@pytest.mark.parametrize("rows", [[], [None, None]], ids=["no rows", "all null"])
def test_a_fit_on_no_text_is_an_error(rows):
    table = pa.table({"t": pa.array(rows, pa.string())})
    with pytest.raises(DecodeError, match="TextFeaturizer: column `t`: holds no strings"):
        TextFeaturizer(inputCol="t").fit(table)


def test_a_switch_that_does_not_fit_the_column_is_told():
    texts, tokens = pa.table({"t": ["a"]}), pa.table({"t": [["a"]]})
    with pytest.raises(SchemaMismatchError, match="useTokenizer=False"):
        TextFeaturizer(inputCol="t").fit(tokens)
    with pytest.raises(SchemaMismatchError, match="useTokenizer=True"):
        TextFeaturizer(inputCol="t", useTokenizer=False).fit(texts)
    with pytest.raises(SchemaMismatchError, match="array<string>"):
        TextFeaturizerModel(inputCol="t", useTokenizer=False).transform(pa.table({"t": [[1]]}))


def test_stop_words_that_would_have_no_effect_are_refused():
    table = pa.table({"t": ["a"]})
    with pytest.raises(InvalidParamError, match="`stopWords` has no effect"):
        TextFeaturizer(inputCol="t", useStopWordsRemover=True, stopWords=["a"]).fit(table)
    with pytest.raises(InvalidParamError, match="`stopWords` must be set"):
        TextFeaturizer(inputCol="t", useStopWordsRemover=True, defaultStopWordLanguage="custom").fit(table)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)", "look-ahead"),
        (r"(a)\1", "back-reference"),
        ("(", "is not a valid Java pattern"),
        ("a{99999}{", ""),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named(pattern, why):
    with pytest.raises(InvalidParamError, match="TextFeaturizerModel: param `tokenizerPattern`") as told:
        column(TextFeaturizerModel(tokenizerPattern=pattern), ["a"])
    assert why in str(told.value)


def test_a_pattern_that_stalls_other_engines_does_not_stall():
    [vector] = column(TextFeaturizerModel(tokenizerPattern="(a+)+b"), ["a" * 100_000])
    assert len(vector["indices"]) == 1


def test_frequencies_for_another_number_of_slots_are_refused():
    table = pa.table({"t": ["a"]})
    model = TextFeaturizer(inputCol="t", outputCol="v", numFeatures=10).fit(table)
    with pytest.raises(InvalidParamError, match="`numFeatures` must be 10"):
        model.setNumFeatures(11).transform(table)


def test_damaged_frequencies_are_refused(tmp_path):
    path = tmp_path / "frequencies"
    path.write_bytes(b"not arrow")
    with pytest.raises(ModelLoadError, match="document frequencies cannot be read"):
        column(TextFeaturizerModel(documentFrequencies=str(path)), ["a"])


def test_too_many_slots_to_count_are_refused_before_they_are_allocated():
    table = pa.table({"t": ["a b"]})
    stage = TextFeaturizer(inputCol="t", outputCol="v", numFeatures=2**31 - 1)
    with pytest.raises(InvalidParamError, match="`numFeatures` must be at most 134217728 with useIDF"):
        stage.fit(table)
    [vector] = stage.setUseIDF(False).fit(table).transform(table)["v"].to_pylist()
    assert counts_of(vector) == {slot("a", 2**31 - 1): 1.0, slot("b", 2**31 - 1): 1.0}


def test_bytes_that_are_not_utf8_read_as_replacement_characters():
    broken = pa.StringArray.from_buffers(
        2, pa.py_buffer(np.array([0, 3, 5], np.int32)), pa.py_buffer(b"a\xff cd")
    )
    made = (
        TextFeaturizerModel(inputCol="t", outputCol="v").transform(pa.table({"t": broken}))["v"].to_pylist()
    )
    assert [counts_of(v) for v in made] == [{slot("a\ufffd"): 1.0}, {slot("cd"): 1.0}]


# -- MultiNGram -------------------------------------------------------------------------------------------------------


def test_n_grams_stand_in_the_order_of_the_lengths():
    stage = MultiNGram(lengths=[2, 1, 9])
    made = column(stage, [["a", "b c", None], [], ["é"]], pa.list_(pa.string()))
    assert made == [["a b c", "b c null", "a", "b c", "null"], [], ["é"]]


def test_lists_of_every_width_are_read():
    for kind in (pa.list_(pa.large_string()), pa.large_list(pa.string()), pa.list_(pa.string_view(), 2)):
        assert column(MultiNGram(lengths=[2]), [["a", "b"]], kind) == [["a b"]]


def test_only_lists_of_texts_have_n_grams():
    with pytest.raises(SchemaMismatchError, match="MultiNGram: column `in`: is not an array<string>"):
        column(MultiNGram(lengths=[1]), [[1]], pa.list_(pa.int64()))
    with pytest.raises(InvalidParamError, match="`lengths` must be between 1 and 1000"):
        column(MultiNGram(lengths=[0]), [["a"]], pa.list_(pa.string()))


# -- PageSplitter -----------------------------------------------------------------------------------------------------


@given(TEXT, st.integers(1, 20), st.integers(0, 20), st.sampled_from([r"\s", r"\s+", "a*", r"\W"]))
def test_pages_lose_nothing_and_keep_to_the_lengths(text, maximum, minimum, boundary):
    minimum = min(minimum, maximum)
    stage = PageSplitter(maximumPageLength=maximum, minimumPageLength=minimum, boundaryRegex=boundary)
    [pages] = column(stage, [text])
    assert "".join(pages) == text
    assert all(max(minimum, 1) <= len(page) <= maximum for page in pages[:-1])
    assert len(pages[-1]) <= maximum
    assert len(pages) == 1 or pages[-1]


def test_a_minimum_above_the_maximum_is_an_error():
    with pytest.raises(
        InvalidParamError, match=r"`minimumPageLength` must be at most maximumPageLength \(10\), got 11"
    ):
        column(PageSplitter(maximumPageLength=10, minimumPageLength=11), ["a"])


# -- TextPreprocessor -------------------------------------------------------------------------------------------------


@given(
    st.text("abAB é", max_size=30),
    st.dictionaries(st.text("abé", min_size=1, max_size=3), st.text("xy", max_size=2)),
)
def test_replacing_is_leftmost_and_longest(text, pairs):
    expected, at = "", 0
    while at < len(text):
        key = max((k for k in pairs if text.startswith(k, at)), key=len, default=None)
        expected += text[at] if key is None else pairs[key]
        at += 1 if key is None else len(key)
    assert column(TextPreprocessor(map=pairs), [text]) == [expected]


def test_keys_that_cannot_be_told_apart_are_an_error():
    with pytest.raises(InvalidParamError, match="TextPreprocessor: param `map` has the keys `A` and `a`"):
        column(TextPreprocessor(map={"A": "1", "a": "2"}, normFunc="upperCase"), ["a"])


# -- UnicodeNormalize -------------------------------------------------------------------------------------------------


# Of what Unicode 3.2 knew: Python's tables are older than ours.
KNOWN = st.characters(exclude_categories=["Cs"]).filter(lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn")


@given(st.text(KNOWN, max_size=40), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_normal_forms_are_those_of_unicode(text, form):
    assert column(UnicodeNormalize(form=form, lower=False), [text]) == [unicodedata.normalize(form, text)]


def test_the_normalized_text_is_lowered():
    assert column(UnicodeNormalize(), ["ﬁNE Ａ É Ⅳ", "", "שָׁלוֹם"]) == ["fine a e\u0301 iv", "", "שָׁלוֹם"]


# -- all --------------------------------------------------------------------------------------------------------------


STAGES = [
    TextFeaturizerModel(minTokenLength=1),
    TextFeaturizerModel(minTokenLength=1, tokenizerPattern=r"\s\s*", useStopWordsRemover=True, useNGram=True),
    PageSplitter(),
    TextPreprocessor(map={"ab": "c"}, normFunc="lowerCase"),
    UnicodeNormalize(form="NFKC"),
]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage._stage)
@pytest.mark.parametrize("piece", ["x", "é ", "the Word ", "e\u0301", "א ", "😀", " ", "Σ"], ids=repr)
def test_a_text_of_a_million_characters_is_processed(stage, piece):
    [made] = column(stage, [piece * (MILLION // len(piece))])
    assert made is not None


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage._stage)
def test_a_column_that_is_no_text_is_named(stage):
    with pytest.raises(MmlrsError, match=f"{stage._stage}: column `in`: has type int64"):
        column(stage, [1], pa.int64())
