"""Repositories of models for tests, written by hand, and the models in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
from networks import network, node, value
from web import Web, file, sha256

LABELS = ["red", "green", "blue"]
PREPROCESSING = {"height": 16, "width": 16, "means": [0.5] * 3, "stds": [0.25] * 3, "scale": 1 / 255}


def means() -> onnx.ModelProto:
    """A classifier whose scores are the means of the channels."""
    nodes = [node("GlobalAveragePool", ["x"], ["pooled"]), node("Flatten", ["pooled"], ["scores"])]
    return network(nodes, [value("x", ["N", 3, "h", "w"])], [value("scores", ["N", 3])])


MEANS = means().SerializeToString()


def described(content: bytes, path: str = "net/model.onnx", **fields: Any) -> dict[str, Any]:
    """The entry of a model."""
    return {
        "name": "net",
        "file": {"path": path, "sha256": sha256(content), "size": len(content)},
        **fields,
    }


def manifest(*entries: Any, **fields: Any) -> bytes:
    return json.dumps({"format": "mmlrs-models", "version": 1, "models": list(entries), **fields}).encode()


def write(folder: Path, files: dict[str, bytes], *entries: Any) -> Path:
    """A repository in a folder."""
    for path, content in {**files, "mmlrs-models.json": manifest(*entries)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def serve(web: Web, files: dict[str, bytes], *entries: Any) -> str:
    """A repository on a web server."""
    for path, content in {**files, "mmlrs-models.json": manifest(*entries)}.items():
        web.pages[f"/repo/{path}"] = file(content)
    return f"{web.url}/repo"
