"""Large images on a small heap, workers that die, and damaged bytes: the job finishes and no row is lost."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mmlrs.image import ImageTransformer
from mmlrs.testing import sample_image

pytestmark = [pytest.mark.spark, pytest.mark.slow]

IMAGES = 2_000
SIDE = 365  # 365 x 365 pixels of 3 bytes are 400 KB


def run_spark(program: str, *arguments: str, conf: dict[str, str]) -> list[str]:
    """Run a program with a Spark session of its own, `spark`, in a process of its own; return the lines it prints."""
    import mmlrs

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        **conf,
    }
    head = f"""
        import sys
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.config(map={settings!r}).getOrCreate()
    """
    text = textwrap.dedent(head) + textwrap.dedent(program)
    command = [sys.executable, "-W", "ignore", "-c", text, *arguments]
    root = str(Path(mmlrs.__file__).parents[1])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def large_images(tmp_path_factory) -> Path:
    """A folder of 2,000 JPEG files of about 400 KB: five pictures under many names."""
    folder = tmp_path_factory.mktemp("large")
    noise = np.random.default_rng(0)
    originals = []
    for i in range(5):
        file = tmp_path_factory.mktemp("originals") / f"{i}.jpg"
        pixels = noise.integers(0, 256, (600, 700, 3), np.uint8)
        Image.fromarray(pixels).save(file, quality=92)
        assert 380_000 < file.stat().st_size < 440_000, file.stat().st_size
        originals.append(file)
    for i in range(IMAGES):
        os.link(originals[i % 5], folder / f"{i:04}.jpg")
    return folder


SMALL_HEAP = {"spark.master": "local[2]", "spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "2"}

RESIZE = """
    from pyspark.sql import Observation, functions as F
    from mmlrs.image import ImageTransformer

    def resized(df):
        stage = ImageTransformer(inputCol="content", outputCol="small").resize(365, 365)
        seen = Observation()
        made = stage.transform(df).observe(
            seen, F.count("small").alias("rows"), F.sum(F.length("small.data")).alias("bytes")
        )
        made.select("small").write.format("noop").mode("overwrite").save()
        print(seen.get["rows"], seen.get["bytes"])
"""


def test_two_thousand_large_images_pass_a_small_heap_from_files(large_images):
    program = (
        RESIZE
        + """
    resized(spark.read.format("binaryFile").load(sys.argv[1]))
    """
    )
    assert run_spark(program, str(large_images), conf=SMALL_HEAP) == [f"{IMAGES} {IMAGES * SIDE * SIDE * 3}"]


def test_two_thousand_large_images_pass_a_small_heap_from_parquet(large_images, tmp_path):
    import mmlrs

    program = (
        RESIZE
        + """
    spark.read.format("binaryFile").load(sys.argv[1]).select("content").write.parquet(sys.argv[2])
    resized(spark.read.parquet(sys.argv[2]))
    """
    )
    conf = {**SMALL_HEAP, **mmlrs.recommended_conf()}
    lines = run_spark(program, str(large_images), str(tmp_path / "images"), conf=conf)
    assert lines == [f"{IMAGES} {IMAGES * SIDE * SIDE * 3}"]


KILLED = """
    import os, signal
    import numpy as np
    import pyarrow as pa
    from pyspark.sql.pandas.functions import arrow_udf
    from mmlrs.image import ImageFeaturizer
    from mmlrs.testing import sample_image

    first, second = sys.argv[1:]

    def die_once(flag):
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @arrow_udf("int")
    def beside(i: pa.Array) -> pa.Array:
        if 13 in i.to_pylist():
            die_once(first)
        return i

    def behind(batches):
        for batch in batches:
            if 13 in batch.column("i").to_pylist():
                die_once(second)
            yield batch

    pictures = [bytearray(sample_image("jpeg")), bytearray(sample_image("png"))]
    df = spark.createDataFrame([(i, pictures[i % 2]) for i in range(24)], "i int, content binary").repartition(4)
    stage = ImageFeaturizer(inputCol="content", outputCol="f")
    expected = stage.transform(pa.table({"content": [bytes(p) for p in pictures]}))["f"].to_pylist()
    made = stage.transform(df).select("i", "f")
    for flag, query in [
        (first, stage.transform(df).select("i", "f", beside("i").alias("j"))),
        (second, made.mapInArrow(behind, made.schema)),
    ]:
        rows = sorted(query.collect(), key=lambda row: row.i)
        for row in rows:
            np.testing.assert_allclose(row.f.toArray(), expected[row.i % 2], rtol=1e-4, atol=1e-5)
        print(os.path.exists(flag), [row.i for row in rows] == list(range(24)))
