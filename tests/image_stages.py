"""What the tests of native stages on Spark share: a few stages over a column of image files."""

from __future__ import annotations

import networks

from mmlrs.image import ImageTransformer, UnrollImage
from mmlrs.onnx import ONNXModel

PICTURES = 8


def run(df) -> None:
    df.write.format("noop").mode("overwrite").save()


def small(**params) -> ImageTransformer:
    return ImageTransformer(**{"inputCol": "content", "outputCol": "small", **params}).resize(8, 8)


def unroll(**params) -> UnrollImage:
    return UnrollImage(**{"inputCol": "small", "outputCol": "pixels", **params})


def four_stages() -> list:
    """Resize, flip, unroll, infer."""
    return [
        small(),
        ImageTransformer(inputCol="small", outputCol="flipped").flip(),
        unroll(inputCol="flipped"),
        ONNXModel(model=networks.linear(192, 5), inputCol="pixels", outputCol="scores", outputType="vector"),
    ]


def piped(df, stages):
    from pyspark.ml import Pipeline

    return Pipeline(stages=stages).fit(df).transform(df)
