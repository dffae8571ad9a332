"""What is misspelt or misused is an error at once, with what was meant."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mmlrs
from mmlrs.automl import (
    DiscreteHyperParam,
    FloatRangeHyperParam,
    GridSpace,
    HyperparamBuilder,
    IntRangeHyperParam,
)
from mmlrs.base import PythonTransformer, stage_specs
from mmlrs.errors import ColumnNotFoundError, InvalidParamError, NoSuchAttributeError, SchemaMismatchError
from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage, decode_to_tensor
from mmlrs.models import model_info
from mmlrs.stages import FixedMiniBatchTransformer, PartitionSample, SelectColumns, Timer
from mmlrs.text import TextFeaturizer, UnicodeNormalize
from mmlrs.train import TrainClassifier, plot_roc


def stage_class(name: str):
    return getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)


@pytest.mark.parametrize("name", stage_specs())
def test_a_misspelt_param_is_told_wherever_it_is_named(name):
    cls = stage_class(name)
    params = [p["name"] for p in stage_specs()[name]["params"]]
    if not params:
        return
    param = max(params, key=len)
    wrong = param.lower() if param.lower() not in params else param.upper()
    meant = f"{name}: there is no param `{wrong}`; did you mean `{param}`?"
    stage = cls()
    for work in (
        lambda: cls(**{wrong: 1}),
        lambda: stage.set(wrong, 1),
        lambda: stage.copy({wrong: 1}),
        lambda: stage.getParam(wrong),
        lambda: stage.getOrDefault(wrong),
        lambda: stage.isSet(wrong),
    ):
        with pytest.raises(InvalidParamError) as caught:
            work()
        assert str(caught.value) == meant
    assert not stage.hasParam(wrong)
    setter = f"set{param[0].upper()}{param[1:]}"
    for near in (setter[:-1], setter.lower(), param.lower()):
        if not hasattr(cls, near):
            with pytest.raises(NoSuchAttributeError, match=f"{name}: there is no `{near}`; did you mean `"):
                getattr(stage, near)


@pytest.mark.parametrize("name", stage_specs())
def test_an_assignment_to_a_param_says_how_to_set_it(name):
    stage = stage_class(name)()
    for param in stage_specs()[name]["params"]:
        setter = f"set{param['name'][0].upper()}{param['name'][1:]}"
        with pytest.raises(NoSuchAttributeError, match=f"{name}: `{param['name']}` is a param, .*{setter}"):
            setattr(stage, param["name"], 3)


@pytest.mark.parametrize("name", stage_specs())
def test_the_signature_names_every_param(name):
    params = inspect.signature(stage_class(name)).parameters
    assert list(params) == [p["name"] for p in stage_specs()[name]["params"]]
    assert all(p.kind is p.KEYWORD_ONLY and p.annotation is not p.empty for p in params.values())


def test_a_name_like_no_param_lists_the_params():
    with pytest.raises(
        InvalidParamError, match=r"SelectColumns: there is no param `colour`; the params are cols$"
    ):
        SelectColumns(colour="a")


def test_a_value_without_a_name_says_that_params_have_names():
    with pytest.raises(
        InvalidParamError, match=r"ImageFeaturizer: params must be passed by name, as in .*got 'image'"
    ):
        ImageFeaturizer("image")


def test_a_slip_of_a_param_cannot_be_assigned_and_other_attributes_can():
    stage = ImageFeaturizer()
    for slip, meant in (
        ("inputcol", "inputCol"),
        ("input_col", "inputCol"),
        ("minibatchsize", "miniBatchSize"),
    ):
        with pytest.raises(NoSuchAttributeError, match=f"did you mean the param `{meant}`"):
            setattr(stage, slip, 3)
    stage.note, stage.cache, stage.models, stage._inputcol = 1, 2, 3, 4
    assert (stage.note, stage.cache, stage.models, stage._inputcol) == (1, 2, 3, 4)


class Labelled(UnrollImage):
    """A stage of a user's with attributes of its own, one of them named nearly as a param."""

    input_col: str | None = None

    def __init__(self, labels, **params):
        super().__init__(**params)
        self.labels = labels
        self.input_col = "mine"


def test_a_subclass_has_attributes_and_a_constructor_of_its_own():
    stage = Labelled(["a"], inputCol="i")
    assert (stage.labels, stage.input_col, stage.getInputCol()) == (["a"], "mine", "i")
    with pytest.raises(
        InvalidParamError, match="Labelled: there is no param `inputcol`; did you mean `inputCol`"
    ):
        Labelled([], inputcol="i")


def test_copies_keep_params_and_attributes():
    stage = Labelled(["a"], inputCol="i")
    for made in (stage.copy(), copy.copy(stage), copy.deepcopy(stage), pickle.loads(pickle.dumps(stage))):
        assert (made.uid, made.labels, made.getInputCol()) == (stage.uid, ["a"], "i")
    assert stage._resetUid("other").getInputCol() == "i"
    assert stage.set(stage.outputCol, "o") is None
    assert stage.getOutputCol() == "o"


