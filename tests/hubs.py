"""A repository of the Hub, its cache as transformers leaves it, and its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from web import COMMIT, git_sha1, sha256

from mmlrs.models._hub import HubModel, fetch


def network(external: str | None = None) -> bytes:
    """An ONNX file that adds a constant. Its weights are in the file `external`, if that is not None."""
    weights = numpy_helper.from_array(np.arange(400, dtype=np.float32), "w")
    if external is not None:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", "1600")):
            entry = weights.external_data.add()
            entry.key, entry.value = key, value
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [400]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", tensors[:1], tensors[1:], [weights]
    )
    model = helper.make_model(graph)
    helper.set_model_props(model, {"location": "a property, not a file"})
    return model.SerializeToString()


MODEL = network()
CONFIG = {"id2label": {"0": "cat", "1": "dog"}}
PREPROCESSOR = {"size": {"height": 8, "width": 8}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
FILES = {
    "onnx/model.onnx": MODEL,
    "config.json": json.dumps(CONFIG).encode(),
    "preprocessor_config.json": json.dumps(PREPROCESSOR).encode(),
    "tokenizer.json": b"{}",
}


def get(spec: str = "hf:org/name", **options: Any) -> HubModel:
    return fetch(spec, sleep=lambda _: None, **options)


def transformers_cache(
    repo: Path, files: dict[str, bytes], commit: str = COMMIT, lacking: tuple[str, ...] = ()
) -> None:
    """Lay out a cache by hand as transformers leaves it."""
    for name, data in files.items():
        blob = repo / "blobs" / (sha256(data) if ".onnx" in name else git_sha1(data))
        path = repo / "snapshots" / commit / name
        for each in (blob, path):
            each.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        path.symlink_to("../" * (2 + name.count("/")) + f"blobs/{blob.name}")
    for name in lacking:
        (repo / ".no_exist" / commit / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / ".no_exist" / commit / name).touch()
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(commit)


def tree(folder: Path) -> dict[str, str]:
    """The files below a folder: the target of a link, or the content."""
    return {
        str(p.relative_to(folder)): f"-> {p.readlink()}" if p.is_symlink() else str(p.read_bytes())
        for p in folder.rglob("*")
        if p.is_symlink() or p.is_file()
    }
