"""The image settings of transformers become the metadata that ImageFeaturizer reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from mmlrs.errors import ModelLoadError
from mmlrs.models._hub import HubModel, image_metadata

HALF, MEAN, STD = [0.5] * 3, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def metadata(preprocessor: dict[str, Any] | None, config: dict[str, Any] | None = None) -> dict[str, Any]:
    return image_metadata(HubModel(Path("model.onnx"), "a" * 40, "org/name", config, preprocessor))


def with_size(**values: Any) -> dict[str, Any]:
    return metadata({"size": {"height": 8, "width": 8}, **values})


# As the repositories have them.
VIT = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": HALF, "image_std": HALF,
    "image_processor_type": "ViTImageProcessor", "resample": 2, "rescale_factor": 1 / 255, "size": {"height": 224, "width": 224},
}  # fmt: skip
OLD_VIT = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": HALF,
    "image_std": HALF,
    "resample": 2,
    "size": 224,
}
CLIP = {
    "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": MEAN, "image_std": STD, "resample": 3, "size": 224,
}  # fmt: skip
DINO = {
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
    "do_resize": True, "image_mean": MEAN, "image_processor_type": "BitImageProcessor", "image_std": STD, "resample": 3,
    "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256},
}  # fmt: skip
RESNET = {
    "crop_pct": 0.875, "do_normalize": True, "do_resize": True, "feature_extractor_type": "ConvNextFeatureExtractor",
    "image_mean": MEAN, "image_std": STD, "resample": 3, "size": 224,
}  # fmt: skip


def cropped(shorter: int, side: int) -> dict[str, Any]:
    return {"resizeShorter": shorter, "crop": [side, side], "height": side, "width": side}


def exact(side: int) -> dict[str, Any]:
    return {"height": side, "width": side}


def normalized(means: list[float], stds: list[float], interpolation: str) -> dict[str, Any]:
    return {
        "means": means,
        "stds": stds,
        "scale": 1 / 255,
        "channelOrder": "RGB",
        "interpolation": interpolation,
    }


@pytest.mark.parametrize(
    ("preprocessor", "expected"),
    [
        (VIT, exact(224) | normalized(HALF, HALF, "linear")),
        (OLD_VIT, exact(224) | normalized(HALF, HALF, "linear")),
        (CLIP, cropped(224, 224) | normalized(MEAN, STD, "cubic")),
        (DINO, cropped(256, 224) | normalized(MEAN, STD, "cubic")),
        (RESNET, cropped(256, 224) | normalized(MEAN, STD, "cubic")),
        (RESNET | {"size": {"shortest_edge": 384}}, exact(384) | normalized(MEAN, STD, "cubic")),
        (
            CLIP | {"feature_extractor_type": "LevitFeatureExtractor"},
            cropped(256, 224) | normalized(MEAN, STD, "cubic"),
        ),
    ],
    ids=["ViT", "old ViT", "CLIP", "DINOv2", "ResNet", "large ConvNeXT", "LeViT"],
)
def test_the_settings_of_well_known_networks(preprocessor, expected):
    assert metadata(preprocessor) == expected


@pytest.mark.parametrize(
    ("resample", "name"), list(enumerate(["nearest", "lanczos", "linear", "cubic", "area", "linear"]))
)
def test_the_filters_of_pillow_have_names(resample, name):
    assert with_size(resample=resample)["interpolation"] == name


def test_the_shorter_side_alone_leaves_the_size_open():
    out = metadata({"size": {"shortest_edge": 224}})
    assert out["resizeShorter"] == 224
    assert not {"height", "width", "crop"} & set(out)


def test_a_crop_that_is_switched_off_or_changes_nothing_is_none():
    assert "crop" not in with_size(crop_size=4, do_center_crop=False)
    assert with_size(crop_size={"height": 8, "width": 8}) == with_size()


def test_without_a_resize_there_is_only_the_crop():
    out = metadata(
        {"do_resize": False, "size": 9, "crop_size": {"height": 6, "width": 7}, "do_center_crop": True}
    )
    assert (out["crop"], out["height"], out["width"]) == ([6, 7], 6, 7)
    assert not {"interpolation", "resizeShorter"} & set(out)


def test_what_is_switched_off_is_neutral():
    out = with_size(do_normalize=False, image_mean=MEAN, image_std=STD, do_rescale=False)
    assert (out["means"], out["stds"], out["scale"]) == ([0.0] * 3, [1.0] * 3, 1.0)


def test_one_number_stands_for_all_channels_and_the_order_may_be_reversed():
    out = with_size(image_mean=0.5, image_std=0.25, do_flip_channel_order=True)
    assert (out["means"], out["stds"], out["channelOrder"]) == (HALF, [0.25] * 3, "BGR")


def test_efficientnet_divides_twice_and_an_offset_moves_the_means():
    out = with_size(image_processor_type="EfficientNetImageProcessor", image_mean=HALF, image_std=[0.2] * 3)
    assert out["stds"] == pytest.approx([0.04] * 3)
    assert out["interpolation"] == "nearest"
    out = with_size(rescale_factor=1 / 127.5, rescale_offset=True, image_mean=HALF, image_std=HALF)
    pixel = 200.0
    assert (pixel * out["scale"] - out["means"][0]) / out["stds"][0] == pytest.approx(
        ((pixel - 127.5) / 127.5 - 0.5) / 0.5
    )


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("size", {"size": None}),
        ("size", {"size": {"longest_edge": 8}}),
        ("size", {"size": {"shortest_edge": 8, "longest_edge": 9}}),
        ("size", {"size": {"height": 8}}),
        ("size", {"size": 0}),
        ("size", {"size": True}),
        ("size", {"size": 10**400}),
        ("image_mean", {"image_mean": 10**400, "image_std": 1}),
        ("crop_pct", {"size": 16, "crop_pct": 1e-320, "image_processor_type": "ConvNextImageProcessor"}),
        ("size", {"size": "8"}),
        ("size", {"size": {"height": 8, "width": 8.5}}),
        ("size", {"size": {"height": 8, "width": 8}, "image_processor_type": "ConvNextImageProcessor"}),
        ("crop_size", {"crop_size": 4}),
        ("crop_size", {"crop_size": {"shortest_edge": 4}}),
        ("crop_size", {"do_center_crop": True}),
        ("do_center_crop", {"do_center_crop": "yes"}),
        ("crop_pct", {"crop_pct": 0.9}),
        ("crop_pct", {"size": 224, "crop_pct": 1.5, "image_processor_type": "ConvNextImageProcessor"}),
        ("resample", {"resample": 6}),
        ("resample", {"resample": "bicubic"}),
        ("resample", {"resample": -1}),
        ("rescale_factor", {"rescale_factor": 0}),
        ("rescale_factor", {"rescale_factor": math.nan}),
        ("rescale_offset", {"rescale_offset": True}),
        ("image_mean", {"do_normalize": True}),
        ("image_mean", {"image_mean": [0.5, 0.5], "image_std": [0.5, 0.5]}),
        ("image_mean", {"image_mean": ["a"] * 3, "image_std": HALF}),
        ("image_mean", {"image_mean": [math.inf] * 3, "image_std": HALF}),
        ("image_std", {"image_mean": HALF}),
        ("image_std", {"image_mean": HALF, "image_std": [0.5]}),
        ("image_std", {"image_mean": HALF, "image_std": [0.5, 0.0, 0.5]}),
        ("do_pad", {"do_pad": True}),
        ("keep_aspect_ratio", {"keep_aspect_ratio": True}),
        ("size_divisor", {"size_divisor": 32}),
        ("image_processor_type", {"image_processor_type": "PerceiverImageProcessorFast"}),
    ],
)
def test_unknown_and_contradictory_values_are_errors_that_name_the_file_and_the_key(key, values):
    with pytest.raises(ModelLoadError, match=rf"^org/name: preprocessor_config\.json: `{key}` "):
        with_size(**values)


def test_settings_that_change_nothing_are_accepted():
    assert (
        with_size(do_pad=False, size_divisor=1, ensure_multiple_of=None, do_convert_rgb=True) == with_size()
    )


def test_no_settings_are_an_error():
    with pytest.raises(ModelLoadError, match=r"^hf:org/name: there is no preprocessor_config\.json"):
        metadata(None)


def test_labels_are_in_the_order_of_their_ids():
    names = {str(i): f"name {i}" for i in (10, *range(10))}
    out = metadata(VIT, {"id2label": names, "architectures": ["ViTForImageClassification"]})
    assert out["labels"] == [f"name {i}" for i in range(11)]
    assert "scores" not in out


def test_a_network_that_is_no_classifier_has_no_labels():
    for config in (None, {}, {"id2label": {"0": "LABEL_0"}, "architectures": ["ViTModel"]}):
        assert not {"labels", "scores"} & set(metadata(VIT, config))


@pytest.mark.parametrize(
    "names", [{"1": "a"}, {"0": "a", "2": "b"}, {"a": "b"}, ["a"], {"0": 1}, {"00": "a"}]
)
def test_labels_with_gaps_are_an_error(names):
    with pytest.raises(ModelLoadError, match=r"^org/name: config\.json: `id2label` must "):
        metadata(VIT, {"id2label": names})
