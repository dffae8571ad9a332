"""Tensors and vectors of images, augmented images, and decoding at a reduced scale, against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from pictures import (
    PICTURES,
    colour,
    gray,
    jpeg,
    most_different,
    pixels_of,
    png,
    table,
    transformed,
)
from PIL import Image
from sklearn.datasets import load_sample_images

from mmlrs.errors import InvalidParamError, MmlrsError
from mmlrs.image import (
    ImageSetAugmenter,
    ImageTransformer,
    UnrollBinaryImage,
    UnrollImage,
    decode_to_tensor,
)

# -- tensors and vectors ----------------------------------------------------------------------------------------------


def in_colour(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture


def tensor(stage: ImageTransformer, encoded: bytes) -> np.ndarray:
    made = stage.copy().setInputCol("image").setOutputCol("out").transform(table(encoded))["out"]
    kind = made.type.value_type.value_type.value_type
    return np.array(made[0].as_py(), kind.to_pandas_dtype())


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize(("element", "exact"), [("float", 1e-6), ("double", 1e-14)])
def test_a_tensor_is_the_normalized_planes(picture, order, element, exact):
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    stage = ImageTransformer(tensorChannelOrder=order, tensorElementType=element)
    made = tensor(stage.normalize(mean, std, 1 / 255), png(picture))
    planes = in_colour(picture).astype(np.float64).transpose(2, 0, 1)
    planes = planes[::-1] if order == "rgb" else planes
    expected = (planes / 255 - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    assert made.dtype == {"float": np.float32, "double": np.float64}[element]
    assert made.shape == expected.shape
    assert np.allclose(made, expected, rtol=exact, atol=exact)


def test_a_tensor_without_factors_holds_the_pixel_values(picture):
    made = tensor(ImageTransformer(toTensor=True, tensorChannelOrder="bgr"), png(picture))
    assert np.array_equal(made, in_colour(picture).transpose(2, 0, 1))


def test_a_tensor_after_a_conversion_to_gray_has_one_plane(picture):
    stage = ImageTransformer(toTensor=True).colorFormat("gray")
    expected = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(tensor(stage, png(picture)), expected[None])


def test_normalize_may_be_the_last_operation_of_the_list():
    stages = [{"action": "normalize", "mean": [0.5], "std": [0.5], "scale": 1 / 255}]
    made = tensor(ImageTransformer(stages=stages), png(PICTURES["gray"]))
    assert np.allclose(made[0], (PICTURES["gray"] / 255 - 0.5) / 0.5, atol=1e-6)


def unrolled(pixels: np.ndarray) -> np.ndarray:
    return np.atleast_3d(pixels).transpose(2, 0, 1).ravel()


@pytest.mark.parametrize("stage", [UnrollImage, UnrollBinaryImage])
def test_unrolling_gives_the_planes_blue_green_red(picture, stage):
    made = stage(inputCol="image", outputCol="out").transform(table(png(picture)))
    assert np.array_equal(made["out"][0].as_py(), unrolled(in_colour(picture)))
    made = stage(inputCol="image", outputCol="out", nChannels=1).transform(table(png(picture)))
    as_gray = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(made["out"][0].as_py(), unrolled(as_gray))


def test_gray_beside_colour_has_vectors_and_tensors_of_one_length():
    files = table(png(colour(8, 9)), png(gray(8, 9)), png(np.dstack([colour(8, 9), gray(8, 9)])))
    alone = files.slice(1, 1)

    def lengths(stage, data):
        return {len(v) for v in stage.copy().setOutputCol("out").transform(data)["out"].to_pylist()}

    for stage, length in [
        (UnrollImage(), 3 * 72),
        (UnrollBinaryImage(), 3 * 72),
        (UnrollBinaryImage(height=2, width=2), 12),
        (UnrollImage(alpha="keep"), 4 * 72),
        (UnrollImage(nChannels=1), 72),
        (ImageTransformer(toTensor=True), 3),
        (ImageTransformer(toTensor=True, alpha="keep"), 3),
        (ImageTransformer().normalize([127.5], [127.5]), 3),
        (ImageTransformer().colorFormat("gray").normalize([127.5], [127.5]), 1),
        (ImageTransformer(toTensor=True).canny(1, 2), 1),
        (ImageTransformer(toTensor=True).colorFormat("bgra"), 3),
    ]:
        assert lengths(stage, files) == lengths(stage, alone) == {length}, stage


@pytest.mark.parametrize(
    "stage", [UnrollImage(), UnrollBinaryImage(height=4, width=4), ImageTransformer(toTensor=True)]
)
def test_without_conversion_a_gray_picture_is_a_bad_row_with_the_remedy(stage):
    strict = stage.copy().setOutputCol("out").setAutoConvertToColor(False)
    kept = (
        strict.setHandleInvalid("keep")
        .setErrorCol("why")
        .transform(table(png(colour(8, 9)), png(gray(8, 9))))
    )
    assert kept["out"].is_valid().to_pylist() == [True, False]
    assert "gray (1 channel)" in kept["why"][1].as_py()
    assert "autoConvertToColor=True" in kept["why"][1].as_py()
    with pytest.raises(MmlrsError, match="autoConvertToColor=True"):
        decode_to_tensor([png(gray(8, 9))], height=4, width=4, auto_convert_to_color=False)


def test_factors_for_colour_do_not_fit_a_tensor_that_the_operations_make_gray():
    with pytest.raises(InvalidParamError, match=r"normalizeMean` has 3 values, but .* 1 channel"):
        tensor(ImageTransformer().colorFormat("gray").normalize([1, 2, 3], [1]), png(PICTURES["tiny"]))


def test_a_black_pixel_unrolls_to_zero_and_a_white_one_to_255():
    picture = np.array([[[0, 0, 0], [255, 255, 255], [1, 2, 3]]], np.uint8)
    made = UnrollImage(outputCol="out").transform(table(png(picture)))
    assert made["out"][0].as_py() == [0, 255, 1, 0, 255, 2, 0, 255, 3]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_unrolling_to_a_size_and_a_number_of_channels(picture, channels):
    resized = cv2.resize(picture, (20, 30))
    source = "GRAY" if resized.ndim == 2 else "BGR"
    target = {1: "GRAY", 3: "BGR", 4: "BGRA"}[channels]
    if source != target:
        resized = cv2.cvtColor(resized, getattr(cv2, f"COLOR_{source}2{target}"))
    stage = UnrollBinaryImage(outputCol="out", height=30, width=20, nChannels=channels)
    made = stage.transform(table(png(picture)))
    assert np.array_equal(made["out"][0].as_py(), unrolled(resized))
    assert made["out"].type.list_size == 30 * 20 * channels


# -- augmenting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "flips"),
    [
        ({}, [1]),
        ({"flipUpDown": True}, [1, 0]),
        ({"flipLeftRight": False, "flipUpDown": True}, [0]),
        ({"flipLeftRight": False}, []),
    ],
)
def test_the_augmenter_returns_the_originals_first_and_then_each_flip(flags, flips):
    pictures = [PICTURES["odd"], PICTURES["gray"]]
    data = table(*map(png, pictures), id=["a", "b"])
    made = ImageSetAugmenter(outputCol="out", **flags).transform(data)
    expected = pictures + [cv2.flip(p, code) for code in flips for p in pictures]
    assert made["id"].to_pylist() == ["a", "b"] * (1 + len(flips))
    assert made["image"].to_pylist() == data["image"].to_pylist() * (1 + len(flips))
    for image, pixels in zip(made["out"].to_pylist(), expected, strict=True):
        assert most_different(pixels_of(image), pixels) == 0


# -- decode_to_tensor -------------------------------------------------------------------------------------------------

MEANS, STDS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def opencv_tensor(encoded: bytes, height: int, width: int) -> np.ndarray:
    """Decode, resize without rounding to 8 bits in between, normalize; linear where the image grows."""
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR).astype(np.float32)
    grows = height >= pixels.shape[0] and width >= pixels.shape[1]
    how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    pixels = cv2.resize(pixels, (width, height), interpolation=how)[..., ::-1] / np.float32(255)
    return ((pixels - np.float32(MEANS)) / np.float32(STDS)).transpose(2, 0, 1)


def levels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The differences of two normalized tensors in pixel values of 0 to 255."""
    assert a.shape == b.shape
    return np.abs(a - b) * 255 * np.reshape(STDS, (3, 1, 1))


