"""`ObjectDetector`: every layout of outputs, suppression, places in the image, and networks that are no detectors."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from detectors import cells, detector, kept
from networks import network, node, value
from PIL import Image, ImageDraw, ImageFont

import mmlrs
from mmlrs.errors import DecodeError, InvalidParamError, ModelLoadError
from mmlrs.image import ObjectDetector
from mmlrs.testing import sample_detector, sample_image, sample_model

LABELS = ["cat", "dog", "bird"]
#: Class, score and corners as fractions of an image twice as wide as high.
KNOWN = [(0, 0.9, (0.25, 0.5, 0.5, 1.0)), (2, 0.75, (0.0, 0.0, 0.25, 0.25)), (1, 0.5, (0.5, 0.25, 1.0, 0.5))]


def png(height: int, width: int, colour: tuple[int, int, int] = (90, 120, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, "PNG")
    return stream.getvalue()


def found(model: Any, image: bytes | None = None, **params: Any) -> Any:
    """The objects of one image."""
    table = pa.table({"image": pa.array([png(50, 100) if image is None else image], pa.binary())})
    stage = ObjectDetector(outputCol="objects", model=model, **{"labels": LABELS, **params})
    return stage.transform(table)["objects"].to_pylist()[0]


def check(objects: list[dict], known: list = KNOWN, atol: float = 1e-5) -> None:
    assert [o["label"] for o in objects] == [LABELS[k] for k, *_ in known]
    for o, (_, score, (left, top, right, bottom)) in zip(objects, known, strict=True):
        places = [o["x"], o["y"], o["width"], o["height"]]
        np.testing.assert_allclose(places, [left, top, right - left, bottom - top], atol=atol)
        assert o["score"] == pytest.approx(score, abs=1e-5)


def pixels(corners: tuple[float, ...], top: int = 16) -> np.ndarray:
    """Centre, width and height in an input of 64 x 64 pixels that shows the image in 32 rows from `top` on."""
    left, upper, right, lower = np.array(corners) * [64, 32, 64, 32] + [0, top, 0, top]
    return np.array([(left + right) / 2, (upper + lower) / 2, right - left, lower - upper], np.float32)


def yolo(boxes: int, first: int) -> np.ndarray:
    """Rows of boxes, without objects but the known ones."""
    rows = np.zeros((boxes, first + 3), np.float32)
    for at, (label, score, corners) in enumerate(KNOWN):
        rows[7 * at, :4] = pixels(corners)
        rows[7 * at, 4:first] = 0.95
        rows[7 * at, first + label] = score / (0.95 if first == 5 else 1)
    return rows


def test_yolo_5_has_a_score_that_there_is_an_object():
    check(found(detector({"output": yolo(3 * 84, 5)})))


def test_yolo_8_has_a_row_for_each_number():
    check(found(detector({"output0": yolo(84, 4).T})))
    # The same, turned round by the exporter.
    check(found(detector({"output0": yolo(84, 4)}), layout="yolo"))


def test_yolo_10_has_final_boxes():
    rows = np.zeros((300, 6), np.float32)
    for at, (label, score, corners) in enumerate(KNOWN):
        x, y, width, height = pixels(corners)
        rows[2 - at] = [x - width / 2, y - height / 2, x + width / 2, y + height / 2, score, label]
    check(found(detector({"output0": rows})))
    rows[5] = [0, 0, 9, 9, 0.8, 3]
    with pytest.raises(DecodeError, match="an object of class 3, which is no class; there are 3 labels"):
        found(detector({"output0": rows}))


@pytest.mark.parametrize("decoded", [False, True])
def test_yolox_counts_from_cells_and_has_the_image_in_the_corner(decoded):
    grid = cells((64, 64))
    rows = np.zeros((84, 8), np.float32)
    for at, (label, score, corners) in enumerate(KNOWN):
        cell = 5 + 30 * at
        place = pixels(corners, top=0)
        raw = np.concatenate([place[:2] / grid[cell, 2] - grid[cell, :2], np.log(place[2:] / grid[cell, 2])])
        rows[cell, :4] = place if decoded else raw
        rows[cell, 4], rows[cell, 5 + label] = 0.95, score / 0.95
    model = detector({"output": rows})
    if decoded:
        # The graph has an exponential, since it decodes its boxes itself.
        model.graph.node.append(node("Exp", ["zero"], ["one"]))
        model.graph.node.extend(
            [node("Sub", ["one", "unit"], ["null"]), node("Add", ["output", "null"], ["final"])]
        )
        model.graph.initializer.append(cv_tensor("unit", np.ones(1, np.float32)))
        model.graph.output[0].name = "final"
    check(found(model), atol=1e-4)


def cv_tensor(name: str, array: np.ndarray) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(array, name)


def centred(corners: tuple[float, ...]) -> list[float]:
    left, top, right, bottom = corners
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def test_detr_has_no_object_as_its_last_class():
    logits, boxes = np.zeros((100, 4), np.float32), np.full((100, 4), 0.5, np.float32)
    logits[:, 3] = 9
    for at, (label, score, corners) in enumerate(KNOWN):
        logits[40 + at] = np.log((1 - score) / 3)
        logits[40 + at, label] = np.log(score)
        boxes[40 + at] = centred(corners)
    check(found(detector({"logits": logits, "pred_boxes": boxes})))
    # Both have four numbers per box.
    check(found(detector({"a": boxes, "b": logits}), layout="detr", outputTensorName="b"))
    check(found(detector({"a": logits, "b": boxes}), layout="detr", outputTensorName="a"))
    with pytest.raises(
        InvalidParamError, match="param `outputTensorName` must be set to the output with the class scores"
    ):
        found(detector({"a": boxes, "b": logits}))
    with pytest.warns(UserWarning, match="no labels, so `label` is the index"):
        unlabelled = found(detector({"logits": logits, "pred_boxes": boxes}), labels=None)
    assert [o["label"] for o in unlabelled] == ["0", "2", "1"]


def test_rt_detr_has_an_independent_score_for_each_class():
    logits, boxes = np.full((300, 3), -9, np.float32), np.full((300, 4), 0.5, np.float32)
    for at, (label, score, corners) in enumerate(KNOWN):
        logits[at, label] = np.log(score / (1 - score))
        boxes[at] = centred(corners)
    check(found(detector({"logits": logits, "pred_boxes": boxes})))
    check(
        found(
            detector({"logits": logits, "pred_boxes": boxes}, names=str(dict(enumerate(LABELS)))), labels=None
        )
    )
    logits[0, 1] = logits[0, 0]
    both = found(detector({"logits": logits, "pred_boxes": boxes}), layout="rtdetr")
    assert [o["label"] for o in both] == ["cat", "dog", "bird", "dog"]
    # Another exporter writes probabilities and boxes into one output.
    one = np.concatenate([boxes, 1 / (1 + np.exp(-logits))], axis=1)
    again = found(detector({"output0": one}))
    assert [o["label"] for o in again] == ["cat", "bird", "dog"], "one class for each box"
    check(again)


@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.7, 1.0])
def test_suppression_equals_the_reference(threshold):
    random = np.random.default_rng(5)
    for boxes, scale in [(400, 12), (2000, 30)]:
        rows = np.zeros((boxes, 7), np.float32)
        rows[:, :2], rows[:, 2:4] = random.uniform(16, 48, (boxes, 2)), random.uniform(1, scale, (boxes, 2))
        rows[:, 4:] = random.uniform(0, 1, (boxes, 3))
        objects = found(
            detector({"output": rows}),
            png(64, 64),
            layout="yolo",
            iouThreshold=threshold,
            scoreThreshold=0.3,
            maxDetections=10_000,
        )
        classes, scores = rows[:, 4:].argmax(axis=1), rows[:, 4:].max(axis=1)
        corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)
        likely = np.flatnonzero(scores >= np.float32(0.3))
        expected = likely[kept(corners[likely], scores[likely], classes[likely], np.float32(threshold))]
        assert [o["score"] for o in objects] == [float(scores[i]) for i in expected]
        clipped = np.clip(corners[expected] / 64, 0, 1)
        got = np.array([[o["x"], o["y"], o["x"] + o["width"], o["y"] + o["height"]] for o in objects])
        np.testing.assert_allclose(got, clipped, atol=1e-6)
        assert [o["label"] for o in objects] == [LABELS[classes[i]] for i in expected]


def test_a_hundred_thousand_boxes_give_the_best_ones():
    random = np.random.default_rng(1)
    rows = np.zeros((100_000, 8), np.float32)
    rows[:, :2], rows[:, 2:4], rows[:, 4] = random.uniform(0, 64, (100_000, 2)), 0.01, 1
    rows[:, 5:] = random.uniform(0, 1, (100_000, 3))
    objects = found(detector({"output": rows}), png(64, 64), layout="yolo", scoreThreshold=0.0)
    assert len(objects) == 300
    assert [o["score"] for o in objects] == sorted((o["score"] for o in objects), reverse=True)
    assert objects[0]["score"] == pytest.approx(rows[:, 5:].max())


def test_boxes_end_at_the_border_and_those_outside_are_left_out():
    rows = np.zeros((84, 7), np.float32)
    rows[0] = [0, 32, 64, 200, 0.9, 0, 0]
    rows[1] = [32, 5, 10, 8, 0.8, 0, 0]
    rows[2] = [32, 32, 0, 0, 0.7, 0, 0]
    rows[3] = [-90, 32, 10, 8, 0.6, 0, 0]
    rows[4] = [40, 32, -10, 8, 0.5, 0, 0]
    objects = found(detector({"output": rows.T}))
    assert objects == [
        pytest.approx({"label": "cat", "score": 0.9, "x": 0, "y": 0, "width": 0.5, "height": 1})
    ]
    assert found(detector({"output": np.zeros((7, 84))})) == []
    assert found(detector({"output": np.zeros((300, 6))})) == []


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ((30, 5, np.nan), "the network's scores include NaN or an infinity"),
        ((30, 5, np.inf), "the network's scores include NaN or an infinity"),
        (
            (30, 5, 7.5),
            "the network has a score of 7.5, not between 0 and 1: its output is not of this layout; set layout",
        ),
        ((0, 1, np.nan), "the network's boxes include NaN or an infinity"),
        ((0, 2, np.inf), "the network's boxes include NaN or an infinity"),
    ],
)
def test_odd_outputs_make_a_bad_row(change, cause):
    rows = yolo(84, 4)
    at, number, odd = change
    rows[at, number] = odd
    with pytest.raises(DecodeError, match=cause) as error:
        found(detector({"output": rows.T}))
    assert "ObjectDetector: column `image`, row 0" in str(error.value)
    assert found(detector({"output": rows.T}), handleInvalid="keep") is None


def test_a_bad_box_below_the_threshold_does_no_harm():
    rows = yolo(84, 4)
    rows[50, :4] = np.inf
    check(found(detector({"output": rows.T})))


@pytest.mark.parametrize(
    ("model", "params", "error", "cause"),
    [
        (sample_model(), {}, ModelLoadError, "not a batch of images"),
        (detector({"s": np.zeros(1000)}), {}, InvalidParamError, r"`s` \[1000\], expected one of a detector"),
        (
            detector({"s": np.zeros((128, 768))}),
            {},
            InvalidParamError,
            r"`s` \[128, 768\], expected one of a detector",
        ),
        (
            detector({"s": np.zeros((84, 4))}),
            {"labels": None},
            InvalidParamError,
            "expected one of a detector",
        ),
        (
            detector({"s": np.zeros((84, 8))}),
            {"labels": ["a"]},
            InvalidParamError,
            "param `labels` has 1 name, but output `s`",
        ),
        # A label that is missing does not change what the numbers mean.
        (
            detector({"s": np.zeros((7, 84))}),
            {"labels": ["a", "b"]},
            InvalidParamError,
            "has 7 numbers per box, the scores of 3",
        ),
        (
            detector({"s": np.zeros((252, 8))}),
            {"labels": list("abcd")},
            InvalidParamError,
            "the scores of 3 classes",
        ),
        (
            detector({"s": np.zeros((84, 8))}),
            {"labels": list("abcd")},
            InvalidParamError,
            "the scores of 3 classes",
        ),
        (
            detector({"s": np.zeros((8, 84))}, task="obb"),
            {},
            InvalidParamError,
            "finds rotated boxes, which this stage",
        ),
        (detector({"s": np.zeros((84, 8))}), {"labels": []}, InvalidParamError, "param `labels` is empty"),
        (
            detector({"s": np.zeros((7, 84))}),
            {"layout": "yolox"},
            InvalidParamError,
            'param `layout` is "yolox", whose output',
        ),
        (
            detector({"s": np.zeros((7, 84))}),
            {"layout": "detr"},
            InvalidParamError,
            "param `labels` has 3 names",
        ),
        (
            detector({"s": np.zeros((100, 4))}),
            {"layout": "detr", "labels": None},
            InvalidParamError,
            "the layout of a DETR",
        ),
        (
            detector({"s": np.zeros((8, 84))}, names="['a']"),
            {"labels": ["a", "b"]},
            InvalidParamError,
            "has 2 names",
        ),
        (detector({"s": np.zeros((7, 84))}), {"scoreThreshold": 1.5}, InvalidParamError, "scoreThreshold"),
        (detector({"s": np.zeros((7, 84))}), {"outputTensorName": "t"}, ModelLoadError, "no tensor `t`"),
    ],
)
def test_networks_that_are_no_detectors_are_refused_before_a_run(model, params, error, cause):
    with pytest.raises(error, match=cause):
        found(model, **params)


def test_masks_and_key_points_besides_the_classes_are_left_out():
    rows = np.concatenate([yolo(84, 4), np.full((84, 32), 50, np.float32)], axis=1)
    masks = np.zeros((32, 16, 16), np.float32)
    check(
        found(
            detector({"output0": rows.T, "output1": masks}, names=str(dict(enumerate(LABELS)))), labels=None
        )
    )


def reading(known: np.ndarray, first: int, channel: int, factor: float, axis: int) -> Any:
    """A network with these boxes, whose score of the first class is the mean of a channel of its input."""
    into = np.zeros((3, known.shape[2 - axis]), np.float32)
    into[channel, first] = factor
    nodes = [
        node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        node("MatMul", ["means", "into"], ["scores"]),
        node("Unsqueeze", ["scores", "axis"], ["for_each_box"]),
        node("Add", ["for_each_box", "known"], ["output"]),
    ]
    weights = {"into": into, "axis": np.int64([axis]), "known": known[None].astype(np.float32)}
    return network(nodes, [value("x", ["N", 3, 64, 64])], [value("output", ["N", *known.shape])], weights)


@pytest.mark.parametrize(("channel", "rgb", "bgr"), [(0, 1.0, 0.4), (1, 0.2, 0.2), (2, 0.4, 1.0)])
def test_pixels_are_what_each_kind_of_network_was_trained_on(channel, rgb, bgr):
    image, params = png(64, 64, (255, 51, 102)), {"scoreThreshold": 0.05}
    boxes = np.zeros((84, 8), np.float32)
    boxes[0, :4] = [32, 32, 8, 8]
    # From 0 to 1.
    version_8 = reading(boxes[:, :7].T, 4, channel, 1.0, 2)
    assert found(version_8, image, **params)[0]["score"] == pytest.approx(rgb, abs=1e-5)
    assert found(version_8, image, channelOrder="bgr", **params)[0]["score"] == pytest.approx(bgr, abs=1e-5)
    assert found(version_8, image, colorScaleFactor=1 / 510, preprocessing="none", **params)[0][
        "score"
    ] == pytest.approx(rgb / 2, abs=1e-5)
    # From 0 to 255, blue first.
    boxes[0, :5] = [4, 4, 0, 0, 1]
    yolox = reading(boxes, 5, channel, 1 / 255, 1)
    assert found(yolox, image, **params)[0]["score"] == pytest.approx(bgr, abs=1e-5)
    assert found(yolox, image, channelOrder="rgb", **params)[0]["score"] == pytest.approx(rgb, abs=1e-5)


def test_the_metadata_of_an_export_bring_labels_and_size():
    model = detector(
        {"output0": yolo(84, 4).T}, names=str(dict(enumerate(LABELS))), stride="32", imgsz="[64, 64]"
    )
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_param = "side"
    check(found(model, labels=None))
    check(found(model, labels=None, imageHeight=64, imageWidth=64))
    del model.metadata_props[:]
    model.metadata_props.add(key="imgsz", value="[64, 64]")
    check(found(model))


def test_images_may_be_stretched():
    objects = found(detector({"output0": yolo(84, 4).T}), letterbox=False)
    top = np.array([o["y"] for o in objects])
    np.testing.assert_allclose(top, [(16 + 32 * k[2][1]) / 64 for k in KNOWN], atol=1e-6)


def test_the_best_ones_are_the_first():
    model = detector({"output0": yolo(84, 4).T})
    assert [o["label"] for o in found(model, maxDetections=2)] == ["cat", "bird"]
    assert [o["label"] for o in found(model, scoreThreshold=0.8)] == ["cat"]
    assert [o["label"] for o in found(model, scoreThreshold=0.75)] == ["cat", "bird"]


def test_one_row_of_a_batch_may_fail():
    table = pa.table(
        {"image": pa.array([sample_image(), b"no image", None, sample_image("png")], pa.binary())}
    )
    stage = ObjectDetector(outputCol="objects", model=sample_detector(), handleInvalid="keep")
    counts = [None if row is None else len(row) for row in stage.transform(table)["objects"].to_pylist()]
    assert counts == [2, None, None, 2]


def reference_yolox(
    content: bytes, image: np.ndarray, score: float, overlap: float
) -> list[tuple[float, ...]]:
    """The pre- and postprocessing of YOLOX's demonstration, with OpenCV and NumPy: score and corners in pixels."""
    import onnxruntime

    size = (416, 416)
    ratio = min(size[0] / image.shape[0], size[1] / image.shape[1])
    inner = cv2.resize(
        image, (int(image.shape[1] * ratio), int(image.shape[0] * ratio)), interpolation=cv2.INTER_LINEAR
    )
    padded = np.full((*size, 3), 114, np.uint8)
    padded[: inner.shape[0], : inner.shape[1]] = inner
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (output,) = session.run(
        None, {session.get_inputs()[0].name: padded.transpose(2, 0, 1)[None].astype(np.float32)}
    )
    grid = cells(size)
    centres = (output[0, :, :2] + grid[:, :2]) * grid[:, 2:]
    sides = np.exp(output[0, :, 2:4]) * grid[:, 2:]
    scores = output[0, :, 4] * output[0, :, 5]
    likely = np.flatnonzero(scores >= score)
    corners = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)[likely]
    best = kept(corners, scores[likely], np.zeros(len(likely), int), overlap)
    return [(float(scores[likely][i]), *(corners[i] / ratio)) for i in best]


