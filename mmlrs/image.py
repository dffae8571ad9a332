"""Read, transform, unroll, augment and featurize images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs import _native
from mmlrs._generated import image as _generated
from mmlrs._generated.image import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._image_transformer import ImageTransformer
from mmlrs._names import public
from mmlrs._quantization.kinds import QuantizesImages
from mmlrs.duplicates import near_duplicates
from mmlrs.engine.cells import encoded_cells
from mmlrs.engine.columns import Columns
from mmlrs.engine.table import interruptible
from mmlrs.models import ModelHandle
from mmlrs.params import BOOL, FLOAT, FLOAT_LIST, INT, argument
from mmlrs.readers import read_binary_files, read_binary_stream, read_image_stream, read_images, readImages
from mmlrs.writers import write_images

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = [
    "DeepImageFeaturizer",
    "DeepImagePredictor",
    "ImageClassifier",
    "ImageFeaturizer",
    "ImageSetAugmenter",
    "ImageTransformer",
    "SequenceGrouper",
    "decode_to_tensor",
    "near_duplicates",
    "readImages",
    "read_binary_files",
    "read_binary_stream",
    "read_image_stream",
    "read_images",
    "write_images",
]
__all__ += _generated.__all__

__dir__ = public(globals())


def _default_model() -> ModelHandle:
    return ModelHandle(name="efficientnet-lite0")


class ImageFeaturizer(QuantizesImages, _generated.ImageFeaturizer):
    __doc__ = _generated.ImageFeaturizer.__doc__
    __module__ = "mmlrs.image"

    def _own_defaults(self) -> dict[str, Any]:
        return {"model": _default_model()}


class ImageClassifier(QuantizesImages, _generated.ImageClassifier):
    __doc__ = _generated.ImageClassifier.__doc__
    __module__ = "mmlrs.image"

    def _own_defaults(self) -> dict[str, Any]:
        return {"model": _default_model()}


class DeepImageFeaturizer(QuantizesImages, _generated.DeepImageFeaturizer):
    __doc__ = _generated.DeepImageFeaturizer.__doc__
    __module__ = "mmlrs.image"
    _network_param = "modelName"

    def _own_defaults(self) -> dict[str, Any]:
        return {"modelName": _default_model()}


class DeepImagePredictor(QuantizesImages, _generated.DeepImagePredictor):
    __doc__ = _generated.DeepImagePredictor.__doc__
    __module__ = "mmlrs.image"
    _network_param = "modelName"

    def _own_defaults(self) -> dict[str, Any]:
        return {"modelName": _default_model()}


class ImageSetAugmenter(_generated.ImageSetAugmenter):
    __doc__ = _generated.ImageSetAugmenter.__doc__
    __module__ = "mmlrs.image"

    def _copies(self) -> list[ImageTransformer]:
        """Return one stage per copy: the unchanged image, then one flip each."""
        codes = [1] * self.getFlipLeftRight() + [0] * self.getFlipUpDown()
        unchanged = ImageTransformer(
            inputCol=self.getInputCol(),
            outputCol=self.getOutputCol(),
            handleInvalid=self.getHandleInvalid(),
            errorCol=self.getErrorCol(),
        )
        return [unchanged, *(unchanged.copy().flip(code) for code in codes)]

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        self._inputs(df)
        copies = [stage.transform(df) for stage in self._copies()]
        union = copies[0]
        for copy in copies[1:]:
            union = union.union(copy)
        return union

    def _transform_table(self, table: pa.Table) -> pa.Table:
        self._inputs(table)
        return pa.concat_tables([stage._transform_table(table) for stage in self._copies()])


class SequenceGrouper(_generated.SequenceGrouper):
    __doc__ = _generated.SequenceGrouper.__doc__
    __module__ = "mmlrs.image"

    def _read(self, dataset: FrameOrTable) -> tuple[str, str, str | None]:
        """Return the columns of locations, times and ids. One column may be several of them."""
        self._inputs(dataset)
        columns, own = Columns.of(dataset, self._stage), self.getIdCol()
        location, time = columns.resolve_all([self.getLocationCol(), self.getTimeCol()])
        return location, time, None if own is None else columns.resolve(own)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine.sequences import sequences_of_frame

        return sequences_of_frame(self._stage, df, *self._read(df), self.getGapSeconds(), self.getOutputCol())

    def _transform_table(self, table: pa.Table) -> pa.Table:
        from mmlrs.engine.sequences import sequences_of_table

        names = sequences_of_table(self._stage, table, *self._read(table), self.getGapSeconds())
        return table.append_column(self.getOutputCol(), names)


def _pictures(images: Any) -> pa.Array:
    """Return a sequence of images in any supported form as encoded images."""
    if isinstance(images, bytes | bytearray | str) or not hasattr(images, "__iter__"):
        text = repr(images)
        raise TypeError(
            "must be a list of images, each as encoded bytes, a Pillow image or a NumPy array, got "
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
    """Decode, resize and normalize encoded images into one tensor for a network, in one native pass.

    Parameters
    ----------
    images : sequence or pyarrow.Array
        Encoded images (JPEG, PNG and others) as bytes, Pillow images, or NumPy arrays of uint8. The shape of an array is
        (rows, columns) for gray, (rows, columns, 3) for R, G, B, or (rows, columns, 4) with alpha.
    height, width : int
        Size in pixels to which every image is resized. The aspect ratio is not kept.
    means, stds : sequence of float
        One value per channel in R, G, B order, by default those of ImageNet. The result is
        (pixel * `scale` - mean) / std.
    scale : float, default 1/255
        Factor on pixel values of 0 to 255.
    threads : int, default 0
        Number of threads; 0 means all cores.
    scaled_decode : bool, default True
        Decode JPEGs at a reduced scale that keeps a margin of 1.7 over the target size.
    auto_convert_to_color : bool, default True
        Convert gray images to colour. If false, a gray image is an error. The tensor has 3 channels in both cases.

    Returns
    -------
    numpy.ndarray
        float32 of shape (n, 3, height, width), with the channels in R, G, B order.

    Raises
    ------
    DecodeError, LimitExceededError
        An image is null, damaged or too large. The message names its row.
    InvalidParamError
        An argument has a value that is not allowed.

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
