"""What users read of a stage: its signature, its types, and how it shows itself."""

from __future__ import annotations

import importlib
import inspect
import textwrap
from html.parser import HTMLParser

import pyarrow as pa
import pytest

import mmlrs
from mmlrs import _noparams, _shared
from mmlrs.base import stage_specs
from mmlrs.errors import InvalidParamError
from mmlrs.image import ImageFeaturizer, ImageTransformer
from mmlrs.onnx import ONNXModel
from mmlrs.stages import Lambda, Repartition, SelectColumns, Timer
from mmlrs.testing import reversed_columns, sample_model
from mmlrs.text import TextFeaturizer


def stage_class(name: str):
    return getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)


# -- signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", stage_specs())
def test_the_signature_shows_the_defaults_of_the_descriptor(name):
    cls = stage_class(name)
    shown = inspect.signature(cls).parameters
    for param in stage_specs()[name]["params"]:
        default = shown[param["name"]].default
        if param["default"] is not None:
            assert default == param["default"], param["name"]
        elif param["optional"] or cls().isDefined(param["name"]):
            assert default is None, param["name"]
        else:
            assert repr(default) == "<required>", param["name"]


@pytest.mark.parametrize("name", stage_specs())
def test_a_stage_has_the_defaults_of_its_descriptor_and_nothing_is_set(name):
    stage = stage_class(name)()
    params = stage_specs()[name]["params"]
    expected = {p["name"]: p["default"] for p in params if p["default"] is not None}
    expected |= {p["name"]: stage.uid + p["default_uid_suffix"] for p in params if p["default_uid_suffix"]}
    expected |= stage._own_defaults()
    assert {param.name: value for param, value in stage._defaultParamMap.items()} == expected
    assert stage._paramMap == {}


def test_a_default_that_is_given_is_set():
    plain, given = ImageFeaturizer(), ImageFeaturizer(miniBatchSize=64, errorCol=None)
    assert given.getMiniBatchSize() == plain.getMiniBatchSize() == 64
    assert given.isSet("miniBatchSize")
    assert not plain.isSet("miniBatchSize")
    assert not given.isSet("errorCol")
    assert "(default: 64, current: 64)" in given.explainParam("miniBatchSize")
    assert "(default: 64)" in plain.explainParam("miniBatchSize")


@pytest.mark.parametrize("name", stage_specs())
def test_the_docstring_says_what_comes_back_and_what_is_raised(name):
    doc = inspect.getdoc(stage_class(name))
    spec = stage_specs()[name]
    returns = doc.partition("Returns\n-------\n")[2].splitlines()[0]
    assert returns == (spec["model"] or "dataset")
    raises = doc.partition("Raises\n------\n")[2].partition("\n\n")[0]
    assert "InvalidParamError" in raises
    assert ("ColumnNotFoundError" in raises) == any(p["role"] == "input" for p in spec["params"])


@pytest.mark.parametrize("name", stage_specs())
def test_a_stage_is_an_instance_of_the_classes_of_spark_that_have_its_params(name):
    stage = stage_class(name)()
    for shared in _shared.__all__:
        param = shared.removeprefix("Has")
        has = stage.hasParam(param[0].lower() + param[1:])
        assert isinstance(stage, getattr(_shared, shared)) == has, shared


def test_without_pyspark_there_are_classes_of_the_same_names():
    assert set(_shared.__all__) == set(_noparams.__all__) - {"Param", "Params"}


PROGRAM = """
    import pandas as pd
    from mmlrs.featurize import Featurize
    from mmlrs.image import ImageFeaturizer
    from mmlrs.stages import Repartition
    from mmlrs.text import TextFeaturizer
    from mmlrs.train import TrainClassifier

    texts = pd.DataFrame({"text": ["a"]})
    reveal_type(TextFeaturizer(inputCol="text").fit(texts))  # mmlrs.text.TextFeaturizerModel
    reveal_type(TrainClassifier().fit(texts))  # mmlrs.train.learners.TrainedClassifierModel
    reveal_type(Featurize().fit(texts, [{}]))  # list[mmlrs._generated.featurize.FeaturizeModel]
    reveal_type(TextFeaturizer().setInputCol("text").getInputCol())  # str
    reveal_type(TextFeaturizer(inputCol="text").getStopWords())  # list[str] | None
    reveal_type(ImageFeaturizer(miniBatchSize=8).getMiniBatchSize())  # int
    reveal_type(ImageFeaturizer().getHandleInvalid())  # Literal['error'] | Literal['skip'] | Literal['keep']
    Repartition()
    Repartition(n=3)
    TextFeaturizer(outputCol="f")  # error: inputCol is missing
    ImageFeaturizer(handleInvalid="drop")  # error: not one of the three
    ImageFeaturizer(miniBatchsize=8)  # error: no such param
    ImageFeaturizer().setPooling("mean")  # error: not one of the four
    Repartition(n="3")  # error: not a number
"""


