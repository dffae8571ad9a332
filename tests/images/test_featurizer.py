"""`ImageFeaturizer` is decode, resize, normalize and infer, as one would write it by hand."""

from __future__ import annotations

import io
import json

import fixed_filters
import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from PIL import Image
from skimage import data as photographs

import mmlrs
from mmlrs import models
from mmlrs.errors import DecodeError, InvalidParamError, ModelLoadError, SchemaMismatchError
from mmlrs.image import ImageClassifier, ImageFeaturizer, ImageTransformer, decode_to_tensor


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    """A warning comes once per process and text."""
    monkeypatch.setattr("mmlrs._warnings._warned", set())


def encoded(pixels: np.ndarray, kind: str = "png") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Four photographs as PNG, of different sizes."""
    cat, coffee = photographs.chelsea(), photographs.coffee()
    return [encoded(p) for p in (cat, coffee, cat[:150, :200], np.ascontiguousarray(coffee[:, ::-1]))]


def vectors(made: pa.Table, name: str = "f") -> np.ndarray:
    return np.array(made[name].to_pylist(), dtype=np.float32)


def by_hand(pictures, model, tensor: str, size: int, **how) -> np.ndarray:
    """The pipeline a user would write: our decoder, then onnxruntime on the graph with the tensor as its output."""
    batch = decode_to_tensor(pictures, height=size, width=size, **how)
    graph = networks.with_outputs(model, tensor)
    name = next(i.name for i in graph.graph.input if i.name not in {w.name for w in graph.graph.initializer})
    rows = [networks.reference(graph, {name: picture[None]})[0] for picture in batch]
    return np.concatenate(rows)


# -- the default network -----------------------------------------------------------------------------------


def metadata_of(model: onnx.ModelProto) -> dict:
    return json.loads({p.key: p.value for p in model.metadata_props}["mmlrs.image"])


@pytest.fixture(scope="module")
def default() -> onnx.ModelProto:
    return onnx.load_from_string(models.get("efficientnet-lite0").read())


def test_the_default_network_gives_the_features_its_metadata_names(pictures, default):
    meta = metadata_of(default)
    made = ImageFeaturizer(outputCol="f").transform(pa.table({"image": pictures}))
    how = {"means": meta["means"], "stds": meta["stds"], "scale": meta["scale"]}
    expected = by_hand(pictures, default, meta["featureTensor"], meta["height"], **how)
    np.testing.assert_allclose(vectors(made), expected, rtol=1e-3, atol=1e-4)
    assert made.schema.field("f").metadata[b"ml_attr"] == b'{"num_attrs":%d}' % expected.shape[1]
    assert len({tuple(row) for row in vectors(made).tolist()}) == 4, "different pictures, different features"


def test_a_network_without_class_scores_says_so(pictures):
    model = fixed_filters.build()
    stage = ImageFeaturizer(outputCol="f", model=model, headless=False)
    with pytest.raises(
        InvalidParamError,
        match=r"^ImageFeaturizer: param `headless` is False, but the network has no class scores.*headless=True",
    ):
        stage.transform(pa.table({"image": pictures}))
    assert stage.setHeadless(True).transform(pa.table({"image": pictures})).num_rows == 4
    with pytest.raises(
        InvalidParamError, match=r"^ImageClassifier: param `model` cannot be used: .*no class scores"
    ):
        ImageClassifier(model=model).transform(pa.table({"image": pictures}))


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_layers_are_cut_in_the_order_the_metadata_names_them(pictures, default, layers):
    meta = metadata_of(default)
    made = ImageFeaturizer(outputCol="f", cutOutputLayers=layers).transform(pa.table({"image": pictures}))
    how = {"means": meta["means"], "stds": meta["stds"], "scale": meta["scale"]}
    expected = by_hand(pictures, default, meta["layerNames"][layers], meta["height"], **how)
    if expected.ndim == 4:
        expected = expected.mean(axis=(2, 3))
    np.testing.assert_allclose(vectors(made), expected, rtol=1e-3, atol=1e-4)


def test_more_layers_than_there_are_is_a_clear_error(pictures):
    with pytest.raises(InvalidParamError, match=r"`cutOutputLayers` must be below 4, .* got 4"):
        ImageFeaturizer(cutOutputLayers=4).transform(pa.table({"image": pictures}))


# -- networks without metadata ----------------------------------------------------------------------------------------

LIGHT = {
    "light_squeezenet": ("data_0", "Concat"),
    "light_resnet50": ("gpu_0/data_0", None),
}


@pytest.fixture(scope="module", params=sorted(LIGHT))
def light(request) -> tuple[str, onnx.ModelProto]:
    """A graph of the onnx package; SqueezeNet with random instead of constant weights, so that pictures differ."""
    model = onnx.load(networks.LIGHT / f"{request.param}.onnx")
    if request.param == "light_squeezenet":
        randomise(model)
    return request.param, model


def randomise(model: onnx.ModelProto) -> None:
    rng = np.random.default_rng(0)
    shapes = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    for constant in [n for n in model.graph.node if n.op_type == "ConstantOfShape"]:
        shape = tuple(shapes[constant.input[0]])
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        weights = (rng.standard_normal(shape) * scale).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, constant.output[0]))
        model.graph.node.remove(constant)


def feature_input(model: onnx.ModelProto) -> str:
    """What the last fully connected layer or convolution reads."""
    layer = [n for n in model.graph.node if n.op_type in ("Gemm", "Conv", "MatMul")][-1]
    return layer.input[0]


def test_a_light_network_equals_the_pipeline_written_by_hand(light, pictures):
    name, model = light
    featurizer = ImageFeaturizer(outputCol="f", model=model.SerializeToString(), miniBatchSize=3)
    made = vectors(featurizer.transform(pa.table({"image": pictures})))
    expected = by_hand(pictures, model, feature_input(model), 224)
    if expected.ndim == 4:
        expected = expected.mean(axis=(2, 3))
    np.testing.assert_allclose(made, expected.reshape(4, -1), rtol=2e-3, atol=1e-4)
    if name == "light_squeezenet":
        assert np.abs(made[0] - made[1]).max() > 0.01, "the pictures differ"


def test_a_light_network_gives_scores_with_its_head(light, pictures):
    _, model = light
    featurizer = ImageFeaturizer(outputCol="f", model=model.SerializeToString(), headless=False)
    made = vectors(featurizer.transform(pa.table({"image": pictures})))
    expected = by_hand(pictures, model, model.graph.output[0].name, 224).reshape(4, -1)
    np.testing.assert_allclose(made, expected, rtol=2e-3, atol=1e-6)


# -- params -----------------------------------------------------------------------------------------------------------


def features(pictures, model, **params) -> np.ndarray:
    return vectors(
        ImageFeaturizer(outputCol="f", model=model, **params).transform(pa.table({"image": pictures}))
    )


@pytest.mark.parametrize("pooling", ["auto", "avg", "max", "grid", "none"])
def test_pooling_says_what_becomes_of_rows_and_columns(pictures, pooling):
    model = networks.pictures_network()
    maps = by_hand(pictures, model, "maps", 16)
    quarters = maps.reshape(*maps.shape[:2], 2, maps.shape[2] // 2, 2, maps.shape[3] // 2).mean(axis=(3, 5))
    expected = {
        "max": maps.max(axis=(2, 3)),
        "grid": quarters.reshape(4, -1),
        "none": maps.reshape(4, -1),
    }.get(pooling, maps.mean(axis=(2, 3)))
    got = features(pictures, model, featureTensorName="maps", pooling=pooling)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_the_feature_tensor_is_found_in_the_graph_or_named(pictures):
    model = networks.pictures_network()
    pooled = by_hand(pictures, model, "pooled", 16)
    np.testing.assert_allclose(features(pictures, model), pooled, rtol=1e-3, atol=1e-4)
    convolved = by_hand(pictures, model, "convolved", 16).mean(axis=(2, 3))
    got = features(pictures, model, featureTensorName="convolved")
    np.testing.assert_allclose(got, convolved, rtol=1e-3, atol=1e-4)


def test_an_unknown_feature_tensor_lists_near_names(pictures):
    with pytest.raises(ModelLoadError, match=r"ImageFeaturizer: the model has no tensor `map`; .*`maps`"):
        features(pictures, networks.pictures_network(), featureTensorName="map")


def test_normalization_is_as_given(pictures):
    model = networks.pictures_network()
    how = {"means": (10.0, 20.0, 30.0), "stds": (1.0, 2.0, 4.0), "scale": 1.0}
    expected = by_hand(pictures, model, "pooled", 16, **how)
    got = features(
        pictures,
        model,
        channelNormalizationMeans=how["means"],
        channelNormalizationStds=how["stds"],
        colorScaleFactor=1.0,
    )
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-2)


PLAIN = {"channelNormalizationMeans": [0.0] * 3, "channelNormalizationStds": [1.0] * 3}


def test_bgr_networks_get_their_channels_in_that_order(pictures):
    model = networks.pictures_network()
    rgb = decode_to_tensor(pictures, height=16, width=16, means=[0] * 3, stds=[1] * 3)
    (expected,) = networks.reference(
        networks.with_outputs(model, "pooled"), {"image": np.ascontiguousarray(rgb[:, ::-1])}
    )
    np.testing.assert_allclose(
        features(pictures, model, channelOrder="bgr", **PLAIN), expected, rtol=1e-3, atol=1e-4
    )


PRESETS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1 / 255),
    "efficientnet-lite": ((127.0,) * 3, (128.0,) * 3, 1.0),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), 1 / 255),
    "none": ((0.0,) * 3, (1.0,) * 3, 1.0),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_normalization(pictures, name):
    metadata = {"mmlrs.image": json.dumps({"means": [9.0] * 3, "stds": [7.0] * 3, "scale": 3.0})}
    model = networks.pictures_network(metadata=metadata)
    means, stds, scale = PRESETS[name]
    expected = by_hand(pictures, model, "pooled", 16, means=means, stds=stds, scale=scale)
    np.testing.assert_allclose(features(pictures, model, preprocessing=name), expected, rtol=1e-3, atol=1e-3)


def test_the_preset_caffe_has_the_channels_in_reverse(pictures):
    model = networks.pictures_network()
    rgb = decode_to_tensor(pictures, height=16, width=16, means=[0] * 3, stds=[1] * 3, scale=1.0)
    bgr = rgb[:, ::-1] - np.array([103.939, 116.779, 123.68], np.float32)[:, None, None]
    (expected,) = networks.reference(
        networks.with_outputs(model, "pooled"), {"image": np.ascontiguousarray(bgr)}
    )
    np.testing.assert_allclose(
        features(pictures, model, preprocessing="caffe"), expected, rtol=1e-3, atol=1e-2
    )


def test_params_of_the_normalization_take_precedence_over_a_preset(pictures):
    model = networks.pictures_network()
    got = features(pictures, model, preprocessing="caffe", channelOrder="rgb", **PLAIN)
    expected = by_hand(pictures, model, "pooled", 16, means=(0.0,) * 3, stds=(1.0,) * 3, scale=1.0)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-2)
    with pytest.raises(InvalidParamError, match="ImageFeaturizer: param `preprocessing` must be one of"):
        features(pictures, model, preprocessing="torch")


@pytest.mark.parametrize("spelling", ["bgr", "BGR"])
def test_the_models_metadata_says_the_channel_order_in_either_spelling(pictures, spelling):
    plain = networks.pictures_network()
    marked = networks.pictures_network(metadata={"mmlrs.image": json.dumps({"channelOrder": spelling})})
    expected = features(pictures, plain, channelOrder="bgr", **PLAIN)
    np.testing.assert_array_equal(features(pictures, marked, **PLAIN), expected)


def test_a_network_with_channels_last_gets_them_last(pictures):
    last = features(pictures, networks.pictures_network(nhwc=True))
    np.testing.assert_allclose(last, features(pictures, networks.pictures_network()), rtol=1e-4, atol=1e-5)


def test_a_network_for_bytes_gets_pixel_values(pictures):
    model = networks.pictures_network(kind=onnx.TensorProto.UINT8)
    got = features(pictures, model, colorScaleFactor=1.0, **PLAIN)
    batch = decode_to_tensor(pictures, height=16, width=16, means=[0] * 3, stds=[1] * 3, scale=1.0)
    (expected,) = networks.reference(
        networks.with_outputs(model, "pooled"), {"image": np.rint(batch).astype(np.uint8)}
    )
    np.testing.assert_allclose(got, expected, rtol=1e-2, atol=0.5)


def color_means(metadata: dict | None = None, kind: int = onnx.TensorProto.UINT8) -> onnx.ModelProto:
    """The mean of each channel of the numbers that come in."""
    return networks.network(
        [
            networks.node("Cast", ["x"], ["f"], to=onnx.TensorProto.FLOAT),
            networks.node("GlobalAveragePool", ["f"], ["g"]),
            networks.node("Flatten", ["g"], ["y"]),
        ],
        [networks.value("x", ["N", 3, 8, 8], kind)],
        [networks.value("y", ["N", 3])],
        metadata={"mmlrs.image": json.dumps(metadata)} if metadata else None,
    )


def plain(color: tuple[int, int, int]) -> bytes:
    return encoded(np.full((20, 20, 3), color, np.uint8))


def test_pixels_stay_pixels_for_a_network_of_whole_numbers():
    colors = [(200, 100, 50), (90, 90, 90), (0, 255, 1)]
    table = pa.table({"image": [plain(c) for c in colors]})
    made = ImageFeaturizer(outputCol="f", model=color_means(), headless=False).transform(table)
    assert made["f"].to_pylist() == [list(c) for c in colors]


@pytest.mark.parametrize("how", ["params", "metadata"])
def test_what_params_or_metadata_say_holds_for_a_network_of_whole_numbers_too(how):
    params = {"channelNormalizationMeans": [50.0] * 3, "channelNormalizationStds": [2.0] * 3}
    metadata = {"means": [50.0] * 3, "stds": [2.0] * 3}
    model = color_means(metadata if how == "metadata" else None)
    stage = ImageFeaturizer(outputCol="f", model=model, headless=False, **(params if how == "params" else {}))
    with pytest.warns(UserWarning, match=r"input `x` holds integers from 0 to 255 .* gives -25.0 to 102.5"):
        made = stage.transform(pa.table({"image": [plain((200, 100, 60))]}))
    assert made["f"].to_pylist() == [[75, 25, 5]]


DOUBTS = {
    "deviations of pixels at a scale of 1/255": (
        {"channelNormalizationMeans": [127.0] * 3, "channelNormalizationStds": [128.0] * 3},
        "channelNormalizationStds goes up to 128, so that all images look alike; .* factor 1.0 in colorScaleFactor",
    ),
    "means of pixels at a scale of 1/255": (
        {"channelNormalizationMeans": [124.0, 116.0, 104.0], "channelNormalizationStds": [1.0] * 3},
        "channelNormalizationMeans goes up to 124",
    ),
    "small means of whole pixels": (
        {
            "channelNormalizationMeans": [0.5] * 3,
            "channelNormalizationStds": [0.5] * 3,
            "colorScaleFactor": 1.0,
        },
        "channelNormalizationMeans goes up to 0.5 only",
    ),
    "means without deviations": (
        {"channelNormalizationMeans": [0.5] * 3},
        "channelNormalizationMeans is set and channelNormalizationStds is not, so ImageNet's 0.229, 0.224, 0.225 are used",
    ),
    "deviations without means": (
        {"channelNormalizationStds": [0.5] * 3},
        "channelNormalizationStds is set and channelNormalizationMeans is not",
    ),
    "a scale alone": ({"colorScaleFactor": 1 / 127.5}, "colorScaleFactor is .*; set all three"),
}


@pytest.mark.parametrize("kind", DOUBTS)
def test_a_normalization_that_nobody_can_mean_is_told_once(kind, pictures):
    params, words = DOUBTS[kind]
    stage = ImageFeaturizer(outputCol="f", model=networks.pictures_network(), **params)
    table = pa.table({"image": pictures[:1]})
    with pytest.warns(UserWarning, match="ImageFeaturizer: .*" + words) as told:
        [s.transform(table) for s in (stage, stage.copy())]
    assert len(told) == 1


def test_a_normalization_in_the_metadata_is_doubted_as_such(pictures):
    model = networks.pictures_network(metadata={"mmlrs.image": json.dumps({"means": [0.5] * 3})})
    with pytest.warns(
        UserWarning, match="the mean of the model's metadata is set and channelNormalizationStds is not"
    ):
        features(pictures, model)


def test_the_tensors_of_the_image_transformer_are_doubted_too(pictures):
    table = pa.table({"image": pictures[:1]})
    wide = ImageTransformer(outputCol="t").resize(4, 4).normalize([127.0] * 3, [128.0] * 3, 1 / 255)
    with pytest.warns(UserWarning, match="ImageTransformer: .*normalizeStd .*goes up to 128"):
        wide.transform(table)
    idle = ImageTransformer(outputCol="t", normalizeMean=[0.5] * 3)
    with pytest.warns(
        UserWarning, match="ImageTransformer: param `normalizeMean` has no effect without toTensor=True"
    ):
        idle.transform(table)


def test_a_tensor_of_a_call_is_doubted_too(pictures):
    with pytest.warns(UserWarning, match=r"decode_to_tensor: .*stds goes up to 128"):
        decode_to_tensor(pictures[:1], height=4, width=4, means=[127] * 3, stds=[128] * 3)


def test_means_of_an_impossible_number_are_named(pictures):
    with pytest.raises(
        InvalidParamError, match=r"param `channelNormalizationMeans` has 2 values, .* have 3 channels"
    ):
        features(pictures, networks.pictures_network(), channelNormalizationMeans=[0.5, 0.5])


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ("maps", r"output `maps` has row shape \[5, 8, 8\], which is not that of class scores"),
        ("labels", r"output `labels` is a int64\[.*\], not floats; set outputTensorName to another tensor"),
    ],
)
def test_an_output_that_holds_no_class_scores_is_refused(tensor, words, pictures):
    model = networks.pictures_network()
    model.graph.node.append(networks.node("ArgMax", ["scores"], ["labels"], axis=1, keepdims=0))
    model.graph.output.append(networks.value("labels", ["N"], onnx.TensorProto.INT64))
    with pytest.raises((InvalidParamError, ModelLoadError), match="^ImageFeaturizer: .*" + words):
        features(pictures, model, headless=False, outputTensorName=tensor)
    assert features(pictures, model, headless=False).shape == (4, 4)


def test_the_features_that_the_metadata_names_are_no_class_scores(pictures):
    model = networks.with_outputs(networks.pictures_network(), "pooled")
    onnx.helper.set_model_props(model, {"mmlrs.image": json.dumps({"featureTensor": "pooled"})})
    with pytest.raises(InvalidParamError, match="no class scores according to its metadata"):
        features(pictures, model, headless=False)


def test_a_network_of_no_declared_rank_takes_pictures_of_the_size_that_is_set(pictures):
    model = networks.pictures_network()
    for info in (model.graph.input[0], model.graph.output[0]):
        info.type.tensor_type.ClearField("shape")
    got = features(pictures, model, imageHeight=16, imageWidth=16)
    np.testing.assert_allclose(
        got, by_hand(pictures, networks.pictures_network(), "pooled", 16), rtol=1e-3, atol=1e-4
    )


def test_a_network_for_gray_pictures_gets_gray(pictures):
    got = features(pictures, networks.pictures_network(channels=1))
    assert got.shape == (4, 5)
    assert np.isfinite(got).all()


def test_a_network_of_any_size_needs_one_named(pictures):
    model = networks.pictures_network(side="S")
    with pytest.raises(InvalidParamError, match="param `imageHeight` must be set"):
        features(pictures, model)
    got = features(pictures, model, imageHeight=32, imageWidth=32)
    np.testing.assert_allclose(got, by_hand(pictures, model, "pooled", 32), rtol=1e-3, atol=1e-4)


def test_a_network_of_a_fixed_size_refuses_another(pictures):
    with pytest.raises(
        InvalidParamError, match="param `imageHeight` is 32, but the network only accepts images of 16"
    ):
        features(pictures, networks.pictures_network(), imageHeight=32)


def test_a_model_that_is_not_for_pictures_is_told_so(pictures):
    with pytest.raises(
        ModelLoadError, match=r"ImageFeaturizer: input `x` is a .*, which is not a batch of images"
    ):
        features(pictures, networks.linear())


def test_the_size_of_a_mini_batch_does_not_change_the_features(pictures):
    model = networks.pictures_network()
    whole = features(pictures * 3, model)
    for size in (1, 5, 12):
        np.testing.assert_allclose(
            features(pictures * 3, model, miniBatchSize=size), whole, rtol=1e-5, atol=1e-6
        )


def test_images_bytes_and_files_give_the_same_features(pictures):
    model = networks.pictures_network()
    table = pa.table({"image": pictures})
    images = ImageTransformer(outputCol="decoded").transform(table)["decoded"]
    files = pa.array([{"path": f"{i}.png", "bytes": p} for i, p in enumerate(pictures)])
    expected = features(pictures, model)
    for column in (images, files):
        made = ImageFeaturizer(outputCol="f", model=model).transform(pa.table({"image": column}))
        np.testing.assert_allclose(vectors(made), expected, rtol=1e-3, atol=1e-3)


# -- bad rows ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(pictures) -> pa.Table:
    """A good picture, a null, half a JPEG's header, no picture at all, nothing, and a good one."""
    jpeg = encoded(photographs.chelsea(), "jpeg")
    cells = [pictures[0], None, jpeg[:40], b"not an image", b"", pictures[1]]
    return pa.table({"image": pa.array(cells, pa.binary()), "name": ["a", "b", "c", "d", "e", "f"]})