def test_a_copy_takes_the_params_of_the_stages_within():
    inner = TextFeaturizer(inputCol="text")
    timer = Timer(stage=inner)
    assert timer.copy({inner.numFeatures: 8}).getStage().getNumFeatures() == 8
    assert inner.getNumFeatures() != 8
    model = timer.fit(pa.table({"text": ["a"]}), {inner.numFeatures: 8})
    assert model.getStage().getNumFeatures() == 8


def test_params_of_another_stage_are_refused():
    table, other = pa.table({"text": ["a"]}), UnrollImage()
    with pytest.raises(
        InvalidParamError, match=r"param `inputCol` belongs to UnrollImage_.*, not to this stage, TextF"
    ):
        TextFeaturizer(inputCol="text").fit(table, {other.inputCol: "x"})
    with pytest.raises(InvalidParamError, match="not to this stage"):
        SelectColumns(cols=["text"]).set(other.inputCol, "x")
    with pytest.raises(InvalidParamError, match="must be a dict of params and values"):
        SelectColumns(cols=["text"]).transform(table, ["cols"])


def test_params_for_one_call_may_be_named():
    table = pa.table({"text": ["a"]})
    assert TextFeaturizer(inputCol="text").fit(table, {"numFeatures": 8}).getNumFeatures() == 8
    with pytest.raises(InvalidParamError, match="did you mean `numFeatures`"):
        TextFeaturizer(inputCol="text").fit(table, {"numFeature": 8})


def test_what_a_stage_does_not_do_says_what_to_do():
    with pytest.raises(
        AttributeError, match="TextFeaturizer: there is no `transform`; it is an estimator: fit it"
    ):
        TextFeaturizer().transform(pa.table({"text": ["a"]}))
    with pytest.raises(AttributeError, match="ImageFeaturizer: there is no `fit`; it is a transformer"):
        ImageFeaturizer().fit(pa.table({"image": [b""]}))
    assert not hasattr(ImageFeaturizer(), "fit")
    assert getattr(TextFeaturizer(), "colour", None) is None


@pytest.mark.parametrize(
    "make", [mmlrs.udf, mmlrs.pandas_udf, lambda stage: mmlrs.register(None, "f", stage)]
)
def test_a_function_of_an_estimator_says_fit_it_first(make):
    with pytest.raises(InvalidParamError, match=r"TextFeaturizer: is an estimator, .*; fit it first"):
        make(TextFeaturizer(inputCol="text"))


@pytest.mark.parametrize(
    ("stage", "hint"),
    [
        (ImageTransformer(interpolation="lineer"), r'got "lineer" \(did you mean "linear"\?\)'),
        (ImageTransformer(handleInvalid="Keep"), r'got "Keep" \(did you mean "keep"\?\)'),
        (
            ImageTransformer(stages=[{"action": "rezize"}]),
            r"unknown action `rezize` \(did you mean `resize`\?\); the actions are resize, ",
        ),
        (
            ImageTransformer(stages=[{"action": "erode", "hieght": 3, "width": 3}]),
            r"argument `height` is missing; given: `hieght`, `width`; there is no argument `hieght`: did you mean `height`\?",
        ),
        (
            ImageTransformer(stages=[{"action": "flip", "cod": 1}]),
            r"argument `cod` does not exist \(did you mean `code`\?\); the arguments are code",
        ),
    ],
)
def test_a_misspelt_choice_is_told(stage, hint):
    with pytest.raises(InvalidParamError, match=hint):
        stage.transform(pa.table({"image": [b""]}))


def test_an_operation_without_an_action_is_named():
    with pytest.raises(
        InvalidParamError,
        match=r"item 0: the key `action` is missing, .*there is no key `actoin`: did you mean `action`\?",
    ):
        ImageTransformer(stages=[{"actoin": "flip"}])


def test_a_missing_column_is_compared_with_those_there_are():
    with pytest.raises(
        ColumnNotFoundError, match=r"column `image`: not found \(did you mean `Imgae`\?\); the columns"
    ):
        UnrollImage().transform(pa.table({"id": [1], "Imgae": [b""]}))


def test_numbers_and_lists_of_numpy_and_pandas_are_params():
    stages = ImageTransformer().resize(np.int64(7), np.int32(5)).pad(value=np.array([1.5, 2.0])).getStages()
    assert stages[0] == {"action": "resize", "height": 7, "width": 5}
    assert stages[1]["value"] == [1.5, 2.0]
    assert FixedMiniBatchTransformer(batchSize=np.uint8(7)).getBatchSize() == 7
    frame = pd.DataFrame({"a": [1], "b": [2]})
    for names in (
        frame.columns,
        pd.Series(["a", "b"]),
        np.array(["a", "b"]),
        pa.array(["a", "b"]),
        ("a", "b"),
    ):
        assert SelectColumns(cols=names).getCols() == ["a", "b"]
    with pytest.raises(InvalidParamError, match="must be a list of strings, got"):
        SelectColumns(cols={"a", "b"})