"""


def test_a_worker_killed_in_mid_job_loses_nothing(tmp_path):
    """Once in the very process that runs the stage, once in the step behind it."""
    # A local master retries a task only when told how often it may fail.
    conf = {"spark.master": "local[2,4]", "spark.sql.execution.arrow.maxRecordsPerBatch": "2"}
    lines = run_spark(KILLED, str(tmp_path / "beside"), str(tmp_path / "behind"), conf=conf)
    assert lines == ["True True", "True True"], "the worker was killed, and every row is there"


def damaged(original: bytes, rng: random.Random) -> bytes:
    """Bytes with a few changed, cut out, doubled or cut off."""
    content = bytearray(original)
    for _ in range(rng.choice([1, 2, 8, 40])):
        at = rng.randrange(len(content))
        match rng.randrange(5):
            case 0:
                content[at] = rng.randrange(256)
            case 1:
                content[at : at + 4] = rng.choice(
                    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff"]
                )
            case 2:
                del content[at : at + rng.randrange(1, 64)]
            case 3:
                content[at:at] = content[at : at + rng.randrange(1, 64)]
            case 4 if rng.random() < 0.2:
                del content[at:]
        if not content:
            break
    return bytes(content)


@pytest.fixture(scope="module")
def damaged_pictures() -> list[bytes]:
    """300 damaged pictures of several formats; always the same."""
    rng = random.Random(0)
    pixels = Image.open(io.BytesIO(sample_image("png")))
    originals = [sample_image("jpeg"), sample_image("png")]
    for kind, how in [("JPEG", {"progressive": True}), ("GIF", {}), ("BMP", {}), ("WEBP", {}), ("TIFF", {})]:
        file = io.BytesIO()
        pixels.save(file, kind, **how)
        originals.append(file.getvalue())
    # Header bytes matter most: half of the damage is done there.
    made = []
    for i in range(300):
        original = originals[i % len(originals)]
        if i % 2:
            made.append(damaged(original[:80], rng) + original[80:])
        else:
            made.append(damaged(original, rng))
    return made


def transformer() -> ImageTransformer:
    stage = ImageTransformer(
        inputCol="content", outputCol="small", handleInvalid="keep", errorCol="why", maxPixels=4_000_000
    )
    return stage.resize(20, 20).gaussianKernel(3, 1.0).flip()


def test_damaged_bytes_never_end_the_process_and_never_lose_a_row(damaged_pictures):
    made = transformer().transform(pa.table({"content": damaged_pictures}))
    assert made.num_rows == 300
    for image, why in zip(made["small"].to_pylist(), made["why"].to_pylist(), strict=True):
        assert (image is None) == (why is not None)
        if image is None:
            assert why
            assert "internal error" not in why
        else:
            assert (image["height"], image["width"]) == (20, 20)
            assert len(image["data"]) == 400 * image["nChannels"]
    bad = made["why"].to_pylist()
    assert 30 < sum(why is not None for why in bad) < 290, "some are too damaged, some are not"


def test_damaged_bytes_never_end_a_spark_worker(spark, damaged_pictures):
    rows = [(i, bytearray(picture)) for i, picture in enumerate(damaged_pictures)]
    df = spark.createDataFrame(rows, "i int, content binary").repartition(4)
    expected = transformer().transform(pa.table({"content": damaged_pictures}))["why"].to_pylist()
    made = transformer().transform(df).select("i", "why").collect()
    assert [row.why for row in sorted(made)] == expected
