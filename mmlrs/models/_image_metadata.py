"""The image settings of a model, from the configuration files that transformers writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from mmlrs._messages import shown
from mmlrs.errors import ModelLoadError
from mmlrs.models._entry import MAX_SIDE, is_number, is_side

__all__ = ["image_metadata"]

_FILE = "preprocessor_config.json"
#: Names of Pillow's filters by their numbers. Pillow's hamming filter is a sharper linear one.
_INTERPOLATIONS = ("nearest", "lanczos", "linear", "cubic", "area", "linear")
#: The filters of processors whose file does not name one; the others use linear.
_USUAL_FILTERS = {
    "Beit": 3, "Bit": 3, "CLIP": 3, "ChineseCLIP": 3, "ConvNext": 3, "DeiT": 3, "EfficientNet": 0, "Levit": 3, "Siglip": 3,
}  # fmt: skip
#: Processors that read a size of one number as both sides, even if they crop. The others read it as the shorter side, if they crop.
_SQUARE = {"Beit", "DeiT", "EfficientNet", "ViT", "ViTHybrid"}
#: Processors with steps that the metadata cannot express.
_OTHER_STEPS = {"Perceiver": "crops before it resizes", "PoolFormer": "crops by a fraction"}
#: Settings that change pixels in a way that the metadata cannot express, unless they are false.
_OTHER_SETTINGS = (
    "do_align_long_axis", "do_pad", "do_pan_and_scan", "do_image_splitting", "do_thumbnail", "ensure_multiple_of",
    "keep_aspect_ratio", "size_divisor",
)  # fmt: skip
#: Below this size, ConvNext crops; from it on, it resizes to a square.
_CONVNEXT_CROPS_BELOW = 384


class _Hub(Protocol):
    """The parts of a HubModel that are read."""

    @property
    def repo(self) -> str: ...
    @property
    def config(self) -> dict[str, Any] | None: ...
    @property
    def preprocessor(self) -> dict[str, Any] | None: ...


def image_metadata(hub: _Hub) -> dict[str, Any]:
    """Return the image settings of a model as the metadata that ImageFeaturizer reads.

    Parameters
    ----------
    hub : HubModel
        A model with the content of `preprocessor_config.json` and `config.json`.

    Returns
    -------
    dict
        `means`, `stds` and `scale`, for (pixel * scale - mean) / std; `channelOrder`. If images are resized, `interpolation`. If
        the network has a fixed size, `height` and `width`. If images are cropped, `crop`, which is [height, width], and if their
        shorter side is resized, before the crop, `resizeShorter`. For a classifier, `labels`; `scores` is "multi-label" if an
        image may have several of them.

    Raises
    ------
    ModelLoadError
        The repository has no `preprocessor_config.json`, or a value is unknown or contradicts another one.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mmlrs.models._hub import HubModel, image_metadata
    >>> preprocessor = {"size": {"shortest_edge": 256}, "crop_size": 224, "resample": 3, "do_normalize": False}
    >>> image_metadata(HubModel(Path("model.onnx"), "0" * 40, "org/name", preprocessor=preprocessor))["resizeShorter"]
    256
    """
    if hub.preprocessor is None:
        raise ModelLoadError(
            f"hf:{hub.repo}: there is no {_FILE}, so the size and the normalization of images are unknown; fetch the file, or pass"
            " the path of the ONNX file as the model and set the params of the stage"
        )
    settings = _Settings(hub.repo, hub.preprocessor)
    return {**_geometry(settings), **_normalization(settings), **_labels(hub.repo, hub.config)}


class _Settings:
    """Reads values of preprocessor_config.json, with errors that name the key."""

    def __init__(self, repo: str, values: Mapping[str, Any]) -> None:
        self.repo, self.values = repo, values
        kind = values.get("image_processor_type") or values.get("feature_extractor_type") or ""
        self.kind = (
            str(kind).removesuffix("Fast").removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
        )
        if self.kind in _OTHER_STEPS:
            raise self.error(
                "image_processor_type", f"`{kind}` {_OTHER_STEPS[self.kind]}, which is not supported"
            )
        for key in _OTHER_SETTINGS:
            value = values.get(key)
            if value not in (None, False) and (value is True or value != 1):
                raise self.error(key, f"is {shown(value)}, which is not supported")

    def error(self, key: str, cause: str) -> ModelLoadError:
        return ModelLoadError(f"{self.repo}: {_FILE}: `{key}` {cause}")

    def get(self, key: str, default: Any = None) -> Any:
        value = self.values.get(key)
        return default if value is None else value

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, got {shown(value)}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self.get(key, default)
        if not is_number(value) or value <= 0:
            raise self.error(key, f"must be a number above 0, got {shown(value)}")
        return float(value)

    def side(self, key: str, value: object) -> int:
        if not is_side(value):
            raise self.error(key, f"must be a number of pixels, got {shown(value)}")
        return value

    def size(self, key: str) -> int | tuple[int, int] | dict[str, int] | None:
        """Return a size: one number without a meaning yet, (height, width), or {"shortest_edge": n}; None if there is none."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            return self.side(key, value)
        if set(value) == {"height", "width"}:
            return self.side(key, value["height"]), self.side(key, value["width"])
        if set(value) == {"shortest_edge"}:
            return {"shortest_edge": self.side(key, value["shortest_edge"])}
        raise self.error(
            key, f'must be a number, {{"height", "width"}} or {{"shortest_edge"}}, got {shown(value)}'
        )


