"""Files of trained networks, descriptions of layers and states of trainings with other layers, sizes, headers and numbers."""

from __future__ import annotations

import json
import random
import struct
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from checks import Broken, each
from mutate import changed, damaged

from mmlrs import _native
from mmlrs.ann import MultilayerPerceptronClassificationModel, MultilayerPerceptronClassifier
from mmlrs.ann import layers as kinds
from mmlrs.ann.layers import Sequential

BATCH = 32
SHORT = 256

_SETTINGS = {
    "solver": "adam",
    "iterations": 2,
    "tolerance": 0.0,
    "step_size": 0.01,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.0,
    "l2": 0.0,
    "batch_size": 4,
    "block_size": 4,
    "schedule": {"kind": "constant"},
    "warm_up": 0.0,
    "seed": 1,
    "patience": 0,
    "validation_fraction": 0.0,
    "local_steps": 0,
    "outer_rate": None,
    "outer_momentum": None,
}
_COLUMNS = {
    "features": "x",
    "label": None,
    "labels": "input",
    "weight": None,
    "held_out": None,
    "skips": False,
    "sized_by": "x",
}


@lru_cache
def _table() -> pa.Table:
    rows = np.random.default_rng(0).normal(size=(6, 12))
    return pa.table({"features": list(rows)})


@lru_cache
def _networks() -> list[Sequential]:
    """Networks of all kinds of layers that read 12 numbers."""
    block = kinds.Residual([kinds.Convolution(2, 3, padding="same"), kinds.BatchNormalization()])
    image = [kinds.Convolution(2, 2, padding=(0, 0, 1, 1)), kinds.Depthwise(1), block, kinds.MaxPooling(2)]
    return [
        Sequential([kinds.Dense(3), kinds.Gelu(), kinds.Dropout(0.5), kinds.Dense(2), kinds.Tanh()], 12),
        Sequential([*image, kinds.Flatten(), kinds.Sigmoid(), kinds.Dense(2)], (4, 3, 1)),
        Sequential(
            [kinds.AveragePooling(2, 1), kinds.Relu(), kinds.Convolution(2, 1), kinds.GlobalPooling()],
            (4, 3, 1),
        ),
    ]


def _described(network: Sequential) -> dict[str, Any]:
    return network.describe({"kind": "cross_entropy"})


def _file(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _trained(rng: random.Random) -> bytes:
    """The file of a network."""
    network = rng.choice(_networks())
    numbers = np.random.default_rng(1).uniform(0.1, 1.0, network.parameter_count).astype("<f4").tobytes()
    content = _native.network_file(json.dumps(_described(network)), numbers)
    kind = rng.random()
    if kind < 0.3:
        return damaged(content, rng)
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if kind < 0.5:
        return _file(changed(header, rng), data)
    described = changed(json.loads(header["__metadata__"]["mmlrs.network"]), rng)
    header["__metadata__"]["mmlrs.network"] = json.dumps(described)
    return _file(header, damaged(data, rng) if rng.random() < 0.2 else data)


@lru_cache
def _state() -> list[bytes]:
    """The state of a training that has started, in pieces."""
    text = json.dumps(_networks()[0].describe({"kind": "squared_error"}))
    columns = json.dumps(_COLUMNS)
    trainer = _native.Trainer("Fuzzed", text, json.dumps(_SETTINGS), columns)
    trainer.add(pa.RecordBatch.from_pydict({"x": _table()["features"].combine_chunks()}))
    trainer.start(1)
    return [bytes(piece) for piece in trainer.state()]


def item(rng: random.Random) -> tuple[str, bytes]:
    """What it is, and its content."""
    what = rng.choice(["file", "file", "layers", "state"])
    if what == "file":
        return what, _trained(rng)
    if what == "state":
        place = rng.randrange(len(_state()))
        return f"state {place}", damaged(_state()[place], rng)
    described = changed(json.loads(rng.choice(_networks()).to_json()), rng)
    return what, json.dumps(described).encode()


def check(items: list[Any]) -> None:
    each(items, lambda pair: _check_one(*pair))


def _check_one(what: str, content: bytes) -> None:
    if what == "file":
        _check_file(content)
    elif what == "layers":
        _check_layers(content)
    else:
        place = int(what.removeprefix("state "))
        text = json.dumps(_networks()[0].describe({"kind": "squared_error"}))
        state = [content if i == place else piece for i, piece in enumerate(_state())]
        _native.network_of_state(text, json.dumps(_SETTINGS), state)


def _check_file(content: bytes) -> None:
    model = MultilayerPerceptronClassificationModel(network=content)
    scored = model.transform(_table())
    if scored.num_rows != 6:
        raise Broken("rows are lost")
    if len(model.weights) * 4 > len(content):
        raise Broken("there are more weights than in the file")
    model.to_onnx()
    rows = _table().append_column("label", pa.array([0, 1] * 3))
    MultilayerPerceptronClassifier(layers=[12, 3, 2], initialWeights=content, maxIter=1).fit(rows)


def _check_layers(content: bytes) -> None:
    network = Sequential.from_json(content.decode())
    if Sequential.from_json(network.to_json()) != network:
        raise Broken("a network is another one after JSON")