@pytest.mark.parametrize("name", ["odd", "even", "gray"])
@pytest.mark.parametrize("size", [(32, 32), (60, 80), (61, 37), "own", "double"])
def test_the_tensor_of_a_png_is_opencvs_to_rounding(name, size):
    picture = PICTURES[name]
    rows, columns = picture.shape[:2]
    height, width = {"own": (rows, columns), "double": (2 * rows, 2 * columns)}.get(size, size)
    (made,) = decode_to_tensor([png(picture)], height=height, width=width)
    assert levels(made, opencv_tensor(png(picture), height, width)).max() < 0.01


@pytest.mark.parametrize("name", ["odd", "even", "gray", "tiny"])
@pytest.mark.parametrize("size", [(32, 32), (60, 80), (61, 37), (224, 224), "own"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_the_tensor_of_a_jpeg_is_opencvs_but_for_the_order_of_rounding(name, size, subsampling):
    """Planes are resized before the colour conversion: the mean is off by less than a level, edges of strong colours
    by some more, as OpenCV cuts their pixels to 0..255 before it averages them."""
    encoded = jpeg(PICTURES[name], quality=92, subsampling=subsampling)
    height, width = PICTURES[name].shape[:2] if size == "own" else size
    (made,) = decode_to_tensor([encoded], height=height, width=width, scaled_decode=False)
    off = levels(made, opencv_tensor(encoded, height, width))
    assert off.mean() < 1
    assert np.quantile(off, 0.99) < 6
    assert off.max() < (2 if size == "own" else 32)


@pytest.mark.parametrize("width", [16, 50, 144, 160, 162, 199])
def test_the_right_edge_of_a_jpeg_is_as_good_as_its_middle(width):
    """The rows of a chroma plane end in the middle of a row of the buffer it lies in."""
    decode_to_tensor([jpeg(colour())], height=241, width=323, scaled_decode=False, threads=1)
    encoded = jpeg(colour(64, width), quality=92, subsampling=2)
    (made,) = decode_to_tensor([encoded], height=64, width=width, scaled_decode=False, threads=1)
    assert levels(made, opencv_tensor(encoded, 64, width)).max() < 2


def test_the_number_of_threads_does_not_change_the_tensor():
    encoded = [jpeg(colour(100 + 7 * i, 160 - 9 * i)) for i in range(9)] + [png(PICTURES["gray"])]
    one, two, all_cores = (
        decode_to_tensor(encoded, height=56, width=40, threads=threads) for threads in (1, 2, 0)
    )
    assert one.shape == (10, 3, 56, 40)
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert np.array_equal(one, all_cores)


def test_an_image_does_not_depend_on_its_neighbours():
    encoded = [jpeg(colour()), png(PICTURES["gray"]), jpeg(PICTURES["even"])]
    together = decode_to_tensor(encoded, height=32, width=48)
    alone = [decode_to_tensor([e], height=32, width=48)[0] for e in encoded]
    assert np.array_equal(together, alone)


# -- decoding at a reduced scale --------------------------------------------------------------------------------------

NAMES = (
    "astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "moon", "retina", "rocket",
)  # fmt: skip


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    """The photographs of scikit-image and scikit-learn as a camera's files of 1280 x 960 pixels."""
    found = [getattr(skimage.data, name)() for name in NAMES]
    found += [skimage.data.stereo_motorcycle()[0], *load_sample_images().images]
    large = [Image.fromarray(pixels).resize((1280, 960), Image.Resampling.BICUBIC) for pixels in found]
    return [jpeg(np.asarray(p)[..., ::-1] if p.mode == "RGB" else np.asarray(p), quality=90) for p in large]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9)))