def test_a_real_yolox_finds_characters():
    """The network of the package ddddocr finds characters: three of them, where they were drawn, as in the reference."""
    content = (files("ddddocr") / "common_det.onnx").read_bytes()
    image = Image.new("RGB", (300, 150), (240, 235, 220))
    drawing = ImageDraw.Draw(image)
    for text, x, y in [("A", 20, 20), ("7", 120, 70), ("K", 220, 30)]:
        drawing.text((x, y), text, fill=(20, 30, 120), font=ImageFont.load_default(40))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    objects = found(
        content, stream.getvalue(), labels=["character"], interpolation="linear", scoreThreshold=0.2
    )
    expected = reference_yolox(content, np.asarray(image)[:, :, ::-1], 0.2, 0.45)
    assert len(objects) == len(expected) == 3
    for o, (score, *corners) in zip(objects, expected, strict=True):
        assert (o["label"], o["score"]) == ("character", pytest.approx(score, abs=1e-3))
        got = [o["x"] * 300, o["y"] * 150, (o["x"] + o["width"]) * 300, (o["y"] + o["height"]) * 150]
        np.testing.assert_allclose(got, corners, atol=0.5)
    inside = {(20 + 13, 20 + 25), (120 + 12, 70 + 25), (220 + 13, 30 + 25)}
    centres = [((o["x"] + o["width"] / 2) * 300, (o["y"] + o["height"] / 2) * 150) for o in objects]
    assert all(min(abs(x - a) + abs(y - b) for a, b in inside) < 12 for x, y in centres)


def test_a_detector_is_decoded_once_per_image():
    table = pa.table({"image": [sample_image()] * 3})
    stage = ObjectDetector(outputCol="objects", model=sample_detector())
    mmlrs.reset_counters()
    stage.transform(table)
    assert mmlrs.counters()["image_decodes"] == 3
