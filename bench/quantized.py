"""EfficientNet-Lite0 with 8-bit integers against the same network in floats: speed, and the answers on real pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from bench import decode, peers, pictures, tuxpaint
from bench.image_job import write_parquet
from bench.measure import Figure, Setting, side_by_side
from bench.networks import Classifier, lite0
from bench.published import LIMIT_BATCH, ROWS, as_published, classifier, title, with_mmlrs
from bench.session import run_to_nowhere, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs.image import ImageClassifier

TARGET = 1.5
#: Per cent of the pictures with the same most probable class.
ALIKE = 97.0
BATCHES = 8
#: Of the scores of both networks.
LEAST_CORRELATION = 0.98


def real_pictures() -> pa.Table:
    """Return the photographs of Tux Paint, scikit-image and scikit-learn."""
    stamps, _ = tuxpaint.photographs()
    files = [pictures.jpeg(pixels) for pixels in pictures.photographs().values()]
    return pa.concat_tables([stamps, pa.table({"image": pa.array(files, pa.binary())})])


def best(stage: ImageClassifier, table: pa.Table) -> list[tuple[str, float]]:
    """Return the most probable class of each picture, and its probability."""
    answers = stage.transform(table)["classes"].to_pylist()
    return [(answer[0]["class"], answer[0]["probability"]) for answer in answers]


def agreement(alpha: Literal["drop", "composite"], target: float | None) -> Figure:
    """Compare the answers on each half of the pictures, after calibration on the other half."""
    from mmlrs.image import ImageClassifier

    table, same, changed = real_pictures(), 0, []
    exact = ImageClassifier(inputCol="image", outputCol="classes", topK=1, alpha=alpha)
    for half in (0, 1):
        ours, others = (table.take(list(range(start, len(table), 2))) for start in (half, 1 - half))
        pairs = list(zip(best(exact, ours), best(exact.quantize(others), ours), strict=True))
        same += sum(a == b for (a, _), (b, _) in pairs)
        changed += [probability for (a, probability), (b, _) in pairs if a != b]
    sure = f", to which floats give a probability of at most {max(changed):.2f}" if changed else ""
    detail = f"{len(table)} photographs; {len(changed)} have another class{sure}"
    what = f'EfficientNet-Lite0 as int8, the same most probable class as in floats, alpha="{alpha}"'
    return Figure(what, 100 * same / len(table), "%", target=target, detail=detail)


def network_alone(exact: Classifier, folder: Path, setting: Setting) -> Iterator[Figure]:
    """Compare both networks on prepared tensors, on one thread."""
    files = pictures.repeated(pictures.jpegs(600, 400), BATCHES * LIMIT_BATCH)
    table = pa.table({"content": pa.array(files, pa.binary())})
    path = folder / "int8.onnx"
    path.write_bytes(classifier(exact).quantize(table).getModel().read())
    rounded = replace(exact, path=path)
    tensors = peers.tensor_with_pillow(files, means=exact.means, stds=exact.stds)
    ours, theirs = (
        partial(peers.infer, peers.session(network), network, tensors, LIMIT_BATCH)
        for network in (rounded, exact)
    )
    correlation = np.corrcoef(ours().ravel(), theirs().ravel())[0, 1]
    if correlation < LEAST_CORRELATION:
        raise AssertionError(f"the scores of both networks have a correlation of {correlation:.2f} only")
    timed = side_by_side(ours, theirs, setting.pairs(11))
    what = f"EfficientNet-Lite0, int8 against floats, one thread, batches of {LIMIT_BATCH}"
    detail = f"{timed.detail(len(files), 'floats')}; {path.stat().st_size / 1e6:.1f} MB against {exact.path.stat().st_size / 1e6:.1f} MB"
    yield Figure(what, timed.ratio, target=TARGET, detail=detail)


def job(source: DataFrame, exact: Classifier, rows: int, setting: Setting) -> Iterator[Figure]:
    """Compare the published job with the quantized network with the same job in floats, and with its peer."""
    stage = classifier(exact).quantize(source)
    best_class = stage.getOutputCol()
    ours = stage.transform(source).selectExpr(f"{best_class}[0].description AS label")
    for theirs, peer in (
        (with_mmlrs(source, exact), "ImageClassifier in floats"),
        (as_published(source, exact), "the published job"),
    ):
        timed = side_by_side(partial(run_to_nowhere, ours), partial(run_to_nowhere, theirs), setting.pairs(5))
        what = f"{title(exact)}, with int8, against {peer}"
        yield Figure(what, timed.ratio, detail=timed.detail(rows, peer))


def quantized(setting: Setting) -> Iterator[Figure]:
    """EfficientNet-Lite0 with 8-bit integers, calibrated by `quantize`, against the same network in floats."""
    yield agreement("drop", ALIKE)  # the default
    yield agreement("composite", None)
    rows = ROWS // 8 if setting.quick else ROWS
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as place:
        folder = Path(place)
        exact = lite0(folder)
        yield from network_alone(exact, folder, setting)
        (folder / "pictures").mkdir()
        write_parquet(folder / "pictures", pictures.repeated(pictures.jpegs(*decode.IMAGENET), rows))
        with spark_session(images=True, memory="2g") as spark:
            source = spark.read.parquet(str(folder / "pictures"))
            yield from job(source, exact, rows, setting)
