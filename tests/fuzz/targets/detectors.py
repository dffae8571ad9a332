"""Detectors with outputs of any shape and any numbers, in every layout; a good row beside them stays as it is."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
from checks import Broken, each, no_reason_is_an_internal_error
from mutate import NUMBERS
from onnx import TensorProto, helper, numpy_helper

from mmlrs.image import ObjectDetector
from mmlrs.testing import sample_image

BATCH = 8
SHORT = 48

#: Shapes of detectors for images of 64 x 64 pixels and of other networks.
_SHAPES: list[list[tuple[int, ...]]] = [
    [(84, 8)],
    [(7, 84)],
    [(252, 8)],
    [(300, 6)],
    [(300, 7)],
    [(100, 4), (100, 3)],
    [(300, 3), (300, 4)],
    [(84, 85)],
    [(3,)],
    [(84, 5), (2, 2, 2)],
    [(1, 1)],
    [(1000, 6), (1000, 4)],
]
_ODD = [0.0, 1.0, -1.0, 0.5, 1e-30, 64.0, 1e9, 3e38, float("nan"), float("inf"), -float("inf")]
_LAYOUTS = ["auto", "auto", "yolo", "yolox", "detr", "rtdetr"]


def item(rng: random.Random) -> dict[str, Any]:
    """The shapes of the outputs, the seed of their numbers, and params."""
    shapes = [
        tuple(rng.choice([1, 3, 4, 5, 6, 84]) if rng.random() < 0.1 else n for n in shape)
        for shape in rng.choice(_SHAPES)
    ]
    params: dict[str, Any] = {"layout": rng.choice(_LAYOUTS)}
    if rng.random() < 0.5:
        params["labels"] = ["a", "b", "c"][: rng.randrange(4)]
    if rng.random() < 0.3:
        params["letterbox"] = rng.random() < 0.5
    if rng.random() < 0.3:
        params[rng.choice(["scoreThreshold", "iouThreshold"])] = rng.choice([0.0, 1.0, 0.999])
    if rng.random() < 0.2:
        params["maxDetections"] = rng.choice([n for n in NUMBERS if isinstance(n, int)])
    return {
        "shapes": shapes,
        "seed": rng.getrandbits(32),
        "odd": rng.choice([0, 0, 1, 5, 500]),
        "params": params,
    }


def _network(shapes: list[tuple[int, ...]], seed: int, odd: int) -> bytes:
    random_numbers = np.random.default_rng(seed)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["gray"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["gray"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
    ]
    weights = {"nothing": np.zeros(1, np.float32)}
    outputs = []
    for i, shape in enumerate(shapes):
        numbers = random_numbers.uniform(0, 1, shape).astype(np.float32)
        for _ in range(odd):
            numbers[tuple(random_numbers.integers(0, shape))] = _ODD[random_numbers.integers(len(_ODD))]
        weights |= {f"k{i}": numbers[None], f"s{i}": np.int64([-1, *[1] * len(shape)])}
        nodes += [
            helper.make_node("Reshape", ["zero", f"s{i}"], [f"z{i}"]),
            helper.make_node("Add", [f"z{i}", f"k{i}"], [f"o{i}"]),
        ]
        outputs.append(helper.make_tensor_value_info(f"o{i}", TensorProto.FLOAT, ["N", *shape]))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 64, 64])]
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(item: dict[str, Any]) -> None:
    model = _network(item["shapes"], item["seed"], item["odd"])
    stage = ObjectDetector(
        inputCol="image", outputCol="o", model=model, handleInvalid="keep", errorCol="why", **item["params"]
    )
    made = stage.transform(pa.table({"image": [sample_image("png"), b"no picture", None]}))
    reasons = made["why"].to_pylist()
    no_reason_is_an_internal_error(reasons)
    if made.num_rows != 3 or made["o"].is_null().to_pylist()[1:] != [True, True] or None in reasons[1:]:
        raise Broken(f"rows: {made.num_rows}, reasons: {reasons}")
    found = made["o"][0].as_py()
    if (found is None) != (reasons[0] is not None):
        raise Broken(f"{found} with the reason {reasons[0]}")
    scores = [box["score"] for box in found or []]
    if scores != sorted(scores, reverse=True) or len(scores) > stage.getMaxDetections():
        raise Broken(f"scores {scores}")
    for box in found or []:
        sides = [box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"], box["score"]]
        if not all(-1e-9 <= side <= 1 + 1e-9 for side in sides) or min(box["width"], box["height"]) <= 0:
            raise Broken(f"a box outside the image: {box}")