def is_close_enough(reduced: list[np.ndarray], full: list[np.ndarray]) -> None:
    found = [psnr(a, b) for a, b in zip(reduced, full, strict=True)]
    assert max(found) < 90, "no reduced scale was used"
    assert min(found) >= 34
    assert np.median(found) >= 40


@pytest.mark.parametrize("size", [224, 128])
def test_a_reduced_decode_keeps_40_db_in_the_median_and_34_at_worst(photographs, size):
    plain = {"height": size, "width": size, "means": (0, 0, 0), "stds": (1, 1, 1), "scale": 1.0}
    reduced = decode_to_tensor(photographs, **plain)
    full = decode_to_tensor(photographs, **plain, scaled_decode=False)
    is_close_enough(list(reduced), list(full))


@pytest.mark.parametrize("size", [224, 128])
def test_a_reduced_decode_before_an_area_resize_keeps_as_much(photographs, size):
    stage = ImageTransformer(inputCol="image", outputCol="out", interpolation="area").resize(size, size)
    reduced, full = (
        [
            pixels_of(image)
            for image in stage.copy({stage.scaledDecode: scaled})
            .transform(table(*photographs))["out"]
            .to_pylist()
        ]
        for scaled in (True, False)
    )
    is_close_enough(reduced, full)


def test_without_reduced_decode_a_resize_equals_cv2(photographs):
    stage = ImageTransformer(interpolation="area", scaledDecode=False).resize(224, 224)
    for encoded in photographs[:3]:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
        expected = cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_AREA)
        made = transformed(stage, encoded)
        assert most_different(made, expected) <= 1
        assert (made != expected).mean() < 1e-3


def test_a_reduced_decode_needs_a_margin_over_the_target(photographs):
    """1280 x 960 to 600 x 600: half the size would leave less than 1.7 times the target."""
    stage = ImageTransformer(interpolation="area").resize(600, 600)
    exact = stage.copy({stage.scaledDecode: False})
    assert most_different(transformed(stage, photographs[0]), transformed(exact, photographs[0])) == 0
