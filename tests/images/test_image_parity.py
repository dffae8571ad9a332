"""Image stages return what OpenCV returns.

Inputs are PNG files where nothing may be lost. Tolerances are what was measured between the OpenCV that mmlrs is built
with and the one in the `opencv-python` wheel: equal, or one level in 255 for bicubic resizing and bilateral filtering,
whose sums are rounded differently from version to version, and for shrinking by area, which is mmlrs's own.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pictures import (
    INTERPOLATIONS,
    PICTURES,
    equals,
    jpeg,
    most_different,
    png,
    transformed,
)

from mmlrs.errors import ExecutionError, InvalidParamError
from mmlrs.image import (
    ImageTransformer,
)

TOLERANCE = {"area": 1, "cubic": 1}


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


def test_hardly_any_value_is_rounded_differently_when_shrinking_by_area(picture):
    height, width = (max(1, n * 3 // 7) for n in picture.shape[:2])
    made = transformed(ImageTransformer(interpolation="area").resize(height, width), png(picture))
    expected = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    assert (made != expected).mean() < 1e-3


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