@pytest.mark.parametrize("size", [1, 2, 64])
def test_bad_pictures_are_null_with_their_reason_under_keep(spoiled, pictures, size):
    keeping = ImageFeaturizer(
        outputCol="f", originCol="name", handleInvalid="keep", errorCol="why", miniBatchSize=size
    )
    made = keeping.transform(spoiled)
    assert [v is None for v in made["f"].to_pylist()] == [False, True, True, True, True, False]
    reasons = made["why"].to_pylist()
    assert [r is None for r in reasons] == [False ^ True, False, False, False, False, True]
    assert all(f"({name})" in reason for name, reason in zip("bcde", reasons[1:5], strict=True))
    good = ImageFeaturizer(outputCol="f").transform(pa.table({"image": pictures[:2]}))
    kept = [v for v in made["f"].to_pylist() if v is not None]
    np.testing.assert_allclose(kept, good["f"].to_pylist(), rtol=1e-4, atol=1e-5)


def test_bad_pictures_are_dropped_under_skip(spoiled):
    made = ImageFeaturizer(outputCol="f", handleInvalid="skip").transform(spoiled)
    assert made["name"].to_pylist() == ["a", "f"]


@pytest.mark.parametrize("row", [1, 2, 3, 4])
def test_a_bad_picture_is_one_clear_error_by_default(spoiled, row):
    table = spoiled.take([0, row, 5])
    with pytest.raises(
        DecodeError, match=rf"^ImageFeaturizer: column `image`, row 1 of the table \({'abcdef'[row]}\): "
    ):
        ImageFeaturizer(outputCol="f", originCol="name").transform(table)


