"""`quantize` of stages for images: the network reads the same tensors, and names of layers stay."""

from __future__ import annotations

import io
import json

import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from PIL import Image
from skimage import data as photographs

from bench import pictures as bench_pictures
from mmlrs.errors import InvalidParamError
from mmlrs.image import DeepImageFeaturizer, DeepImagePredictor, ImageClassifier, ImageFeaturizer


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    """A warning comes once per process and text."""
    monkeypatch.setattr("mmlrs._warnings._warned", set())


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def images() -> pa.Table:
    """24 cuttings of two photographs."""
    cat, coffee = photographs.chelsea(), photographs.coffee()
    cut = [
        p[y : y + 120, x : x + 150] for p in (cat, coffee) for y in (0, 60, 120, 180) for x in (0, 100, 200)
    ]
    return pa.table({"image": [png(np.ascontiguousarray(pixels)) for pixels in cut]})


def vectors(made: pa.Table, name: str = "f") -> np.ndarray:
    return np.array(made[name].to_pylist(), dtype=np.float32)


SETTINGS = {
    "mmlrs.image": json.dumps({"means": [100.0, 110.0, 120.0], "stds": [50.0, 60.0, 70.0], "scale": 1.0})
}


@pytest.mark.parametrize(
    ("given", "params"),
    [
        ({}, {}),
        ({"nhwc": True}, {"channelOrder": "bgr"}),
        ({"channels": 1}, {"interpolation": "cubic"}),
        ({"kind": onnx.TensorProto.UINT8}, {}),
        ({"metadata": SETTINGS}, {"scaledDecode": False}),
        ({"side": None}, {"imageHeight": 12, "imageWidth": 20}),
    ],
    ids=["plain", "channels last", "gray", "integers", "metadata", "any size"],
)
def test_the_network_reads_what_it_reads_in_transform(images, given, params):
    network = networks.pictures_network(**given)
    stage = ImageFeaturizer(
        model=network, headless=False, outputCol="f", outputType="array", **{"preprocessing": None, **params}
    )
    [name] = [one.name for one in network.graph.input]
    rows = list(stage._network_rows(network, images))
    made = np.concatenate([networks.reference(network, {name: row[name][None]})[0] for row in rows])
    np.testing.assert_allclose(made, vectors(stage.transform(images)), rtol=1e-5, atol=1e-5)


def test_scores_and_features_of_a_network_without_metadata(images):
    """The layers are searched for in the graph of floats and named in the metadata of the quantized one."""
    network = networks.pictures_network()
    before = ImageFeaturizer(model=network, outputCol="f", outputType="array")
    made = before.quantize(images)
    [entry] = onnx.ModelProto.FromString(made.getModel().read()).metadata_props
    assert json.loads(entry.value) == {"layerNames": ["scores", "pooled"]}
    for changed in ({"headless": False}, {"cutOutputLayers": 1}):
        a, b = (vectors(s.copy(changed).transform(images)) for s in (made, before))
        assert np.abs(a - b).max() < 0.05 * np.abs(b).max()


@pytest.mark.parametrize(
    ("kind", "param"),
    [(ImageClassifier, "model"), (DeepImageFeaturizer, "modelName"), (DeepImagePredictor, "modelName")],
)
def test_the_other_stages_for_images(images, kind, param):
    labelled = networks.pictures_network(metadata={"mmlrs.image": json.dumps({"labels": list("abcd")})})
    before = kind(**{param: labelled}, inputCol="image", outputCol="f")
    made = before.quantize(images, rows=8)
    assert made._value(param) != before._value(param)
    assert made.transform(images).schema.equals(before.transform(images).schema)


def test_damaged_pictures_are_left_out_and_none_left_is_an_error(images):
    stage = ImageClassifier(model=networks.pictures_network(), inputCol="image", outputCol="f")
    with pytest.warns(UserWarning, match=r"ImageClassifier.quantize: 1 of 25 rows cannot be read"):
        stage.quantize(pa.table({"image": [b"damaged", *images["image"].to_pylist()]}))
    with pytest.raises(
        InvalidParamError, match=r"ImageClassifier.quantize: param `dataset`: none of 2 rows can"
    ):
        stage.quantize(pa.table({"image": [b"damaged", None]}))


def test_lite0_keeps_its_answers(images):
    """On photographs that it was not calibrated on; its classes are sure of themselves on some of them only."""
    photos = pa.table({"image": [bench_pictures.jpeg(p) for p in bench_pictures.photographs().values()]})
    before = ImageClassifier(inputCol="image", outputCol="f", topK=1)
    made = before.quantize(images)
    (exact, near) = ([row[0] for row in stage.transform(photos)["f"].to_pylist()] for stage in (before, made))
    sure = [(a, b) for a, b in zip(exact, near, strict=True) if a["probability"] > 0.3]
    assert len(sure) > 5
    assert [b["class"] for _, b in sure] == [a["class"] for a, _ in sure]
    assert [b["description"] for _, b in sure] == [a["description"] for a, _ in sure]
