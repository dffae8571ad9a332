"""Finding networks by name and by path when they are installed or cached: no network access, and next to no time."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from bench.measure import Figure, Setting, seconds
from bench.networks import RESNET50, SQUEEZENET

RUNS = 1000
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PREPROCESSOR = json.dumps(
    {"size": {"height": 224, "width": 224}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
)
CONFIG = json.dumps({"id2label": {str(i): f"class {i}" for i in range(1000)}})


def cache(hub: Path, repo: str, files: Mapping[str, bytes]) -> None:
    """Write a repository into a cache of the Hugging Face Hub, as huggingface_hub and transformers leave it."""
    root = hub / f"models--{repo.replace('/', '--')}"
    for name, content in files.items():
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # the etag of small files
        blob = root / "blobs" / (hashlib.sha256(content).hexdigest() if name.endswith(".onnx") else git)
        link = root / "snapshots" / COMMIT / name
        for path in (blob, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)


def prepare(folder: Path) -> list[str]:
    """Fill the Hub's cache and write files; return the names of ten networks: installed, cached, and paths."""
    from mmlrs import models

    large = models.get("efficientnet-lite0").read()  # 18.6 MB
    settings = {"preprocessor_config.json": PREPROCESSOR.encode(), "config.json": CONFIG.encode()}
    hub = folder / "hub"
    cache(hub, "bench/large", {"onnx/model.onnx": large, **settings})
    cache(hub, "bench/resnet", {"model.onnx": RESNET50.batched(), **settings})
    cache(hub, "bench/squeezenet", {"model.onnx": SQUEEZENET.batched(), "other.onnx": large, **settings})
    cache(hub, "bench/plain", {"model.onnx": large, "tokenizer.json": b"{}"})
    (folder / "large.onnx").write_bytes(large)
    (folder / "small.onnx").write_bytes(SQUEEZENET.batched())
    return [
        "efficientnet-lite0",
        "minilm",
        "hf:bench/large",
        f"hf:bench/large@{COMMIT}",
        "hf:bench/resnet@main",
        "hf:bench/squeezenet",
        "hf:bench/squeezenet/other.onnx",
        "hf:bench/plain",
        str(folder / "large.onnx"),
        str(folder / "small.onnx"),
    ]


@contextmanager
def offline(folder: Path) -> Iterator[None]:
    """Use the Hub's cache in a folder, and make every connection an error."""

    def connect(_: socket.socket, address: Any) -> None:
        raise AssertionError(f"a connection to {address}, although all networks are on this machine")

    variables = {"HF_HUB_CACHE": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}
    with mock.patch.dict(os.environ, variables), mock.patch.object(socket.socket, "connect", connect):
        yield


def find(name: str) -> dict[str, str]:
    """Find a network as a stage does, with the check of its SHA-256 that the kind of source requires."""
    from mmlrs.models import ModelHandle

    return ModelHandle.of(name).to_json()


def names(setting: Setting) -> Iterator[Figure]:
    """The time to find ten networks by name, in the Hub's cache and by path, without network access."""
    runs = RUNS // 10 if setting.quick else RUNS
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as place:
        folder = Path(place)
        known = prepare(folder)
        with offline(folder):
            first = {name: 1e3 * seconds(lambda name=name: find(name)) for name in known}  # type: ignore[misc]
            later = {
                name: statistics.median(1e3 * seconds(lambda name=name: find(name)) for _ in range(runs))  # type: ignore[misc]
                for name in known
            }
    worst = max(later, key=lambda name: later[name])
    detail = f"{worst.replace(place, '')}; the first time, up to {max(first.values()):.0f} ms; median of {runs} for each"
    yield Figure(
        f"time to find one of {len(known)} networks again, the slowest of them",
        later[worst],
        "ms",
        1.0,
        False,
        detail,
    )
