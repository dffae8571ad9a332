"""Models of the Hub in stages: their settings come from the repository, and nothing else needs saying."""

from __future__ import annotations

import io
import json

import numpy as np
import onnx
import pyarrow as pa
import pytest
import skimage.data
from hubs import transformers_cache
from networks import network, node, value
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from web import COMMIT, serve_hub

from mmlrs import models
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.image import ImageClassifier, ImageFeaturizer
from mmlrs.models import ModelHandle, _hub_models
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_image, sample_text_model, sample_tokenizer
from mmlrs.text import TextEmbedder

LABELS = ["red", "green", "blue"]
TABLE = pa.table({"image": [sample_image("png")]})


def means(**meta: str) -> onnx.ModelProto:
    """A classifier whose scores are the means of the channels."""
    nodes = [node("GlobalAveragePool", ["x"], ["pooled"]), node("Flatten", ["pooled"], ["scores"])]
    model = network(nodes, [value("x", ["N", 3, "h", "w"])], [value("scores", ["N", 3])])
    helper.set_model_props(model, meta)
    return model


def files(model: onnx.ModelProto, **preprocessor: object) -> dict[str, bytes]:
    settings = {"size": {"height": 16, "width": 16}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    config = {"id2label": {str(at): label for at, label in enumerate(LABELS)}}
    return {
        "onnx/model.onnx": model.SerializeToString(),
        "config.json": json.dumps(config).encode(),
        "preprocessor_config.json": json.dumps(settings | preprocessor).encode(),
    }


@pytest.fixture(autouse=True)
def fresh():
    """Nothing is known from other tests."""
    _hub_models._fetched.cache_clear()
    _hub_models._with_settings.cache_clear()


def test_preprocessing_and_labels_come_from_the_repository(repo, no_network):
    transformers_cache(repo, files(means()))
    name = f"hf:org/name@{COMMIT}"
    [objects] = ImageClassifier(model=name, outputCol="o").transform(TABLE)["o"].to_pylist()
    by_hand = ImageFeaturizer(
        model=means(),
        outputCol="s",
        headless=False,
        imageHeight=16,
        imageWidth=16,
        channelNormalizationMeans=[0.5] * 3,
        channelNormalizationStds=[0.25] * 3,
    )
    scores = np.array(by_hand.transform(TABLE)["s"][0].as_py())
    expected = np.exp(scores) / np.exp(scores).sum()
    assert {answer["class"]: pytest.approx(answer["probability"]) for answer in objects} == dict(
        zip(LABELS, expected, strict=True)
    )
    assert models.get(name) == ModelHandle(name=name)


def test_a_fetched_model_is_asked_for_once_per_process(hub):
    serve_hub(hub, files(means()))
    for _ in range(3):
        ImageClassifier(model="hf:org/name", outputCol="o").transform(TABLE)
    assert len([request for request in hub.requests if request.path.endswith("model.onnx")]) <= 2


def test_metadata_of_the_model_come_first(repo, no_network):
    own = means(**{"mmlrs.image": json.dumps({"height": 8, "width": 8, "labels": ["a", "b", "c"]})})
    transformers_cache(repo, files(own))
    [objects] = (
        ImageClassifier(model=f"hf:org/name@{COMMIT}", outputCol="o").transform(TABLE)["o"].to_pylist()
    )
    assert {answer["class"] for answer in objects} == {"a", "b", "c"}


def test_weights_in_side_files_of_the_cache_are_read(repo, no_network):
    weights = numpy_helper.from_array(np.array([1, 2, 3], np.float32).reshape(1, 3, 1, 1), "w")
    model = network(
        [
            node("Mul", ["x", "w"], ["scaled"]),
            node("GlobalAveragePool", ["scaled"], ["pooled"]),
            node("Flatten", ["pooled"], ["scores"]),
        ],
        [value("x", ["N", 3, "h", "w"])],
        [value("scores", ["N", 3])],
    )
    content = weights.raw_data
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "model.onnx_data"
    model.graph.initializer.append(weights)
    transformers_cache(repo, files(model) | {"onnx/model.onnx_data": content})
    [objects] = (
        ImageClassifier(model=f"hf:org/name@{COMMIT}", outputCol="o").transform(TABLE)["o"].to_pylist()
    )
    assert len(objects) == 3
    (repo / "blobs" / "elsewhere").mkdir()


CROP = {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}, "do_center_crop": True}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_centre_is_cropped_as_the_repository_says(repo, no_network, kind):
    transformers_cache(repo, files(means(), **CROP, image_mean=[0.0] * 3, image_std=[1.0] * 3))
    photograph = Image.fromarray(skimage.data.coffee())
    file = io.BytesIO()
    photograph.save(file, kind, quality=95)
    stage = ImageFeaturizer(model=f"hf:org/name@{COMMIT}", outputCol="f", headless=False)
    got = stage.transform(pa.table({"image": [file.getvalue()]}))["f"][0].as_py()
    # Pillow's filter "box" weights pixels by their area.
    resized = photograph.resize((48, 32), Image.Resampling.BOX).crop((10, 2, 38, 30))
    expected = np.asarray(resized).reshape(-1, 3).mean(axis=0) / 255
    whole = np.asarray(photograph).reshape(-1, 3).mean(axis=0) / 255
    np.testing.assert_allclose(got, expected, atol=0.004)
    assert np.abs(expected - whole).max() > 0.02, "the edges differ from the centre"


