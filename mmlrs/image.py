"""Images: reading, transforming, unrolling, augmenting and featurizing them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs import _native
from mmlrs._generated import image as _generated
from mmlrs._generated.image import *  # noqa: F403 (a stage that is all native needs no line here)
from mmlrs._names import public
from mmlrs.engine.cells import encoded_cells
from mmlrs.engine.table import interruptible
from mmlrs.models import default_model
from mmlrs.params import BOOL, FLOAT, FLOAT_LIST, INT, argument
from mmlrs.readers import read_binary_files, read_binary_stream, read_image_stream, read_images
from mmlrs.writers import write_images

__all__ = [
    "ImageFeaturizer",
    "ImageSetAugmenter",
    "ImageTransformer",
    "decode_to_tensor",
    "read_binary_files",
    "read_binary_stream",
    "read_image_stream",
    "read_images",
    "write_images",
]
__all__ += _generated.__all__

__dir__ = public(globals())


class ImageTransformer(_generated.ImageTransformer):
    __doc__ = _generated.ImageTransformer.__doc__
    __module__ = "mmlrs.image"

    def _add(self, action: str, **args: Any) -> Self:
        operation = {"action": action, **{k: v for k, v in args.items() if v is not None}}
        return self._set(stages=[*(self._value("stages") or []), operation])

    def resize(
        self,
        height: int | None = None,
        width: int | None = None,
        *,
        size: int | None = None,
        keepAspectRatio: bool | None = None,
    ) -> Self:
        """Add a resize to `height` x `width` pixels, or to `size`: the shorter side when the ratio is kept."""
        return self._add("resize", height=height, width=width, size=size, keepAspectRatio=keepAspectRatio)

    def crop(self, x: int, y: int, height: int, width: int) -> Self:
        """Add a crop of `height` x `width` pixels with its left upper corner at column `x`, row `y`."""
        return self._add("crop", x=x, y=y, height=height, width=width)

    def centerCrop(self, height: int, width: int) -> Self:
        """Add a crop of at most `height` x `width` pixels around the centre."""
        return self._add("centerCrop", height=height, width=width)

    def colorFormat(self, code: int | str) -> Self:
        """Add a colour conversion: an OpenCV code or a name such as "gray", "rgb", "hsv", "BGR2LAB"."""
        return self._add("colorFormat", code=code)

    def blur(self, height: float, width: float) -> Self:
        """Add a box filter of `height` x `width` pixels."""
        return self._add("blur", height=height, width=width)

    def threshold(self, threshold: float, maxVal: float, type: int = 0) -> Self:
        """Add a threshold; `type` is OpenCV's threshold type as a number."""
        return self._add("threshold", threshold=threshold, maxVal=maxVal, type=type)

    def gaussianKernel(self, apertureSize: int, sigma: float) -> Self:
        """Add a Gaussian blur in both directions."""
        return self._add("gaussianKernel", apertureSize=apertureSize, sigma=sigma)

    def flip(self, code: int = 1) -> Self:
        """Add a flip: 1 left to right, 0 top to bottom, -1 both."""
        return self._add("flip", code=code)

    def rotate(self, degrees: float) -> Self:
        """Add a counter-clockwise rotation; multiples of 90 are exact, others keep the size and fill with black."""
        return self._add("rotate", degrees=degrees)

    def medianBlur(self, apertureSize: int) -> Self:
        """Add a median filter with an odd aperture."""
        return self._add("medianBlur", apertureSize=apertureSize)

    def bilateralFilter(self, diameter: int, sigmaColor: float, sigmaSpace: float) -> Self:
        """Add an edge-preserving bilateral filter."""
        return self._add("bilateralFilter", diameter=diameter, sigmaColor=sigmaColor, sigmaSpace=sigmaSpace)

    def canny(self, threshold1: float, threshold2: float, apertureSize: int | None = None) -> Self:
        """Add Canny's edge detector."""
        return self._add("canny", threshold1=threshold1, threshold2=threshold2, apertureSize=apertureSize)

    def equalizeHist(self) -> Self:
        """Add a histogram equalisation; of the luma for colour images."""
        return self._add("equalizeHist")

    def warpAffine(self, matrix: Sequence[float], height: int, width: int) -> Self:
        """Add an affine warp by the 2 x 3 matrix, given as six numbers row by row."""
        numbers = argument("ImageTransformer.warpAffine", "matrix", FLOAT_LIST.accept, np.ravel(matrix))
        return self._add("warpAffine", matrix=numbers, height=height, width=width)

    def warpPerspective(
        self, matrix: Sequence[float], height: int | None = None, width: int | None = None
    ) -> Self:
        """Add a warp by the 3 x 3 matrix, given as nine numbers row by row; without a size the image keeps its own."""
        numbers = [float(v) for v in np.ravel(matrix)]
        return self._add("warpPerspective", matrix=numbers, height=height, width=width)

    def erode(self, height: int, width: int, *, shape: str = "rect", iterations: int = 1) -> Self:
        """Add an erosion by an element of `height` x `width`; `shape` is "rect", "cross" or "ellipse"."""
        return self._add("erode", height=height, width=width, shape=shape, iterations=iterations)

    def dilate(self, height: int, width: int, *, shape: str = "rect", iterations: int = 1) -> Self:
        """Add a dilation by an element of `height` x `width`; `shape` is "rect", "cross" or "ellipse"."""
        return self._add("dilate", height=height, width=width, shape=shape, iterations=iterations)

    def morphologyEx(
        self, op: str, height: int, width: int, *, shape: str = "rect", iterations: int = 1
    ) -> Self:
        """Add a morphological operation: "open", "close", "gradient", "tophat" or "blackhat"."""
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

        Values below 0 become 0; with `absolute` they count by their size, computed in 16 bits.
        """
        given = {"apertureSize": apertureSize, "scale": scale, "delta": delta, "absolute": absolute}
        return self._add("sobel", dx=dx, dy=dy, **given)

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
        """Add a filter by a kernel of your own, rows of numbers, its anchor in the middle; `delta` is added."""
        return self._add("filter2D", kernel=[[float(v) for v in row] for row in kernel], delta=delta)

    def adaptiveThreshold(
        self, maxVal: float, method: str = "mean", type: int = 0, *, blockSize: int, C: float
    ) -> Self:
        """Add a threshold by the neighbourhood, of gray images; `method` is "mean" or "gaussian", `type` 0 or 1."""
        return self._add(
            "adaptiveThreshold", maxVal=maxVal, method=method, type=type, blockSize=blockSize, C=C
        )

    def clahe(self, clipLimit: float = 40.0, tileGridSize: int | Sequence[int] = (8, 8)) -> Self:
        """Add a histogram equalisation tile by tile, of the luma for colour images; tiles are columns and rows."""
        return self._add("clahe", clipLimit=clipLimit, tileGridSize=tileGridSize)

    def inRange(self, lower: float | Sequence[float], upper: float | Sequence[float]) -> Self:
        """Add a mask: 255 where every channel lies between its bounds, both included, else 0."""
        return self._add("inRange", lower=lower, upper=upper)

    def brightnessContrast(self, brightness: float = 0.0, contrast: float = 1.0) -> Self:
        """Add pixel x `contrast` + `brightness`, rounded and held within 0 and 255; alpha stays."""
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
        """Add a border of pixels; `mode` is "constant", "reflect", "reflect101" or "replicate".

        `value` is for all channels, or one for each, and holds where the mode is "constant".
        """
        return self._add("pad", top=top, bottom=bottom, left=left, right=right, value=value, mode=mode)

    def normalize(self, mean: Sequence[float], std: Sequence[float], scale: float = 1.0) -> Self:
        """Make the output a float tensor of (pixel * scale - mean) / std per channel; applied after all operations."""
        return self._set(toTensor=True, normalizeMean=mean, normalizeStd=std, colorScaleFactor=scale)


class ImageFeaturizer(_generated.ImageFeaturizer):
    __doc__ = _generated.ImageFeaturizer.__doc__
    __module__ = "mmlrs.image"

    def _own_defaults(self) -> dict[str, Any]:
        return {"model": default_model()}


class ImageSetAugmenter(_generated.ImageSetAugmenter):
    __doc__ = _generated.ImageSetAugmenter.__doc__
    __module__ = "mmlrs.image"

    def _copies(self) -> list[ImageTransformer]:
        """Return the stages that make the copies: as it is, then one per flip."""
        codes = [1] * self.getFlipLeftRight() + [0] * self.getFlipUpDown()
        plain = ImageTransformer(
            inputCol=self.getInputCol(),
            outputCol=self.getOutputCol(),
            handleInvalid=self.getHandleInvalid(),
            errorCol=self.getErrorCol(),
        )
        return [plain, *(plain.copy().flip(code) for code in codes)]

    def _transform_spark(self, df: Any) -> Any:
        self._inputs(df)
        copies = [stage.transform(df) for stage in self._copies()]
        union = copies[0]
        for copy in copies[1:]:
            union = union.union(copy)
        return union

    def _transform_table(self, table: pa.Table) -> pa.Table:
        self._inputs(table)
        return pa.concat_tables([stage._transform_table(table) for stage in self._copies()])


def _pictures(images: Any) -> pa.Array:
    """Return a sequence of pictures as encoded images."""
    if isinstance(images, bytes | bytearray | str) or not hasattr(images, "__iter__"):
        text = repr(images)
        raise TypeError(
            "must be a list of pictures, each as encoded bytes, a Pillow image or a NumPy array, got "
            f"{text if len(text) <= 80 else text[:77] + '...'}"
        )
    return encoded_cells(list(images), "decode_to_tensor: images, ")


def decode_to_tensor(
    images: Any,
    *,
    height: int,
    width: int,
    means: Sequence[float] = (0.485, 0.456, 0.406),
    stds: Sequence[float] = (0.229, 0.224, 0.225),
    scale: float = 1 / 255,
    threads: int = 0,
    scaled_decode: bool = True,
    auto_convert_to_color: bool = True,
) -> npt.NDArray[np.float32]:
    """Decode, resize and normalise encoded images into one tensor for a network, in one native pass.

    Parameters
    ----------
    images : sequence or pyarrow.Array
        Encoded images (JPEG, PNG and others) as bytes; Pillow images and NumPy arrays (rows x columns in gray, or x 3
        in R, G, B order, or x 4 with alpha, uint8) are taken too.
    height, width : int
        Size in pixels to which every image is resized; its aspect ratio is not kept.
    means, stds : sequence of float
        Per channel in R, G, B order: the result is (pixel * `scale` - mean) / std.
    scale : float
        Applied to pixels of 0 to 255.
    threads : int
        Threads to use; 0 means all cores.
    scaled_decode : bool
        Decode JPEGs at a reduced scale that keeps a margin of 1.7 over the target size.
    auto_convert_to_color : bool
        Make gray images colour; otherwise they are an error. The tensor has 3 channels either way.

    Returns
    -------
    numpy.ndarray
        float32 of shape (n, 3, height, width), R, G, B planes.

    Raises
    ------
    DecodeError, LimitExceededError
        An image is null, damaged or too large; the message names its row.

    Examples
    --------
    >>> from mmlrs.image import decode_to_tensor
    >>> from mmlrs.testing import sample_image
    >>> decode_to_tensor([sample_image("jpeg")], height=32, width=32).shape
    (1, 3, 32, 32)
    """
    of = partial(argument, "decode_to_tensor")
    array = images if isinstance(images, pa.Array) else of("images", _pictures, images)
    flat = _native.decode_to_tensor(
        array,
        of("height", INT.accept, height),
        of("width", INT.accept, width),
        of("means", FLOAT_LIST.accept, means),
        of("stds", FLOAT_LIST.accept, stds),
        of("scale", FLOAT.accept, scale),
        of("threads", INT.accept, threads),
        of("scaled_decode", BOOL.accept, scaled_decode),
        of("auto_convert_to_color", BOOL.accept, auto_convert_to_color),
        interruptible(),
    )
    values = flat.to_numpy(zero_copy_only=True)
    return values.reshape(len(array), 3, height, width)