def test_only_bad_pictures_give_only_nulls():
    table = pa.table({"image": pa.array([None, b"", b"x"], pa.binary())})
    made = ImageFeaturizer(outputCol="f", handleInvalid="keep").transform(table)
    assert made["f"].null_count == 3


def test_a_column_that_holds_no_pictures_is_named():
    with pytest.raises(
        SchemaMismatchError, match=r"ImageFeaturizer: column `image`: .*reads image struct, encoded bytes"
    ):
        ImageFeaturizer().transform(pa.table({"image": [1.0]}))


# -- the stage --------------------------------------------------------------------------------------------------------


def test_transform_does_not_change_the_stage(pictures):
    stage = ImageFeaturizer(outputCol="f")
    params, model, values = stage._params_json(), stage.getModel(), dict(stage._paramMap)
    table = pa.table({"image": pictures})
    first, second = stage.transform(table), stage.transform(table)
    assert first.equals(second)
    assert (stage._params_json(), stage._paramMap) == (params, values)
    assert stage.getModel() is model


def test_the_network_is_loaded_once_for_any_number_of_stages(pictures):
    model = networks.pictures_network(metadata={"n": "loaded once"})
    table = pa.table({"image": pictures})
    before = mmlrs.counters()["model_loads"]
    for size in (1, 2, 64):
        ImageFeaturizer(outputCol="f", model=model, miniBatchSize=size).transform(table)
    assert mmlrs.counters()["model_loads"] == before + 1


