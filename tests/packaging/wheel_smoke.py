"""Uses an installed mmlrs as a user would: images, text, tables and Spark. Run by scripts/test_wheel.sh.

    python -I wheel_smoke.py [--without-spark]

It needs only mmlrs with its extras, fails if mmlrs is that of a checkout, and fails if any OpenCV but the one inside the
extension has been loaded.
"""

from __future__ import annotations

import argparse
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

import mmlrs
from mmlrs.featurize import Featurize
from mmlrs.image import ImageFeaturizer, ImageTransformer
from mmlrs.testing import sample_image
from mmlrs.text import TextFeaturizer


def png(pixels: np.ndarray) -> bytes:
    """Encode pixels in R, G, B order with nothing but zlib."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def pixels_of(image: dict) -> np.ndarray:
    return np.frombuffer(image["data"], np.uint8).reshape(image["height"], image["width"], image["nChannels"])


def installed() -> None:
    """The package is the one in the environment, in the version of its metadata."""
    from importlib.metadata import version

    assert Path(mmlrs.__file__).is_relative_to(sys.prefix), f"mmlrs is imported from {mmlrs.__file__}"
    assert mmlrs.__version__ == version("mmlrs")
    mmlrs.show_versions()


def decoding() -> None:
    """PNG decodes without loss, JPEG to about the same image."""
    pixels = np.random.default_rng(0).integers(0, 256, (41, 67, 3), np.uint8)
    table = pa.table({"image": [png(pixels), sample_image("jpeg"), sample_image("png")]})
    images = ImageTransformer(inputCol="image", outputCol="out").transform(table)["out"].to_pylist()
    assert (pixels_of(images[0])[..., ::-1] == pixels).all()
    jpeg, plain = (pixels_of(image).astype(int) for image in images[1:])
    assert jpeg.shape == plain.shape == (48, 64, 3)
    assert np.abs(jpeg - plain).mean() < 8


def operations() -> None:
    """OpenCV's functions run. A mean over whole pixels is exact. A row that an operation refuses has a reason."""
    pixels = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    table = pa.table({"image": [png(pixels)]})
    stage = ImageTransformer(inputCol="image", outputCol="out", interpolation="area").resize(32, 48)
    out = pixels_of(stage.transform(table)["out"][0].as_py())[..., ::-1]
    blocks = pixels.reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(out - blocks).max() <= 0.5
    for stage in (
        ImageTransformer().gaussianKernel(5, 1.2).colorFormat("gray").canny(50, 100),
        ImageTransformer().rotate(30).clahe().medianBlur(3).flip(1),
        ImageTransformer().warpAffine([1, 0.1, 0, 0, 1, 3], 50, 60).erode(3, 3).sobel(1, 0),
    ):
        stage.setInputCol("image").setOutputCol("out").transform(table)
    refused = ImageTransformer(inputCol="image", outputCol="out", handleInvalid="keep", errorCol="why")
    why = refused.colorFormat("gray").colorFormat("BGR2LAB").transform(table)["why"][0].as_py()
    assert "needs images of 3 channels" in why, why


def network() -> None:
    """The default network runs in ONNX Runtime."""
    table = pa.table({"image": [sample_image("jpeg"), sample_image("png"), None]})
    stage = ImageFeaturizer(inputCol="image", outputCol="features", handleInvalid="keep")
    first, second, third = stage.transform(table)["features"].to_pylist()
    assert len(first) == len(second) == 1280
    assert third is None
    assert np.isfinite(first).all()
    assert np.linalg.norm(first) > 0
    assert np.dot(first, second) > 0.9 * np.linalg.norm(first) * np.linalg.norm(second)


def text() -> None:
    table = pa.table({"text": ["the cat sat", "the dog sat", "a bird"]})
    model = TextFeaturizer(inputCol="text", outputCol="features", numFeatures=64).fit(table)
    assert mmlrs.to_numpy(model.transform(table)["features"]).shape == (3, 64)


def tables() -> None:
    table = pa.table({"age": [31, None, 45, 28], "job": ["nurse", "clerk", "nurse", "clerk"]})
    model = Featurize(inputCols=["age", "job"], outputCol="features").fit(table)
    features = mmlrs.to_numpy(model.transform(table)["features"])
    assert features.shape == (4, 3)
    assert sorted(features[1]) == [0, 1, np.float64((31 + 45 + 28) / 3)]


def spark() -> None:
    """A pipeline is fitted, saved, loaded and applied in worker processes."""
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.classification import LogisticRegression
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config(map={**mmlrs.recommended_conf(), "spark.ui.enabled": "false"})
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    generator = np.random.default_rng(2)
    rows = []
    for i in range(12):
        pixels = generator.integers(0, 64, (40, 40, 3), np.uint8)
        pixels[..., i % 2] += 128  # reddish or greenish
        rows.append((bytearray(png(pixels)), "good red" if i % 2 == 0 else "good green", float(i % 2)))
    frame = session.createDataFrame(rows, "image binary, note string, label double")
    stages = [
        ImageFeaturizer(inputCol="image", outputCol="pixels"),
        Featurize(inputCols=["pixels", "note"], outputCol="features"),
        LogisticRegression(maxIter=5),
    ]
    model = Pipeline(stages=stages).fit(frame)
    with tempfile.TemporaryDirectory() as folder:
        model.write().overwrite().save(f"{folder}/model")
        loaded = PipelineModel.load(f"{folder}/model")
        assert loaded.transform(frame).where("prediction = label").count() == 12
        small = ImageTransformer(inputCol="image", outputCol="small").resize(20, 30)
        image = small.transform(frame).select("small").first().small
        assert (image.height, image.width) == (20, 30)
    session.stop()


def loaded_libraries() -> None:
    """Only the extension brings OpenCV into the process."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    libraries = sorted({line.split(maxsplit=5)[5] for line in maps if ".so" in line})
    assert any("mmlrs/_native" in library for library in libraries)
    foreign = [library for library in libraries if "opencv" in library or "turbojpeg" in library]
    assert not foreign, foreign


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without-spark", action="store_true")
    steps = [installed, decoding, operations, network, text, tables]
    if not parser.parse_args().without_spark:
        steps.append(spark)
    for step in (*steps, loaded_libraries):
        started = time.perf_counter()
        step()
        print(f"{step.__name__}: passed in {time.perf_counter() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
