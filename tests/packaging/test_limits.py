"""The page of limits: it is what the code says, it has every limit, and what it says happens beyond one does happen."""

from __future__ import annotations

import math
import re

import numpy as np
import places
import pyarrow as pa
import pytest
from networks import counting
from pictures import png
from places import ROOT

from mmlrs.automl import IntRangeHyperParam
from mmlrs.base import stage_specs
from mmlrs.errors import InvalidParamError, LimitExceededError
from mmlrs.featurize import Featurize, ValueIndexer, ValueIndexerModel
from mmlrs.image import ImageTransformer
from mmlrs.onnx import ONNXModel
from mmlrs.stages import Explode, SelectColumns
from mmlrs.testing import sample_model
from mmlrs.text import PageSplitter, TextFeaturizer
from mmlrs.train import ComputeModelStatistics

PAGE = (ROOT / "docs" / "limits.md").read_text()

#: `mmlrs.cache_info()` has the bounds of caches.
OTHERS = {"CAPACITY", "_MAX_LENGTH"}
NAMED = re.compile(
    r"^\s*(?:pub(?:\(\w+\))? )?(?:const )?(?P<name>_?(?:[A-Z0-9]+_)*(?:MAX|MOST|LARGEST|LONGEST|CAPACITY|LIMIT)(?:_[A-Z0-9]+)*)"
    r"(?:: [^=]+)? = ",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def script():
    """The script that writes the page."""
    return places.script("limits")


# -- the page and the code --------------------------------------------------------------------------------------------


def test_the_page_has_the_params_and_values_of_today(script):
    assert script.updated(PAGE) == PAGE, "python scripts/limits.py brings docs/limits.md up to date"


def test_a_stale_value_does_not_stay(script):
    for value in ("| 500 |", "| 100,000,000 |", "| 255 |", "| 256 MiB |"):
        assert value in PAGE
        assert script.updated(PAGE.replace(value, "| 7 |")) == PAGE


def test_every_constant_that_is_named_as_a_limit_is_on_the_page(script):
    sources = [
        *(p for p in ROOT.glob("rust/*/src/**/*.rs") if "tests" not in p.stem),
        *(p for p in ROOT.glob("mmlrs/**/*.py") if "_generated" not in p.parts),
    ]
    found = {
        (match["name"], str(path.relative_to(ROOT)))
        for path in sources
        for match in NAMED.finditer(path.read_text())
        if match["name"] not in OTHERS
    }
    assert len(found) >= 15
    assert found <= script.constants_on(PAGE)


def test_every_param_that_limits_something_exists_and_the_page_says_what_happens_beyond(script):
    params = {param["name"] for spec in stage_specs().values() for param in spec["params"]}
    assert set(script.BEYOND) <= params
    assert {"maxPixels", "maxBytes", "maxTensorBytes", "maxLevels", "maxLength"} <= set(script.BEYOND)


# -- what happens beyond ----------------------------------------------------------------------------------------------


def test_a_value_outside_of_the_range_of_a_param_is_an_error_of_the_param():
    table = pa.table({"c": ["a"]})
    with pytest.raises(InvalidParamError, match="maxLevels"):
        ValueIndexer(inputCol="c", maxLevels=0).fit(table)


@pytest.mark.parametrize("limit", ["maxPixels", "maxBytes"])
def test_a_picture_beyond_its_limits_is_a_bad_row(limit, jpeg):
    table = pa.table({"image": [jpeg]})
    stage = ImageTransformer(outputCol="small", **{limit: 100}).resize(2, 2)
    with pytest.raises(LimitExceededError, match=limit):
        stage.transform(table)
    kept = stage.setHandleInvalid("keep").setErrorCol("why").transform(table)
    assert kept["small"].null_count == 1
    assert limit in kept["why"][0].as_py()


@pytest.mark.parametrize(
    ("operation", "argument", "value"),
    [
        ("resize", "height", 65_501),
        ("warpAffine", "height", 32_767),
        ("blur", "height", 256),
        ("erode", "iterations", 1_001),
        ("clahe", "tileGridSize", 257),
    ],
)
def test_an_argument_of_an_operation_beyond_its_limit_is_named(operation, argument, value, jpeg):
    given = {"height": 3, "width": 3, argument: value}
    if operation == "clahe":
        given = {argument: value}
    if operation == "warpAffine":
        given["matrix"] = [1, 0, 0, 0, 1, 0]
    stage = ImageTransformer(outputCol="out", stages=[{"action": operation, **given}])
    with pytest.raises(InvalidParamError, match=f"(?s){operation}.*{argument}"):
        stage.transform(pa.table({"image": [jpeg]}))


def test_a_row_of_a_model_beyond_its_bytes_is_an_error_and_a_mini_batch_is_cut():
    table = pa.table({"x": pa.array([[1.0, 2.0, 3.0, 4.0]] * 5, pa.list_(pa.float32()))})
    model = ONNXModel(model=sample_model(), feedDict={"x": "x"}, fetchDict={"y": "scores"})
    whole = model.transform(table)["y"]
    assert model.setMaxTensorBytes(16).transform(table)["y"] == whole
    with pytest.raises(LimitExceededError, match="maxTensorBytes"):
        model.setMaxTensorBytes(15).transform(table)


def a_row_that_loops_for_ever() -> tuple[pa.Table, ONNXModel]:
    table = pa.table({"x": pa.array([[1.0], [2.0], [1e15], [4.0]], pa.list_(pa.float32()))})
    model = ONNXModel(model=counting().SerializeToString(), feedDict={"x": "x"}, fetchDict={"y": "y"})
    return table, model.setMaxRunSeconds(0.5)


def test_a_run_beyond_its_time_is_an_error():
    table, model = a_row_that_loops_for_ever()
    with pytest.raises(
        LimitExceededError, match=r"ONNXModel.*the run of 4 rows takes longer than maxRunSeconds=0\.5; "
    ):
        model.transform(table)
    with pytest.raises(
        LimitExceededError, match=r"row 2 of the table: the row takes longer than maxRunSeconds"
    ):
        model.setMiniBatchSize(1).transform(table)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(InvalidParamError, match="maxRunSeconds"):
            model.setMaxRunSeconds(wrong).transform(table)


@pytest.mark.parametrize("policy", ["skip", "keep"])
def test_only_the_row_that_takes_too_long_is_a_bad_row(policy):
    table, model = a_row_that_loops_for_ever()
    made = model.setHandleInvalid(policy).setErrorCol("why").transform(table)
    good = [[2.0], [4.0], [8.0]]
    assert made["y"].to_pylist() == (good if policy == "skip" else [*good[:2], None, good[2]])
    if policy == "keep":
        assert "maxRunSeconds" in made["why"].to_pylist()[2]


def test_arrays_that_would_repeat_themselves_too_often_are_an_error_before_any_row_is_made():
    table = pa.table({"k": [1, 2, 3], "l": [[0.0], np.zeros(100_000), []]})
    with pytest.raises(
        LimitExceededError,
        match=r"Explode: column `l`, row 1 of the table: its array of 100,000 values is repeated .* 80,\d{3},\d{3},\d{3} bytes",
    ):
        Explode(inputCol="l", outputCol="e").transform(table)
    few = Explode(inputCol="l", outputCol="e").transform(
        table.set_column(1, "l", [[[0.0], [1.0] * 1000, []]])
    )
    assert few.num_rows == 1001


def test_a_bilateral_filter_of_too_much_work_is_a_bad_row():
    picture = png(np.zeros((3000, 3000, 3), np.uint8))
    for size in ({"diameter": 69, "sigmaSpace": 1}, {"diameter": 0, "sigmaSpace": 25}):
        stage = ImageTransformer(
            outputCol="out", stages=[{"action": "bilateralFilter", "sigmaColor": 1, **size}]
        )
        with pytest.raises(
            LimitExceededError, match=r"row 0 of the table: bilateralFilter: 9000000 pixels x \d+ neighbours"
        ):
            stage.transform(pa.table({"image": [picture]}))
        assert stage.transform(pa.table({"image": [png(np.zeros((9, 9, 3), np.uint8))]})).num_rows == 1


@pytest.mark.parametrize("bounds", [(0, 10**30), (-(10**30), 0), (0, 2**63)])
def test_a_range_of_integers_has_64_bits(bounds):
    with pytest.raises(
        InvalidParamError, match=r"IntRangeHyperParam: `m(in|ax)` must be an integer of 64 bits"
    ):
        IntRangeHyperParam(*bounds)


def nested(depth: int) -> list[object]:
    made: list[object] = []
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize("depth", [101, 400, 50_000])
def test_a_value_of_lists_without_end_is_an_error_of_the_param(depth):
    with pytest.raises(
        InvalidParamError,
        match="ImageTransformer: param `stages` must not have lists and maps nested more than 100 deep",
    ):
        ImageTransformer(stages=[{"action": "resize", "height": nested(depth)}])
    with pytest.raises(InvalidParamError, match="ValueIndexerModel: param `levels` must "):
        ValueIndexerModel(levels=nested(depth))
    text = '[{"action": ' + "[" * depth + "]" * depth + "}]"
    with pytest.raises(InvalidParamError, match="ImageTransformer: param `stages` must"):
        ImageTransformer(stages=text)
    with pytest.raises(InvalidParamError, match="SelectColumns: param `cols` must be"):
        SelectColumns(cols=nested(depth))


def test_more_levels_than_a_column_may_have_are_an_error_of_the_fit():
    table = pa.table({"c": ["a", "b", "c"]})
    with pytest.raises(LimitExceededError, match="maxLevels"):
        ValueIndexer(inputCol="c", outputCol="i", maxLevels=2).fit(table)


def test_a_string_column_of_more_categories_is_text():
    table = pa.table({"c": ["a", "b", "c"] * 10})
    categories, words = (
        Featurize(inputCols=["c"], outputCol="f", maxCategories=most, numFeatures=64)
        .fit(table)
        .transform(table)["f"]
        for most in (3, 2)
    )
    assert categories[0].as_py()["values"] == [1.0, 0.0, 0.0]
    assert words[0].as_py() != categories[0].as_py()


def test_more_slots_than_are_counted_are_an_error():
    with pytest.raises(InvalidParamError, match="134217728"):
        TextFeaturizer(inputCol="t", outputCol="f", numFeatures=134_217_729).fit(pa.table({"t": ["a b"]}))


def test_a_longer_page_is_cut():
    stage = PageSplitter(inputCol="t", outputCol="p", maximumPageLength=4, minimumPageLength=1)
    pages = stage.transform(pa.table({"t": ["aaaaaaaaaa"]}))["p"][0].as_py()
    assert "".join(pages) == "a" * 10
    assert max(map(len, pages)) <= 4


def test_more_classes_than_a_confusion_matrix_has_are_an_error():
    labels = [float(i) for i in range(4097)]
    table = pa.table({"label": labels, "prediction": labels})
    stage = ComputeModelStatistics(
        labelCol="label", scoredLabelsCol="prediction", evaluationMetric="classification"
    )
    with pytest.raises(LimitExceededError, match="4096 classes"):
        stage.transform(table)


def test_a_compiled_regular_expression_is_bounded():
    stage = TextFeaturizer(inputCol="t", outputCol="f", tokenizerPattern=r"((\w{1000}){1000}){1000}")
    with pytest.raises(InvalidParamError, match="tokenizerPattern"):
        stage.fit(pa.table({"t": ["a b"]}))
