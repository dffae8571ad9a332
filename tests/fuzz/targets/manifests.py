"""What is said about models: names on the Hub, manifests of repositories, and the settings beside a model of the Hub."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from checks import Broken, answered
from mutate import TEXTS, changed, damaged
from onnx import TensorProto, helper

from mmlrs._paths import unsafe_name
from mmlrs.image import ImageClassifier
from mmlrs.models import ModelHandle
from mmlrs.models._content import with_settings
from mmlrs.models._hub import HubModel, HubSpec, _json, image_metadata
from mmlrs.models._hub_models import hub_name
from mmlrs.models._manifest import parsed, written
from mmlrs.testing import sample_image

BATCH = 32
SHORT = 256

_SPECS = [
    "hf:org/name",
    "hf:org/name@v1.0/onnx/model.onnx",
    "hf:a/b@refs/pr/1/x.onnx",
    "hf:a/b/model.safetensors",
]
_PARTS = [*TEXTS, "..", "/", "@", ":", "hf:", "\\", "refs/pr/1", ".onnx", ".pkl", "con", "C:", "~", "%2e%2e"]
_FILE = {"path": "net/model.onnx", "sha256": "ab" * 32, "size": 147}
_PREPROCESSING = {
    "height": 16, "width": 16, "means": [0.5, 0.5, 0.5], "stds": [0.25] * 3, "scale": 1 / 255, "channelOrder": "bgr",
    "resizeShorter": 20,
}  # fmt: skip
_MANIFEST = {
    "format": "mmlrs-models",
    "version": 1,
    "models": [
        {
            "name": "net", "task": "image-classification", "licence": "MIT", "file": _FILE, "preprocessing": _PREPROCESSING,
            "labels": ["red", "green", "blue"], "descriptions": ["Red", "Green", "Blue"], "scores": "logits",
            "layers": ["scores", "pooled"], "features": "pooled",
        },
        {"name": "words", "file": _FILE, "tokenizer": {**_FILE, "path": "t.json"}},
    ],
}  # fmt: skip
_CONFIG = {
    "id2label": {"0": "red", "1": "green", "2": "blue"},
    "architectures": ["ResNetForImageClassification"],
    "problem_type": "multi_label_classification",
}
_PREPROCESSOR = {
    "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 16}, "crop_pct": 0.875, "crop_size": 16,
    "do_center_crop": True, "do_resize": True, "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
}  # fmt: skip
_NAMES = [*_MANIFEST["models"][0], *_CONFIG, *_PREPROCESSOR, *_PREPROCESSING, *_FILE, "CLIP", "ViT", "Levit"]


def item(rng: random.Random) -> Any:
    """The kind, and the texts or contents."""
    match rng.randrange(3):
        case 0:
            text = rng.choice(_SPECS)
            for _ in range(rng.choice([0, 1, 1, 2])):
                at = rng.randrange(3, len(text) + 1)
                text = text[:at] + rng.choice(_PARTS) + text[at + rng.randrange(4) :]
            return "spec", text
        case 1:
            return "manifest", _content(_MANIFEST, rng)
        case _:
            return "settings", _content(_CONFIG, rng), _content(_PREPROCESSOR, rng)


def _content(value: Any, rng: random.Random) -> bytes:
    content = json.dumps(changed(value, rng, _NAMES) if rng.random() < 0.8 else value).encode()
    return damaged(content, rng) if rng.random() < 0.2 else content


def check(items: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(_network())
        for kind, *given in items:
            work = {"spec": _check_spec, "manifest": _check_manifest, "settings": _check_settings}[kind]
            answered(lambda work=work, given=given: work(folder, *given))


def _check_spec(_: Path, text: str) -> None:
    spec = HubSpec.parse(text)
    if HubSpec.parse(str(spec)) != spec:
        raise Broken(f"{text!r} is another repository, revision or file after it was written: {spec}")
    for part in ("models--" + spec.repo.replace("/", "--"), spec.revision, spec.file or "x.onnx"):
        if unsafe_name(part) is not None:
            raise Broken(f"{text!r} names {part!r}")
    hub_name(text)


def _check_manifest(folder: Path, content: bytes) -> None:
    models = parsed(content, "manifest")
    if parsed(written(models), "manifest") != models:
        raise Broken("a manifest says something else after it was written")
    for model in models.values():
        for file in (model.file, model.tokenizer):
            if file is not None and unsafe_name(file.path) is not None:
                raise Broken(f"a manifest names {file.path!r}")
        _run(folder, model.image_metadata())


def _check_settings(folder: Path, config: bytes, preprocessor: bytes) -> None:
    for name, content in (("config.json", config), ("preprocessor_config.json", preprocessor)):
        (folder / name).write_bytes(content)
    spec = HubSpec("org/name")
    read = [_json(folder / name, spec) for name in ("config.json", "preprocessor_config.json")]
    _run(folder, image_metadata(HubModel(folder / "model.onnx", "0" * 40, "org/name", *read)))


def _run(folder: Path, settings: dict[str, Any]) -> None:
    """Give a small network the settings and run it, unless that is a lot of work."""
    if max(settings.get("height", 1), settings.get("width", 1), settings.get("resizeShorter", 1)) > 4096:
        return
    blob = with_settings(str(folder / "model.onnx"), settings)
    stage = ImageClassifier(model=ModelHandle(sha256=blob.sha256), outputCol="o")
    answered(lambda: stage.transform(pa.table({"image": [sample_image("png")]})))


def _network() -> bytes:
    """A classifier whose scores are the means of the channels."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["scores"]),
    ]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["N", 3, "h", "w"]), ("scores", ["N", 3]))
    )
    graph = helper.make_graph(nodes, "g", [x], [y])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
