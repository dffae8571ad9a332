"""Filters, and operations in a row, against OpenCV; what operations refuse."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pictures import (
    INTERPOLATIONS,
    PICTURES,
    colour,
    equals,
    gray,
    most_different,
    pixels_of,
    png,
    table,
    transformed,
)

from mmlrs.errors import DecodeError, InvalidParamError
from mmlrs.image import (
    ImageTransformer,
)


@pytest.mark.parametrize(("height", "width"), [(5, 3), (3, 5), (1, 9), (9, 1), (4, 7)])
def test_blur_does_not_exchange_height_and_width(picture, height, width):
    expected = cv2.blur(picture, (width, height))
    assert equals(ImageTransformer().blur(height, width), picture, expected)


@pytest.mark.parametrize(("aperture", "sigma"), [(3, 1.0), (5, 0), (7, 2.5), (1, 1)])
def test_a_gaussian_blurs_in_both_directions(picture, aperture, sigma):
    expected = cv2.GaussianBlur(picture, (aperture, aperture), sigma)
    assert equals(ImageTransformer().gaussianKernel(aperture, sigma), picture, expected)


def test_the_gaussian_of_a_point_is_round():
    point = np.zeros((9, 9), np.uint8)
    point[4, 4] = 255
    made = transformed(ImageTransformer().gaussianKernel(5, 1.0), png(point))
    assert made[4, 3] == made[3, 4] > 0
    assert np.array_equal(made, made.T)


@pytest.mark.parametrize("aperture", [1, 3, 5, 7, 9])
def test_median_blur_equals_cv2(picture, aperture):
    assert equals(ImageTransformer().medianBlur(aperture), picture, cv2.medianBlur(picture, aperture))


@pytest.mark.parametrize("arguments", [(5, 50, 50), (9, 75, 20), (-1, 20, 2)])
def test_the_bilateral_filter_equals_cv2(picture, arguments):
    expected = cv2.bilateralFilter(picture, *arguments)
    assert equals(ImageTransformer().bilateralFilter(*arguments), picture, expected, tolerance=1)


@pytest.mark.parametrize(("low", "high", "aperture"), [(100, 200, None), (30, 90, 5), (500, 900, 7)])
def test_canny_equals_cv2(picture, low, high, aperture):
    expected = cv2.Canny(picture, low, high, apertureSize=aperture or 3)
    assert equals(ImageTransformer().canny(low, high, aperture), picture, expected)


SHAPES = {"rect": cv2.MORPH_RECT, "cross": cv2.MORPH_CROSS, "ellipse": cv2.MORPH_ELLIPSE}

MORPHOLOGY = {
    "open": cv2.MORPH_OPEN,
    "close": cv2.MORPH_CLOSE,
    "gradient": cv2.MORPH_GRADIENT,
    "tophat": cv2.MORPH_TOPHAT,
    "blackhat": cv2.MORPH_BLACKHAT,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_morphology_equals_cv2(picture, shape):
    for height, width, times in [(3, 3, 1), (5, 2, 1), (3, 7, 2)]:
        element = cv2.getStructuringElement(SHAPES[shape], (width, height))
        more = {"shape": shape, "iterations": times}
        expected = cv2.erode(picture, element, iterations=times)
        assert equals(ImageTransformer().erode(height, width, **more), picture, expected)
        expected = cv2.dilate(picture, element, iterations=times)
        assert equals(ImageTransformer().dilate(height, width, **more), picture, expected)
        for name, code in MORPHOLOGY.items():
            expected = cv2.morphologyEx(picture, code, element, iterations=times)
            stage = ImageTransformer().morphologyEx(name, height, width, **more)
            assert equals(stage, picture, expected), name


def absolute(derivative: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(derivative)


def test_derivatives_equal_cv2(picture):
    for dx, dy, size in [(1, 0, 3), (0, 1, 3), (1, 1, 5), (2, 0, 7), (1, 0, 1), (0, 2, 3)]:
        stage = ImageTransformer().sobel(dx, dy, size)
        assert equals(stage, picture, cv2.Sobel(picture, -1, dx, dy, ksize=size))
        stage = ImageTransformer().sobel(dx, dy, size, absolute=True, scale=0.5, delta=3)
        expected = absolute(cv2.Sobel(picture, cv2.CV_16S, dx, dy, ksize=size, scale=0.5, delta=3))
        assert equals(stage, picture, expected)
    for dx, dy in [(1, 0), (0, 1)]:
        assert equals(ImageTransformer().scharr(dx, dy), picture, cv2.Scharr(picture, -1, dx, dy))
        expected = absolute(cv2.Scharr(picture, cv2.CV_16S, dx, dy))
        assert equals(ImageTransformer().scharr(dx, dy, absolute=True), picture, expected)
    for size in (1, 3, 5):
        assert equals(ImageTransformer().laplacian(size), picture, cv2.Laplacian(picture, -1, ksize=size))
        expected = absolute(cv2.Laplacian(picture, cv2.CV_16S, ksize=size))
        assert equals(ImageTransformer().laplacian(size, absolute=True), picture, expected)


def test_a_kernel_of_ones_own_equals_cv2(picture):
    sharpen = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    assert equals(
        ImageTransformer().filter2D(sharpen), picture, cv2.filter2D(picture, -1, np.float32(sharpen))
    )
    odd = np.float32([[0.1, 0.2, 0.3, 0.1], [0, 0.1, 0.1, 0.2]])
    expected = cv2.filter2D(picture, -1, odd, delta=7)
    for kernel in (odd, odd.tolist()):
        assert equals(ImageTransformer().filter2D(kernel, delta=7), picture, expected, tolerance=1)


@pytest.mark.parametrize("method", ["mean", "gaussian"])
def test_the_adaptive_threshold_equals_cv2(method):
    code = {"mean": cv2.ADAPTIVE_THRESH_MEAN_C, "gaussian": cv2.ADAPTIVE_THRESH_GAUSSIAN_C}[method]
    for kind, block, constant in [(0, 3, 2), (1, 11, -1.5), (0, 31, 0)]:
        expected = cv2.adaptiveThreshold(PICTURES["gray"], 200, code, kind, block, constant)
        stage = ImageTransformer().adaptiveThreshold(200, method, kind, blockSize=block, C=constant)
        assert equals(stage, PICTURES["gray"], expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_warp_perspective_equals_cv2(picture, interpolation):
    matrix = np.array([[0.9, 0.2, 3.5], [-0.1, 1.1, -2.25], [1e-4, -2e-4, 1]])
    flags = INTERPOLATIONS[interpolation]
    stage = ImageTransformer(interpolation=interpolation)
    expected = cv2.warpPerspective(picture, matrix, (151, 90), flags=flags)
    assert equals(stage.copy().warpPerspective(matrix, 90, 151), picture, expected)
    expected = cv2.warpPerspective(picture, matrix, picture.shape[1::-1], flags=flags)
    assert equals(stage.copy().warpPerspective(matrix.tolist()), picture, expected)


def test_clahe_equals_cv2_on_the_luma(picture):
    for limit, tiles in [(40.0, (8, 8)), (2.0, (4, 3)), (0.0, (1, 1))]:
        clahe = cv2.createCLAHE(limit, tiles)
        if picture.ndim == 2:
            expected = clahe.apply(picture)
        else:
            ycc = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
            ycc[..., 0] = clahe.apply(np.ascontiguousarray(ycc[..., 0]))
            expected = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2BGR)
        assert equals(ImageTransformer().clahe(limit, tiles), picture, expected), (limit, tiles)


def test_in_range_equals_cv2(picture):
    lower, upper = (40, 200) if picture.ndim == 2 else ((20, 60, 90.5), (120, 200, 250))
    assert equals(ImageTransformer().inRange(lower, upper), picture, cv2.inRange(picture, lower, upper))


def test_brightness_and_contrast_equal_cv2(picture):
    for contrast, brightness in [(1.0, 0.0), (1.5, 30), (0.5, -40), (0.0, 99), (2.25, -300.5)]:
        expected = cv2.addWeighted(picture, contrast, picture, 0, brightness)
        assert equals(
            ImageTransformer().brightnessContrast(brightness, contrast), picture, expected, tolerance=1
        )
    alpha = np.dstack([colour(8, 8), gray(8, 8)])
    made = transformed(ImageTransformer(alpha="keep").brightnessContrast(50), png(alpha))
    assert np.array_equal(made[..., 3], alpha[..., 3])


def test_numpy_numbers_are_arguments(picture):
    expected = cv2.resize(picture, (5, 7))
    assert equals(ImageTransformer().resize(np.int64(7), np.int32(5)), picture, expected)
    expected = cv2.copyMakeBorder(picture, 2, 0, 0, 0, cv2.BORDER_CONSTANT, value=(1, 2, 3))
    made = ImageTransformer(stages=[{"action": "pad", "top": np.uint8(2), "value": np.array([1, 2, 3])}])
    assert equals(made, picture, expected)


@pytest.mark.parametrize(
    ("stage", "cause"),
    [
        (
            ImageTransformer().colorFormat("GRAY2BGR"),
            "GRAY2BGR needs images of 1 channel .*got 3 channels",
        ),
        (
            ImageTransformer().colorFormat("gray").colorFormat("HSV2BGR"),
            r"HSV2BGR needs .*put colorFormat\(\"bgr\"\)",
        ),
        (
            ImageTransformer().adaptiveThreshold(9, blockSize=3, C=1),
            r"needs .*put colorFormat\(\"gray\"\) before it",
        ),
        (ImageTransformer().threshold(0, 255, cv2.THRESH_OTSU), "threshold: needs images of 1 channel"),
        (ImageTransformer().inRange(1, 2), "inRange: needs images of 1 channel"),
        (
            ImageTransformer().colorFormat("bgra").bilateralFilter(5, 5, 5),
            "bilateralFilter: needs images of 3 channels",
        ),
    ],
)
def test_an_image_that_does_not_suit_an_operation_is_a_bad_row_in_plain_words(stage, cause):
    with pytest.raises(DecodeError, match=cause) as caught:
        transformed(stage, png(PICTURES["tiny"]))
    assert not any(word in str(caught.value) for word in ("VScn", "cv::", "modules/", "Assertion"))


@pytest.mark.parametrize(
    ("stage", "cause"),
    [
        (
            ImageTransformer().resize(width=3),
            "`height` is missing: takes either `height` and `width`, or `size`",
        ),
        (
            ImageTransformer().colorFormat(12),
            "argument `code` must be a code of cv2.cvtColor for 8-bit images",
        ),
        (ImageTransformer().sobel(0, 0), "needs `dx` or `dy` above 0"),
        (ImageTransformer().sobel(3, 0), "orders of the derivative, `dx` 3 and `dy` 0, must be at most 2"),
        (ImageTransformer().scharr(1, 1), "needs `dx` 1 and `dy` 0"),
        (ImageTransformer().laplacian(4), "`apertureSize` must be an odd integer"),
        (ImageTransformer().filter2D([[1, 2], [3]]), "`kernel` must be a list of rows"),
        (ImageTransformer().filter2D([]), "`kernel` must be a list of rows"),
        (ImageTransformer().morphologyEx("hitmiss", 3, 3), '`op` must be one of "open"'),
        (ImageTransformer().erode(0, 3), "`height` must be an integer"),
        (ImageTransformer().adaptiveThreshold(9, blockSize=4, C=1), "`blockSize` must be an odd integer"),
        (ImageTransformer().warpPerspective([1, 2, 3]), "a list of 9 numbers"),
        (ImageTransformer().clahe(2, (0, 3)), "`tileGridSize` must be"),
        (ImageTransformer().inRange([1, 2], [3, 4]), "one number per channel"),
        (ImageTransformer().brightnessContrast(1, -1), "`contrast` must be at least 0"),
    ],
)
def test_a_wrong_argument_is_told_before_a_picture_is_looked_at(stage, cause):
    with pytest.raises(InvalidParamError) as caught:
        stage.copy().setInputCol("image").setOutputCol("out").transform(table())
    assert cause in str(caught.value)


def test_operations_follow_one_another_in_order(picture):
    stage = ImageTransformer(interpolation="area").resize(60, 80).flip(1).blur(3, 5).colorFormat("gray")
    made = cv2.resize(picture, (80, 60), interpolation=cv2.INTER_AREA)
    made = cv2.blur(cv2.flip(made, 1), (5, 3))
    assert equals(stage, picture, made if made.ndim == 2 else cv2.cvtColor(made, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("name", ["odd", "gray"])
def test_operations_may_be_given_as_json(name):
    picture = PICTURES[name]
    text = '[{"action": "crop", "x": 1, "y": 2, "height": 1, "width": 3}, {"action": "flip"}]'
    assert equals(ImageTransformer(stages=text), picture, picture[2:3, 1:4][:, ::-1])


def test_two_stages_equal_one(picture):
    both = ImageTransformer().resize(50, 60).flip(0)
    first = ImageTransformer(inputCol="image", outputCol="first").resize(50, 60)
    second = ImageTransformer(inputCol="first", outputCol="out").flip(0)
    made = second.transform(first.transform(table(png(picture))))
    assert most_different(pixels_of(made["out"][0].as_py()), transformed(both, png(picture))) == 0