@pytest.mark.spark
def test_spark_gives_vectors_with_their_size(spark, pictures):
    from pyspark.ml.linalg import DenseVector, VectorUDT

    rows = [(i, bytearray(p)) for i, p in enumerate(pictures)]
    df = spark.createDataFrame(rows, "i int, image binary").repartition(2)
    stage = ImageFeaturizer(outputCol="f")
    made = stage.transform(df)
    expected = vectors(stage.transform(pa.table({"image": pictures})))
    assert isinstance(made.schema["f"].dataType, VectorUDT)
    assert made.schema["f"].metadata == {"ml_attr": {"num_attrs": expected.shape[1]}}
    for row in made.collect():
        assert isinstance(row["f"], DenseVector)
        np.testing.assert_allclose(row["f"].toArray(), expected[row["i"]], rtol=1e-4, atol=1e-5)


@pytest.mark.spark
def test_spark_keeps_and_counts_bad_pictures(spark, spoiled):
    df = spark.createDataFrame(
        [tuple(row.values()) for row in spoiled.to_pylist()], "image binary, name string"
    )
    made = ImageFeaturizer(outputCol="f", handleInvalid="keep", errorCol="why").transform(df)
    assert sorted(r["name"] for r in made.where("why is not null").collect()) == ["b", "c", "d", "e"]
    skipped = ImageFeaturizer(outputCol="f", handleInvalid="skip").transform(df)
    assert sorted(r["name"] for r in skipped.collect()) == ["a", "f"]
    with pytest.raises(Exception, match="ImageFeaturizer: column `image`, row 1 of the batch"):
        ImageFeaturizer(outputCol="f").transform(df.coalesce(1)).collect()