@pytest.mark.slow
def test_a_type_checker_knows_what_is_required_allowed_and_returned(tmp_path):
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    output, _, _ = api.run([str(program), "--strict", "--hide-error-context", "--no-pretty"])
    found: dict[int, str] = {}
    for line in output.splitlines():
        _, number, message = (*line.split(":", 2), "", "")[:3]
        if number.isdigit():
            found.setdefault(int(number), message)
    for number, line in enumerate(program.read_text().splitlines(), 1):
        code, _, expected = line.partition("  # ")
        if expected.startswith("error"):
            assert " error: " in found[number], code
        elif expected:
            assert f'Revealed type is "{expected}"' in found[number].replace("builtins.", ""), code
        else:
            assert number not in found, found[number]


# -- how a stage shows itself -----------------------------------------------------------------------------------------

REPRS = [
    (SelectColumns(), "SelectColumns()"),
    (
        ImageFeaturizer(miniBatchSize=8, inputCol="image"),
        "ImageFeaturizer(inputCol='image', miniBatchSize=8)",
    ),
    (
        SelectColumns(cols=[f"c{i}" for i in range(99)]),
        "SelectColumns(cols=['c0', 'c1', 'c2', 'c3', 'c4', 'c5', ...])",
    ),
    (TextFeaturizer(inputCol="x" * 99), f"TextFeaturizer(inputCol='{'x' * 57}...')"),
    (ONNXModel(model="/m/a.onnx"), "ONNXModel(model=ModelHandle(path='/m/a.onnx'))"),
    (ImageTransformer().flip(), "ImageTransformer(stages=[{'action': 'flip', 'code': 1}])"),
    (Lambda(transformFunc=reversed_columns), "Lambda(transformFunc=mmlrs.testing.reversed_columns)"),
    (Timer(stage=Repartition(n=2)), "Timer(stage=Repartition(n=2))"),
]


@pytest.mark.parametrize(("stage", "text"), REPRS, ids=[type(stage).__name__ for stage, _ in REPRS])
def test_a_stage_shows_what_is_set_in_the_order_of_its_signature(stage, text):
    assert repr(stage) == text


def test_bytes_of_a_model_are_shown_by_the_beginning_of_their_hash():
    stage = ONNXModel(model=sample_model())
    assert repr(stage) == f"ONNXModel(model=ModelHandle(sha256='{stage.getModel().sha256[:8]}...'))"


def test_the_text_of_a_stage_is_its_uid_as_spark_has_it():
    stage = SelectColumns(cols=["a"])
    assert str(stage) == f"{stage}" == stage.uid


def test_a_subclass_of_a_user_is_shown_by_its_own_name():
    class Mine(SelectColumns):
        def __init__(self, **params):
            super().__init__(**params)

    assert repr(Mine(cols=["a"])) == "Mine(cols=['a'])"


class Texts(HTMLParser):
    """The texts and the tooltips of a page, and that its elements are closed."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.titles, self.open = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_repr_of_a_fitted_model_leaves_out_the_defaults():
    model = TextFeaturizer(inputCol="text", useIDF=False, numFeatures=8).fit(pa.table({"text": ["a"]}))
    assert repr(model).startswith("TextFeaturizerModel(inputCol='text', outputCol=")
    assert repr(model).endswith("numFeatures=8)")


def test_a_notebook_shows_columns_params_defaults_and_what_they_mean():
    stage = TextFeaturizer(inputCol="<b>text</b>", errorCol="why", useIDF=False)
    page = Texts(stage._repr_html_())
    before, after = (
        page.texts[: page.texts.index("16 defaults")],
        page.texts[page.texts.index("16 defaults") :],
    )
    assert before[1:3] == ["TextFeaturizer", " "]
    assert stage.uid in before
    assert {"<b>text</b>", f"{stage.uid}_output", "why", "'<b>text</b>'", "useIDF", "False"} <= set(before)
    assert {"numFeatures", "262144"} <= set(after)
    assert "useIDF" not in after
    assert stage.getParam("useIDF").doc in page.titles


def test_describe_shows_a_pipeline_stage_by_stage(spark):
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Binarizer

    inner = Pipeline(stages=[Binarizer(inputCol="a", outputCol="b", threshold=1.0)])
    pipeline = Pipeline(stages=[SelectColumns(cols=["a"]), inner])
    assert repr(mmlrs.describe(pipeline)).splitlines() == [
        "Pipeline",
        "    SelectColumns(cols=['a'])",
        "    Pipeline",
        "        Binarizer(inputCol='a', outputCol='b', threshold=1.0)",
    ]
    fitted = pipeline.fit(spark.createDataFrame([(0.5,)], ["a"]))
    assert repr(mmlrs.describe(fitted)).splitlines()[1:3] == [
        "    SelectColumns(cols=['a'])",
        "    PipelineModel",
    ]
    texts = Texts(mmlrs.describe(pipeline)._repr_html_()).texts
    assert {"SelectColumns", "Binarizer", "a", "b", "1.0"} <= set(texts)
    assert repr(mmlrs.describe(Pipeline())) == "Pipeline"


def test_describe_refuses_what_is_no_stage():
    with pytest.raises(
        InvalidParamError, match="describe: param `stage` must be a pipeline or another stage, got 3"
    ):
        mmlrs.describe(3)
