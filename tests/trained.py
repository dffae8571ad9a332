"""Networks with random parameters, and what the native core makes of rows."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

import mmlrs
from mmlrs import _native
from mmlrs.ann import MultilayerPerceptronClassificationModel

Layer = dict[str, Any]


def described(layers: Sequence[Layer], shape: Sequence[int], loss: str = "cross_entropy") -> dict[str, Any]:
    """Return the description of a network."""
    return {"version": 1, "input": list(shape), "layers": list(layers), "loss": {"kind": loss}}


def random_network(description: dict[str, Any], seed: int = 0, scale: float = 0.3) -> bytes:
    """Return a network as a file, with random parameters; those of batch normalizations are plausible."""
    count = parameters_of(description)
    rng = np.random.default_rng(seed)
    parameters = rng.normal(0.0, scale, count)
    for start, channels in normalizations(description):
        parameters[start : start + channels] = rng.uniform(0.5, 2.0, channels)
        parameters[start + 3 * channels : start + 4 * channels] = rng.uniform(0.2, 3.0, channels)
        parameters[start + 4 * channels] = 0.0
    return network_file(json.dumps(description), parameters)


def normalizations(description: dict[str, Any]) -> list[tuple[int, int]]:
    """Return where the parameters of batch normalizations start, and their numbers of channels."""
    found: list[tuple[int, int]] = []
    for place, layer in enumerate(description["layers"]):
        before = description["layers"][:place]
        start = parameters_of({**description, "layers": before})
        if layer["kind"] == "batch_normalization":
            # It has 4 parameters per channel and one more.
            end = parameters_of({**description, "layers": [*before, layer]})
            found.append((start, (end - start - 1) // 4))
        elif layer["kind"] == "residual":
            inside = normalizations({**description, "layers": [*before, *layer["layers"]]})
            found += [item for item in inside if item[0] >= start]
    return found


def parameters_of(description: dict[str, Any]) -> int:
    """Return the number of parameters of a network, which may have no layers."""
    if not description["layers"]:
        return 0
    # The layers so far may not fit the loss.
    text = json.dumps({**description, "loss": {"kind": "squared_error"}})
    return int(json.loads(_native.network_info(text))["parameters"])


def network_file(description: str, parameters: Any) -> bytes:
    """Return a network in the form of `safetensors`."""
    data = np.asarray(parameters, dtype="<f4").tobytes()
    tensor = {"dtype": "F32", "shape": [len(data) // 4], "data_offsets": [0, len(data)]}
    header = {"__metadata__": {"mmlrs.network": description}, "parameters": tensor}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + data


def model_with(network: bytes, **params: Any) -> MultilayerPerceptronClassificationModel:
    """Return a model that scores vectors with a network of any kind."""
    return MultilayerPerceptronClassificationModel(network=network, **params)


def scored(model: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns that a model adds to rows of features, as arrays with a row per row."""
    features = pa.array(list(rows.reshape(len(rows), -1).astype(np.float64)))
    made = model.transform(pa.table({model.getFeaturesCol(): features}))
    return {name: values(made[name]) for name in made.column_names[1:]}


def values(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of vectors or of numbers as an array with a row per row."""
    if pa.types.is_floating(column.type):
        return column.to_numpy()[:, None]
    return mmlrs.to_numpy(column)
