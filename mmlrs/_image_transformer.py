"""`ImageTransformer`: a method for each operation on images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmlrs._generated import image as _generated
from mmlrs._messages import shown
from mmlrs._typing import Self
from mmlrs.errors import InvalidParamError
from mmlrs.params import FLOAT_LIST, argument

__all__ = ["ImageTransformer"]


class ImageTransformer(_generated.ImageTransformer):
    __doc__ = _generated.ImageTransformer.__doc__
    __module__ = "mmlrs.image"

    def _add(self, action: str, **args: Any) -> Self:
        operation = {"action": action, **{k: v for k, v in args.items() if v is not None}}
        return self._set(stages=[*(self._value("stages") or []), operation])

    def _with_boxes(self, action: str, column: str | None) -> Self:
        """Set the column of boxes, which is the same for all operations."""
        known = self._value("boxCol")
        if column is None or column == known:
            return self
        if known is not None:
            raise InvalidParamError(
                f"ImageTransformer.{action}: param `boxCol` is already {shown(known)}, and a stage has one column of boxes; use a "
                f"second ImageTransformer for {shown(column)}"
            )
        return self._set(boxCol=column)

    def resize(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        size: int | None = None,
        keepAspectRatio: bool | None = None,
    ) -> Self:
        """Add a resize to `height` x `width` pixels, or to `size`.

        `size` is the length of the shorter side in pixels. With `keepAspectRatio=False`, the result is a square.

        Examples
        --------
        >>> from mmlrs.image import ImageTransformer
        >>> ImageTransformer().resize(32, 48).flip().getStages()
        [{'action': 'resize', 'height': 32, 'width': 48}, {'action': 'flip', 'code': 1}]
        """
        return self._add("resize", height=height, width=width, size=size, keepAspectRatio=keepAspectRatio)

    def crop(
        self,
        x: int | None = None,
        y: int | None = None,
        height: int | None = None,
        width: int | None = None,
        *,
        boxCol: str | None = None,
        margin: float | None = None,
    ) -> Self:
        """Add a crop of `height` x `width` pixels with its upper left corner at column `x`, row `y`, or a crop to a box.

        `boxCol` names a column with a box for each image, or a list of boxes, of which the one with the highest score is taken.
        `margin` is a fraction of the box: with 0.1, the result is a tenth of the box's size larger on each side.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from mmlrs.image import ImageTransformer
        >>> from mmlrs.testing import sample_image
        >>> box = {"x": 0.5, "y": 0.0, "width": 0.25, "height": 1.0}
        >>> table = pa.table({"image": [sample_image("png")], "box": [box]})
        >>> stage = ImageTransformer(inputCol="image", outputCol="part").crop(boxCol="box")
        >>> part = stage.transform(table)["part"][0].as_py()
        >>> part["height"], part["width"]
        (48, 16)
        """
        return self._with_boxes("crop", boxCol)._add(
            "crop", x=x, y=y, height=height, width=width, margin=margin
        )

    def drawBoxes(
        self,
        boxCol: str | None = None,
        *,
        thickness: int | None = None,
        labels: bool = True,
        color: Sequence[float] | None = None,
    ) -> Self:
        """Draw the boxes of the column `boxCol` with their labels and scores; a gray image becomes BGR.

        `thickness` is the width of lines in pixels, by default 1 pixel per 240 pixels of the shorter side. `color` has three
        numbers from 0 to 255, blue, green and red, by default a color per label. The font has ASCII characters only: others
        become "?".

        Examples
        --------
        >>> import pyarrow as pa
        >>> from mmlrs.image import ImageTransformer, ObjectDetector
        >>> from mmlrs.testing import sample_detector, sample_image
        >>> table = pa.table({"image": [sample_image("png")]})
        >>> found = ObjectDetector(inputCol="image", outputCol="objects", model=sample_detector()).transform(table)
        >>> drawn = ImageTransformer(inputCol="image", outputCol="drawn").drawBoxes("objects").transform(found)
        >>> drawn["drawn"][0]["width"].as_py()
        64
        """
        return self._with_boxes("drawBoxes", boxCol)._add(
            "drawBoxes", thickness=thickness, labels=labels, color=color
        )

    def centerCrop(self, height: int, width: int) -> Self:
        """Add a crop of at most `height` x `width` pixels around the centre of the image."""
        return self._add("centerCrop", height=height, width=width)

    def colorFormat(self, code: int | str) -> Self:
        """Add a colour conversion by its OpenCV code or by a name such as "gray", "rgb", "hsv", "BGR2LAB"."""
        return self._add("colorFormat", code=code)

    def blur(self, height: float, width: float) -> Self:
        """Add a box filter of `height` x `width` pixels."""
        return self._add("blur", height=height, width=width)

    def threshold(self, threshold: float, maxVal: float, type: int = 0) -> Self:  # noqa: A002 - OpenCV's name
        """Add a threshold on pixel values of 0 to 255; `type` is the number of OpenCV's threshold type."""
        return self._add("threshold", threshold=threshold, maxVal=maxVal, type=type)

    def gaussianKernel(self, apertureSize: int, sigma: float) -> Self:
        """Add a Gaussian blur in both directions: `apertureSize` is odd, and both params are in pixels."""
        return self._add("gaussianKernel", apertureSize=apertureSize, sigma=sigma)

    def flip(self, code: int = 1) -> Self:
        """Add a flip: left to right (1), top to bottom (0) or both (-1)."""
        return self._add("flip", code=code)

    def rotate(self, degrees: float) -> Self:
        """Add a counter-clockwise rotation.

        Multiples of 90 degrees are exact. Other angles keep the size and fill the corners with black.
        """
        return self._add("rotate", degrees=degrees)

    def medianBlur(self, apertureSize: int) -> Self:
        """Add a median filter with an odd aperture, in pixels."""
        return self._add("medianBlur", apertureSize=apertureSize)

    def bilateralFilter(self, diameter: int, sigmaColor: float, sigmaSpace: float) -> Self:
        """Add an edge-preserving bilateral filter: `diameter` and `sigmaSpace` are in pixels, `sigmaColor` in pixel values."""
        return self._add("bilateralFilter", diameter=diameter, sigmaColor=sigmaColor, sigmaSpace=sigmaSpace)

    def canny(self, threshold1: float, threshold2: float, apertureSize: int | None = None) -> Self:
        """Add Canny's edge detector with its two hysteresis thresholds; the result is gray, with edges of 255."""
        return self._add("canny", threshold1=threshold1, threshold2=threshold2, apertureSize=apertureSize)

    def equalizeHist(self) -> Self:
        """Add a histogram equalisation. In a colour image it applies to the luma."""
        return self._add("equalizeHist")

    def warpAffine(self, matrix: Sequence[float], height: int, width: int) -> Self:
        """Add an affine warp by the 2 x 3 matrix, given as six numbers row by row."""
        numbers = argument("ImageTransformer.warpAffine", "matrix", FLOAT_LIST.accept, np.ravel(matrix))
        return self._add("warpAffine", matrix=numbers, height=height, width=width)

    def warpPerspective(
        self, matrix: Sequence[float], height: int | None = None, width: int | None = None
    ) -> Self:
        """Add a warp by the 3 x 3 matrix, given as nine numbers row by row; by default the image keeps its size."""
        numbers = [float(v) for v in np.ravel(matrix)]
        return self._add("warpPerspective", matrix=numbers, height=height, width=width)

    def erode(self, height: int, width: int, *, shape: str = "rect", iterations: int = 1) -> Self:
        """Add an erosion by an element of `height` x `width` pixels; `shape` is "rect", "cross" or "ellipse"."""
        return self._add("erode", height=height, width=width, shape=shape, iterations=iterations)

    def dilate(self, height: int, width: int, *, shape: str = "rect", iterations: int = 1) -> Self:
        """Add a dilation by an element of `height` x `width` pixels; `shape` is "rect", "cross" or "ellipse"."""
        return self._add("dilate", height=height, width=width, shape=shape, iterations=iterations)

    def morphologyEx(
        self, op: str, height: int, width: int, *, shape: str = "rect", iterations: int = 1
    ) -> Self:
        """Add a morphological operation: `op` is "open", "close", "gradient", "tophat" or "blackhat".

        The element has `height` x `width` pixels; `shape` is "rect", "cross" or "ellipse".
        """
        return self._add(
            "morphologyEx", op=op, height=height, width=width, shape=shape, iterations=iterations
        )

    def sobel(
        self,
        dx: int,
        dy: int,
        apertureSize: int = 3,
        *,
        scale: float = 1.0,
        delta: float = 0.0,
        absolute: bool = False,
    ) -> Self:
        """Add the derivative of order `dx` along the rows and `dy` down the columns.

        Negative values become 0. With `absolute`, the result is the absolute value, computed in 16 bits.
        """
        options = {"apertureSize": apertureSize, "scale": scale, "delta": delta, "absolute": absolute}
        return self._add("sobel", dx=dx, dy=dy, **options)

    def scharr(
        self, dx: int, dy: int, *, scale: float = 1.0, delta: float = 0.0, absolute: bool = False
    ) -> Self:
        """Add Scharr's first derivative along the rows (1, 0) or down the columns (0, 1); `absolute` as in `sobel`."""
        return self._add("scharr", dx=dx, dy=dy, scale=scale, delta=delta, absolute=absolute)

    def laplacian(
        self, apertureSize: int = 1, *, scale: float = 1.0, delta: float = 0.0, absolute: bool = False
    ) -> Self:
        """Add the sum of the second derivatives; `absolute` as in `sobel`."""
        return self._add("laplacian", apertureSize=apertureSize, scale=scale, delta=delta, absolute=absolute)

    def filter2D(self, kernel: Sequence[Sequence[float]], delta: float = 0.0) -> Self:
        """Add a filter by `kernel`, a list of rows of numbers that is anchored at its centre; `delta` is added."""
        return self._add("filter2D", kernel=[[float(v) for v in row] for row in kernel], delta=delta)

    def adaptiveThreshold(
        self,
        maxVal: float,
        method: str = "mean",
        type: int = 0,  # noqa: A002 - OpenCV's name
        *,
        blockSize: int,
        C: float,
    ) -> Self:
        """Add a threshold that is computed for each pixel from its neighbourhood, for gray images.

        `method` is "mean" or "gaussian". `type` is 0 for a binary threshold, 1 for an inverted one. `blockSize` is odd,
        in pixels. `C` is subtracted from the mean.
        """
        return self._add(
            "adaptiveThreshold", maxVal=maxVal, method=method, type=type, blockSize=blockSize, C=C
        )

    def clahe(self, clipLimit: float = 40.0, tileGridSize: int | Sequence[int] = (8, 8)) -> Self:
        """Add a contrast-limited adaptive histogram equalisation. In a colour image it applies to the luma.

        `tileGridSize` is the number of tiles as (columns, rows), or one number for both.
        """
        return self._add("clahe", clipLimit=clipLimit, tileGridSize=tileGridSize)

    def inRange(self, lower: float | Sequence[float], upper: float | Sequence[float]) -> Self:
        """Add a mask: 255 where every channel is between its bounds, both included, else 0."""
        return self._add("inRange", lower=lower, upper=upper)

    def brightnessContrast(self, brightness: float = 0.0, contrast: float = 1.0) -> Self:
        """Add pixel x `contrast` + `brightness`, rounded and clipped to 0 to 255; alpha is unchanged."""
        return self._add("brightnessContrast", brightness=brightness, contrast=contrast)

    def pad(
        self,
        top: int = 0,
        bottom: int = 0,
        left: int = 0,
        right: int = 0,
        *,
        value: float | Sequence[float] = 0,
        mode: str = "constant",
    ) -> Self:
        """Add a border; the widths are in pixels, `mode` is "constant", "reflect", "reflect101" or "replicate".

        `value` is one number for all channels or one for each. It applies to the mode "constant" only.
        """
        return self._add("pad", top=top, bottom=bottom, left=left, right=right, value=value, mode=mode)

    def normalize(self, mean: Sequence[float], std: Sequence[float], scale: float = 1.0) -> Self:
        """Return a tensor of (pixel * `scale` - `mean`) / `std` per channel instead of an image.

        The normalization is applied after all operations. `mean` and `std` have one value per channel, in the order of
        `tensorChannelOrder`, or a single value for all channels.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from mmlrs.image import ImageTransformer
        >>> from mmlrs.testing import sample_image
        >>> stage = ImageTransformer(inputCol="image", outputCol="tensor").resize(4, 4)
        >>> stage = stage.normalize(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5], scale=1 / 255)
        >>> [tensor] = stage.transform(pa.table({"image": [sample_image("jpeg")]}))["tensor"].to_pylist()
        >>> len(tensor), len(tensor[0]), len(tensor[0][0])
        (3, 4, 4)
        """
        return self._set(toTensor=True, normalizeMean=mean, normalizeStd=std, colorScaleFactor=scale)
