"""Image stages return what OpenCV returns.

Inputs are PNG files where nothing may be lost. Tolerances are what was measured between the OpenCV that mmlrs is built
with and the one in the `opencv-python` wheel: equal, or one level in 255 for bicubic resizing and bilateral filtering,
whose sums are rounded differently from version to version.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from pictures import colour, gray, jpeg, most_different, pixels_of, png, table, transformed
from PIL import Image
from sklearn.datasets import load_sample_images

from mmlrs.errors import DecodeError, ExecutionError, InvalidParamError, MmlrsError
from mmlrs.image import (
    ImageSetAugmenter,
    ImageTransformer,
    UnrollBinaryImage,
    UnrollImage,
    decode_to_tensor,
)

PICTURES = {
    "odd": colour(),
    "even": colour(120, 160),
    "gray": gray(),
    "tiny": np.ascontiguousarray(colour()[60:65, 50:57]),
    "pixel": np.ascontiguousarray(colour()[60:61, 50:51]),
}
INTERPOLATIONS = {
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
    "lanczos": cv2.INTER_LANCZOS4,
}
TOLERANCE = {"cubic": 1}


@pytest.fixture(params=PICTURES)
def picture(request) -> np.ndarray:
    return PICTURES[request.param]


def equals(stage: ImageTransformer, picture: np.ndarray, expected: np.ndarray, tolerance: int = 0) -> bool:
    return most_different(transformed(stage, png(picture)), expected) <= tolerance


# -- decoding ---------------------------------------------------------------------------------------------------------


def test_a_png_decodes_without_loss(picture):
    assert equals(ImageTransformer(), picture, picture)


@pytest.mark.parametrize("quality", [50, 90, 98])
@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}]
)
def test_a_jpeg_decodes_as_opencv_decodes_it(picture, quality, options):
    encoded = jpeg(picture, quality=quality, **options)
    expected = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert most_different(transformed(ImageTransformer(), encoded), expected) == 0


# -- geometry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(64, 48), (33, 77), (120, 160), (300, 401), (1, 1)])
def test_resize_equals_cv2(picture, interpolation, size):
    height, width = size
    expected = cv2.resize(picture, (width, height), interpolation=INTERPOLATIONS[interpolation])
    stage = ImageTransformer(interpolation=interpolation).resize(height, width)
    assert equals(stage, picture, expected, TOLERANCE.get(interpolation, 0))


def test_an_operation_may_name_its_own_interpolation(picture):
    stage = ImageTransformer(
        stages=[{"action": "resize", "height": 20, "width": 30, "interpolation": "nearest"}]
    )
    assert equals(stage, picture, cv2.resize(picture, (30, 20), interpolation=cv2.INTER_NEAREST))


@pytest.mark.parametrize("size", [1, 50, 97, 256])
def test_a_resize_to_one_size_keeps_the_aspect_ratio(picture, size):
    height, width = picture.shape[:2]
    shorter = min(height, width)
    expected = tuple(size if n == shorter else int(n * size / shorter + 0.5) for n in (height, width))
    for stage in (
        ImageTransformer().resize(size=size),
        ImageTransformer().resize(size=size, keepAspectRatio=True),
    ):
        made = transformed(stage, png(picture))
        assert made.shape[:2] == expected
        assert most_different(made, cv2.resize(picture, expected[::-1])) == 0


def test_a_resize_to_one_size_may_give_up_the_aspect_ratio(picture):
    stage = ImageTransformer().resize(size=40, keepAspectRatio=False)
    assert equals(stage, picture, cv2.resize(picture, (40, 40)))


@pytest.mark.parametrize(("x", "y", "height", "width"), [(0, 0, 5, 7), (3, 11, 20, 31), (130, 98, 1, 1)])
@pytest.mark.parametrize("name", ["odd", "gray"])
def test_crop_cuts_the_rectangle_at_column_x_and_row_y(name, x, y, height, width):
    picture = PICTURES[name]
    stage = ImageTransformer().crop(x, y, height, width)
    assert equals(stage, picture, picture[y : y + height, x : x + width])


def test_a_crop_that_is_not_inside_the_image_is_an_error():
    with pytest.raises(
        ExecutionError,
        match=r"column `image`, row 0 of the table: crop: .* x 5, y 2 is not inside the image of 7 x 5",
    ):
        transformed(ImageTransformer().crop(5, 2, 3, 3), png(PICTURES["tiny"]))


@pytest.mark.parametrize("size", [(64, 48), (65, 49), (64, 49), (1, 1), (1000, 20), (20, 1000), (1000, 1000)])
def test_a_centre_crop_is_in_the_middle_and_no_larger_than_the_image(picture, size):
    rows, columns = picture.shape[:2]
    height, width = min(size[0], rows), min(size[1], columns)
    top, left = rows // 2 - height // 2, columns // 2 - width // 2
    stage = ImageTransformer().centerCrop(*size)
    assert equals(stage, picture, picture[top : top + height, left : left + width])


@pytest.mark.parametrize("code", [1, 0, -1])
def test_flip_equals_cv2(picture, code):
    assert equals(ImageTransformer().flip(code), picture, cv2.flip(picture, code))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 360, -90, 450])
def test_a_quarter_turn_is_counter_clockwise_and_exact(picture, degrees):
    assert equals(ImageTransformer().rotate(degrees), picture, np.rot90(picture, degrees // 90))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("degrees", [30, -12.5, 179])
def test_a_rotation_is_counter_clockwise_about_the_centre_within_the_size(picture, interpolation, degrees):
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    flags = INTERPOLATIONS[interpolation]
    expected = cv2.warpAffine(picture, matrix, (width, height), flags=flags)
    assert equals(ImageTransformer(interpolation=interpolation).rotate(degrees), picture, expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_warp_affine_equals_cv2(picture, interpolation):
    matrix = np.array([[0.9, 0.2, 3.5], [-0.1, 1.1, -2.25]])
    flags = INTERPOLATIONS[interpolation]
    expected = cv2.warpAffine(picture, matrix, (151, 90), flags=flags)
    for given in (matrix, matrix.tolist(), matrix.ravel().tolist()):
        stage = ImageTransformer(interpolation=interpolation).warpAffine(given, 90, 151)
        assert equals(stage, picture, expected)


PAD_MODES = {
    "constant": cv2.BORDER_CONSTANT,
    "reflect": cv2.BORDER_REFLECT,
    "reflect101": cv2.BORDER_REFLECT_101,
    "replicate": cv2.BORDER_REPLICATE,
}


@pytest.mark.parametrize("mode", PAD_MODES)
def test_pad_equals_cv2(picture, mode):
    expected = cv2.copyMakeBorder(picture, 1, 2, 3, 4, PAD_MODES[mode], value=(9, 9, 9, 9))
    stage = ImageTransformer().pad(top=1, bottom=2, left=3, right=4, value=9, mode=mode)
    assert equals(stage, picture, expected)


def test_pad_takes_one_value_per_channel():
    picture = PICTURES["odd"]
    expected = cv2.copyMakeBorder(picture, 5, 0, 0, 5, cv2.BORDER_CONSTANT, value=(10, 20, 30))
    assert equals(ImageTransformer().pad(top=5, right=5, value=[10, 20, 30]), picture, expected)


# -- colours and values -----------------------------------------------------------------------------------------------

CODES = ["RGB", "GRAY", "HSV", "HLS", "LAB", "LUV", "XYZ", "YCrCb", "YUV", "HSV_FULL", "BGRA"]
BACK = ["HSV2BGR", "HLS2RGB", "LAB2BGR", "LUV2RGB", "XYZ2BGR", "YCrCb2BGR", "YUV2BGR", "RGB2GRAY"]
#: Back from HSV, one OpenCV version rounds and the other cuts.
COLOUR_TOLERANCE = {"HSV2BGR": 1}


@pytest.mark.parametrize("name", [*(f"BGR2{code}" for code in CODES), *BACK])
@pytest.mark.parametrize("picture", ["odd", "even"])
def test_a_colour_code_equals_cv2(name, picture):
    picture = PICTURES[picture]
    code = getattr(cv2, f"COLOR_{name}")
    expected = cv2.cvtColor(picture, code)
    for given in (name, f"COLOR_{name}", name.lower(), code):
        assert equals(ImageTransformer().colorFormat(given), picture, expected, COLOUR_TOLERANCE.get(name, 0))


@pytest.mark.parametrize("space", ["rgb", "hsv", "hls", "lab", "luv", "xyz", "ycrcb", "yuv"])
def test_a_colour_space_takes_gray_and_colour_images(picture, space):
    names = {name.upper(): name for name in dir(cv2)}
    code = getattr(cv2, names[f"COLOR_BGR2{space.upper()}"])
    bgr = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
    assert equals(ImageTransformer().colorFormat(space), picture, cv2.cvtColor(bgr, code))


def test_gray_and_colour_convert_into_each_other(picture):
    is_gray = picture.ndim == 2
    as_gray = picture if is_gray else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    as_bgr = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if is_gray else picture
    assert equals(ImageTransformer().colorFormat("gray"), picture, as_gray)
    assert equals(ImageTransformer().colorFormat("bgr"), picture, as_bgr)
    assert equals(ImageTransformer().colorFormat("bgra"), picture, cv2.cvtColor(as_bgr, cv2.COLOR_BGR2BGRA))
    assert equals(ImageTransformer(autoConvertToColor=True), picture, as_bgr)


def test_a_colour_that_does_not_exist_is_an_error_that_lists_the_names():
    with pytest.raises(
        InvalidParamError, match=r'item 0 \(`colorFormat`\): argument `code` .*"gray".*"magenta"'
    ):
        transformed(ImageTransformer().colorFormat("magenta"), png(PICTURES["tiny"]))


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("threshold", [0, 100, 127.5, 255])
def test_threshold_equals_cv2(picture, kind, threshold):
    expected = cv2.threshold(picture, threshold, 200, kind)[1]
    assert equals(ImageTransformer().threshold(threshold, 200, kind), picture, expected)


@pytest.mark.parametrize(
    "kind", [cv2.THRESH_OTSU, cv2.THRESH_TRIANGLE, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU]
)
def test_a_computed_threshold_equals_cv2(kind):
    picture = PICTURES["gray"]
    expected = cv2.threshold(picture, 0, 255, kind)[1]
    assert equals(ImageTransformer().threshold(0, 255, kind), picture, expected)


def test_equalize_hist_works_on_the_luma_of_colour_images(picture):
    if picture.ndim == 2:
        expected = cv2.equalizeHist(picture)
    else:
        ycc = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
        ycc[..., 0] = cv2.equalizeHist(ycc[..., 0])
        expected = cv2.cvtColor(ycc, cv2.COLOR_YCrCb2BGR)
    assert equals(ImageTransformer().equalizeHist(), picture, expected)


# -- filters ----------------------------------------------------------------------------------------------------------


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
            "GRAY2BGR takes images of 1 channel .*this one has 3 channels",
        ),
        (
            ImageTransformer().colorFormat("gray").colorFormat("HSV2BGR"),
            r"HSV2BGR takes .*put colorFormat\(\"bgr\"\)",
        ),
        (
            ImageTransformer().adaptiveThreshold(9, blockSize=3, C=1),
            r"takes .*put colorFormat\(\"gray\"\) before it",
        ),
        (ImageTransformer().threshold(0, 255, cv2.THRESH_OTSU), "threshold: takes images of 1 channel"),
        (ImageTransformer().inRange(1, 2), "inRange: takes images of 1 channel"),
        (
            ImageTransformer().colorFormat("bgra").bilateralFilter(5, 5, 5),
            "bilateralFilter: takes images of 3 channels",
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
        (ImageTransformer().scharr(1, 1), "takes `dx` 1 and `dy` 0"),
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


# -- tensors and vectors ----------------------------------------------------------------------------------------------


def in_colour(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture


def tensor(stage: ImageTransformer, encoded: bytes) -> np.ndarray:
    made = stage.copy().setInputCol("image").setOutputCol("out").transform(table(encoded))["out"]
    kind = made.type.value_type.value_type.value_type
    return np.array(made[0].as_py(), kind.to_pandas_dtype())


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize(("element", "exact"), [("float", 1e-6), ("double", 1e-14)])
def test_a_tensor_is_the_normalised_planes(picture, order, element, exact):
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
    """Decode, resize without rounding to 8 bits in between, normalise; linear where the image grows."""
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR).astype(np.float32)
    grows = height >= pixels.shape[0] and width >= pixels.shape[1]
    how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    pixels = cv2.resize(pixels, (width, height), interpolation=how)[..., ::-1] / np.float32(255)
    return ((pixels - np.float32(MEANS)) / np.float32(STDS)).transpose(2, 0, 1)


def levels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The differences of two normalised tensors in pixel values of 0 to 255."""
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
        assert most_different(transformed(stage, encoded), expected) == 0


def test_a_reduced_decode_needs_a_margin_over_the_target(photographs):
    """1280 x 960 to 600 x 600: half the size would leave less than 1.7 times the target."""
    stage = ImageTransformer(interpolation="area").resize(600, 600)
    exact = stage.copy({stage.scaledDecode: False})
    assert most_different(transformed(stage, photographs[0]), transformed(exact, photographs[0])) == 0