def _geometry(settings: _Settings) -> dict[str, Any]:
    """Return how images get the size of the network."""
    crop = _crop(settings)
    if not settings.flag("do_resize", True):
        return _with_crop({}, crop)
    out: dict[str, Any] = {"interpolation": _interpolation(settings)}
    size = settings.size("size")
    if size is None:
        raise settings.error("size", "is missing, but `do_resize` is not false")
    if settings.kind == "ConvNext":
        return out | _convnext(settings, size)
    if settings.get("crop_pct") is not None:
        raise settings.error(
            "crop_pct", f"is supported for ConvNext only, got the processor `{settings.kind}`"
        )
    if isinstance(size, int):
        square = settings.kind in _SQUARE or crop is None
        size = (size, size) if square else {"shortest_edge": size}
    if isinstance(size, dict):
        shorter = size["shortest_edge"]
        if settings.kind == "Levit":  # resizes to more than the size and crops to the size
            shorter = int(256 / 224 * shorter)
        return _with_crop(out | {"resizeShorter": shorter}, crop)
    if crop is not None and crop != size:
        raise settings.error(
            "crop_size", f"{list(crop)} after a resize to exactly {list(size)} is not supported"
        )
    return out | {"height": size[0], "width": size[1]}


def _crop(settings: _Settings) -> tuple[int, int] | None:
    size = settings.size("crop_size")
    # EfficientNet writes the size of a crop that it does not make.
    if not settings.flag("do_center_crop", size is not None and settings.kind != "EfficientNet"):
        return None
    if isinstance(size, int):
        return size, size
    if isinstance(size, tuple):
        return size
    raise settings.error(
        "crop_size", f"must be a number or {{height, width}}, as `do_center_crop` is set, got {shown(size)}"
    )


def _with_crop(out: dict[str, Any], crop: tuple[int, int] | None) -> dict[str, Any]:
    return out if crop is None else {**out, "height": crop[0], "width": crop[1], "crop": list(crop)}


def _convnext(settings: _Settings, size: int | tuple[int, int] | dict[str, int]) -> dict[str, Any]:
    """ConvNext enlarges the size by `crop_pct` and crops to the size, or resizes large images to a square."""
    if isinstance(size, tuple):
        raise settings.error(
            "size", f"must be a number or {{shortest_edge}} for ConvNext, got {shown(settings.get('size'))}"
        )
    side = size["shortest_edge"] if isinstance(size, dict) else size
    if side >= _CONVNEXT_CROPS_BELOW:
        return {"height": side, "width": side}
    fraction = settings.number("crop_pct", 224 / 256)
    if fraction > 1 or side / fraction > MAX_SIDE:
        raise settings.error("crop_pct", f"must be at most 1, and not close to 0, got {fraction}")
    return _with_crop({"resizeShorter": int(side / fraction)}, (side, side))


def _interpolation(settings: _Settings) -> str:
    number = settings.get("resample", _USUAL_FILTERS.get(settings.kind, 2))
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(_INTERPOLATIONS):
        raise settings.error(
            "resample", f"must be the number of a filter of Pillow, 0 to 5, got {shown(number)}"
        )
    return _INTERPOLATIONS[number]


def _normalization(settings: _Settings) -> dict[str, Any]:
    """Return the scale, the means and the standard deviations."""
    scale = settings.number("rescale_factor", 1 / 255) if settings.flag("do_rescale", True) else 1.0
    means, stds = [0.0] * 3, [1.0] * 3
    if settings.flag("do_normalize", settings.get("image_mean") is not None):
        means, stds = _channels(settings, "image_mean"), _channels(settings, "image_std")
        if len(means) != len(stds):
            raise settings.error("image_std", f"has {len(stds)} values, but `image_mean` has {len(means)}")
        if any(std <= 0 for std in stds):
            raise settings.error("image_std", f"must be above 0, got {shown(stds)}")
    if settings.flag("rescale_offset", False) and settings.flag("do_rescale", True):
        if not math.isclose(scale, 2 / 255, rel_tol=1e-6):
            raise settings.error(
                "rescale_offset", f"is supported with a `rescale_factor` of 1/127.5 only, got {scale}"
            )
        means = [mean + 1.0 for mean in means]  # pixel * scale - 1
    if settings.kind == "EfficientNet" and settings.flag("include_top", True):
        # This processor divides twice by the deviations, also without `do_normalize`.
        again = _channels(settings, "image_std")
        stds = [std * other for std, other in zip(stds, again)]
    order = "BGR" if settings.flag("do_flip_channel_order", False) else "RGB"
    return {"means": means, "stds": stds, "scale": scale, "channelOrder": order}


def _channels(settings: _Settings, key: str) -> list[float]:
    """Return a value per channel."""
    value = settings.get(key)
    values = [value] * 3 if is_number(value) else value
    if not isinstance(values, list) or len(values) not in (1, 3) or not all(map(is_number, values)):
        raise settings.error(key, f"must be a number or a list of 1 or 3 numbers, got {shown(value)}")
    return [float(v) for v in values]


def _labels(repo: str, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the labels of a classifier."""
    names = (config or {}).get("id2label")
    kinds = (config or {}).get("architectures")
    if names is None or (
        isinstance(kinds, list) and kinds and not any("Classification" in str(kind) for kind in kinds)
    ):
        return {}
    where = f"{repo}: config.json: `id2label`"
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ModelLoadError(f"{where} must map ids to labels, got {shown(names)}")
    if set(names) != {str(i) for i in range(len(names))}:
        raise ModelLoadError(
            f"{where} must have the ids 0 to {len(names) - 1}, got {shown(sorted(names)[:20])}"
        )
    out: dict[str, Any] = {"labels": [names[str(i)] for i in range(len(names))]}
    if (config or {}).get("problem_type") == "multi_label_classification":
        out["scores"] = "multi-label"
    return out
