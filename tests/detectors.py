"""Detectors with known outputs, and reference implementations of what detectors need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from networks import network, node, value

Floats = npt.NDArray[np.float32]


def detector(outputs: Mapping[str, Floats], size: tuple[int, int] = (64, 64), **metadata: str) -> Any:
    """A network with these outputs for every image: each an array of the shape of one row."""
    nodes = [
        node("ReduceMean", ["x"], ["gray"], axes=[1], keepdims=0),
        node("ReduceMean", ["gray"], ["mean"], axes=[1, 2], keepdims=1),
        node("Mul", ["mean", "nothing"], ["zero"]),
    ]
    nodes += [node("Add", ["zero", f"known_{name}"], [name]) for name in outputs]
    weights = {f"known_{name}": array.astype(np.float32)[None] for name, array in outputs.items()}
    inputs = [value("x", ["N", 3, *size])]
    made = [value(name, ["N", *array.shape]) for name, array in outputs.items()]
    return network(nodes, inputs, made, {"nothing": np.zeros(1, np.float32), **weights}, metadata)


def overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of corners with other corners."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(axis=1)
    return shared / (np.clip(box[2:] - box[:2], 0, None).prod() + areas - shared)


def kept(corners: Floats, scores: Floats, classes: npt.NDArray[np.intp], threshold: float) -> list[int]:
    """Greedy non-maximum suppression within each class, as torchvision's `batched_nms` does it: boxes by falling score."""
    order = list(np.argsort(-scores, kind="stable"))
    result: list[int] = []
    while order:
        first = order.pop(0)
        result.append(int(first))
        rest = np.array(order, int)
        hidden = (overlaps(corners[first], corners[rest]) > threshold) & (classes[rest] == classes[first])
        order = list(rest[~hidden])
    return result


def cells(size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Column, row and stride of each cell of a YOLOX."""
    parts = []
    for stride in (8, 16, 32):
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        parts.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)