def test_a_crop_without_a_resize_is_not_made_and_says_so(repo, no_network):
    transformers_cache(repo, files(means(), **CROP, do_resize=False))
    with pytest.warns(UserWarning, match="the network was trained on the centre of images without a resize"):
        ImageFeaturizer(model=f"hf:org/name@{COMMIT}", outputCol="f", headless=False).transform(TABLE)


def test_a_network_for_images_without_settings_is_an_error(repo, no_network):
    content = {name: data for name, data in files(means()).items() if name != "preprocessor_config.json"}
    transformers_cache(repo, content | {"tokenizer.json": b"{}"})
    with pytest.raises(
        ModelLoadError,
        match=r"ImageFeaturizer: param `model`: .*there is no preprocessor_config.json.*pass its path, ",
    ):
        ImageFeaturizer(model=f"hf:org/name@{COMMIT}", outputCol="f").transform(TABLE)


def test_softmax_and_several_labels_are_followed(repo, no_network):
    model = means()
    content = files(model)
    config = json.loads(content["config.json"]) | {"problem_type": "multi_label_classification"}
    transformers_cache(repo, content | {"config.json": json.dumps(config).encode()})
    name = f"hf:org/name@{COMMIT}"
    [objects] = ImageClassifier(model=name, outputCol="o").transform(TABLE)["o"].to_pylist()
    scores = ImageFeaturizer(model=name, outputCol="s", headless=False).transform(TABLE)["s"][0].as_py()
    expected = sorted((1 / (1 + np.exp(-score)) for score in scores), reverse=True)
    assert [answer["probability"] for answer in objects] == pytest.approx(expected)


def test_settings_that_cannot_be_followed_are_an_error_with_the_path(repo, no_network):
    transformers_cache(repo, files(means(), image_mean="unknown"))
    with pytest.raises(
        ModelLoadError,
        match=r"image_mean.*to use the network with settings of your own, pass its path, .*onnx",
    ):
        ImageFeaturizer(model=f"hf:org/name@{COMMIT}", outputCol="f").transform(TABLE)


def test_the_tokenizer_comes_with_the_model(repo, no_network):
    content = {
        "onnx/model.onnx": sample_text_model(),
        "tokenizer.json": sample_tokenizer(),
        "config.json": b"{}",
    }
    transformers_cache(repo, content)
    stage = TextEmbedder(inputCol="t", outputCol="v", model=f"hf:org/name@{COMMIT}", maxLength=16)
    texts = pa.table({"t": ["the cat"]})
    expected = TextEmbedder(
        inputCol="t", outputCol="v", model=sample_text_model(), tokenizer=sample_tokenizer(), maxLength=16
    )
    assert stage.transform(texts)["v"].equals(expected.transform(texts)["v"])
    with pytest.raises(InvalidParamError, match="param `tokenizer` must be set, because `model` is set"):
        stage.setModel(sample_text_model()).transform(texts)


def test_a_saved_stage_needs_no_hub(repo, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # Spark, if it has started, saves through a socket
    transformers_cache(repo, files(means()))
    stage = ImageClassifier(model=f"hf:org/name@{COMMIT}", outputCol="o")
    stage.save(str(tmp_path / "saved"))
    expected = stage.transform(TABLE)
    for path in repo.rglob("*"):
        if path.is_file() or path.is_symlink():
            path.unlink()
    _hub_models._fetched.cache_clear()
    assert ImageClassifier.load(str(tmp_path / "saved")).transform(TABLE).equals(expected)


@pytest.mark.parametrize(
    "name", ["hf:name", "hf:org/../x", "hf:org/name/../../x.onnx", "hf:org/name/weights.pth", "hf:"]
)
def test_a_wrong_name_is_refused_when_it_is_set(name):
    with pytest.raises((InvalidParamError, ModelLoadError), match="hf:"):
        ONNXModel(model=name)


@pytest.mark.parametrize("name", ["hf:org/name/model.safetensors", "hf:org/name@v1/x/MODEL.SafeTensors"])
def test_weights_without_a_network_are_refused_when_they_are_set(name, no_network):
    with pytest.raises(
        (InvalidParamError, ModelLoadError), match=r"holds weights without a network; .*optimum-cli export"
    ):
        ImageClassifier(model=name)


def test_a_damaged_file_of_the_cache_is_refused_with_what_to_delete(repo, no_network):
    transformers_cache(repo, files(means()))
    name = f"hf:org/name@{COMMIT}"
    handle = models.get(name)
    blob = (repo / "snapshots" / COMMIT / "onnx/model.onnx").resolve()
    blob.write_bytes(blob.read_bytes()[:-9])
    for work in (
        lambda: models.get(name),
        lambda: ImageClassifier(model=handle, outputCol="o").transform(TABLE),
    ):
        with pytest.raises(
            ModelLoadError, match=f"is damaged: its SHA-256 is .*; delete {blob} and try again"
        ):
            work()


def test_a_damaged_file_without_a_checksum_is_refused_with_what_to_delete(repo, no_network):
    path = repo / "snapshots" / COMMIT / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(means().SerializeToString()[:-9])
    (path.parent / "config.json").write_text("{}")
    (path.parent / "tokenizer.json").write_text("{}")
    with pytest.raises(
        ModelLoadError, match=rf"{path}.*is not an ONNX model.*; if the file is damaged, delete it"
    ):
        models.get(f"hf:org/name@{COMMIT}/model.onnx")