def test_a_search_tells_what_it_was_given():
    stage = TextFeaturizer()
    for work, message in (
        (
            lambda: HyperparamBuilder().addHyperparam(stage, "numfeature", DiscreteHyperParam([1])),
            "did you mean",
        ),
        (
            lambda: HyperparamBuilder().addHyperparam("lr", "regParam", DiscreteHyperParam([1])),
            "HyperparamBuilder: `stage` must be a stage",
        ),
        (lambda: DiscreteHyperParam(3), "must be a list of values, got 3"),
        (lambda: IntRangeHyperParam("a", 3), "IntRangeHyperParam: `min` must be an integer, got 'a'"),
        (lambda: FloatRangeHyperParam(0, "b"), "FloatRangeHyperParam: `max` must be a number, got 'b'"),
        (lambda: GridSpace(None), "GridSpace: expected the result of HyperparamBuilder.build"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            work()


def test_numbers_that_are_not_finite_and_broken_text_name_the_param():
    table = pa.table({"a": [1.0]})
    for value in (float("nan"), float("inf")):
        with pytest.raises(
            InvalidParamError, match=f"PartitionSample: param `percent` must be finite, got {value}"
        ):
            PartitionSample(percent=value).transform(table)
    with pytest.raises(
        InvalidParamError, match="SelectColumns: param `cols` must be a string that UTF-8 can encode"
    ):
        SelectColumns(cols=["\ud800"])


def test_arguments_of_functions_are_checked_as_params_are(jpeg):
    assert decode_to_tensor(pd.Series([jpeg]), height=np.int64(3), width=np.int32(4)).shape == (1, 3, 3, 4)
    for work, message in (
        (
            lambda: decode_to_tensor(jpeg, height=3, width=3),
            "param `images` must be a list of images",
        ),
        (
            lambda: decode_to_tensor([jpeg], height="3", width=3),
            "decode_to_tensor: param `height` must be an integer",
        ),
        (lambda: model_info(3), "model_info: param `model` must be a path, a URI, bytes"),
        (lambda: ImageTransformer().warpAffine("abc", 3, 3), "param `matrix` must be a list of numbers"),
        (
            lambda: mmlrs.register(None, "f", UnrollImage()),
            "register: param `spark` must be a Spark session, got None",
        ),
    ):
        with pytest.raises(InvalidParamError, match=message):
            work()
    with pytest.raises(
        SchemaMismatchError, match=r"decode_to_tensor: images, row 0: an image must be .* got int"
    ):
        decode_to_tensor([1], height=3, width=3)
    with pytest.raises(SchemaMismatchError, match="plot_roc: cannot read a NoneType"):
        plot_roc(None)


def test_a_module_shows_what_is_public():
    shown = [name for name in dir(mmlrs) if not name.startswith("_")]
    assert shown == sorted({*mmlrs.__all__, *mmlrs._NAMESPACES})
    for namespace in mmlrs._NAMESPACES:
        module = importlib.import_module(f"mmlrs.{namespace}")
        assert [n for n in dir(module) if not n.startswith("_")] == sorted(module.__all__), namespace
    with pytest.raises(
        AttributeError, match="module 'mmlrs' has no attribute 'imagee'; did you mean 'image'"
    ):
        mmlrs.imagee  # noqa: B018


# -- Spark -------------------------------------------------------------------------------------------------------------


def test_a_grid_of_a_learners_params_reaches_the_learner(spark):
    from pyspark.ml.classification import LogisticRegression

    learner = LogisticRegression()
    trained = TrainClassifier(model=learner).copy({learner.regParam: 0.5})
    assert trained.getModel().getRegParam() == 0.5
    assert learner.getRegParam() == 0.0


def test_none_clears_a_param():
    stage = UnrollImage(inputCol="image", nChannels=1)
    assert stage.setNChannels(None).getNChannels() is None
    assert not stage.isSet("nChannels")
    stage.set(stage.inputCol, None)
    assert not stage.isSet("inputCol")


def test_params_of_the_class_are_those_of_the_stage():
    table = pa.table({"text": ["a"]})
    stage = UnicodeNormalize(inputCol="text", outputCol="x")
    assert stage.transform(table, {UnicodeNormalize.outputCol: "y"}).column_names == ["text", "y"]
    assert stage.copy({UnicodeNormalize.outputCol: "y"}).getOutputCol() == "y"


def test_a_base_class_says_what_to_derive_a_stage_from():
    class Mine(PythonTransformer):
        pass

    with pytest.raises(TypeError, match="Mine: a stage needs params; derive it from a stage such as"):
        Mine()
