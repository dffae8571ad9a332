"""The main job with mmlrs: JPEG files in parquet, ImageFeaturizer, vector. It needs no library of a peer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from bench.networks import MEANS, STDS, Network
from bench.session import CORES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Rows per call of the network, on every side.
BATCH = 32


def write_parquet(folder: Path, files: list[bytes]) -> None:
    """Write one parquet file per core, so that all cores get the same share."""
    for part in range(CORES):
        table = pa.table({"content": pa.array(files[part::CORES], type=pa.binary())})
        pq.write_table(table, folder / f"part-{part}.parquet", compression="none", row_group_size=BATCH)


def with_mmlrs(source: DataFrame, network: Network) -> DataFrame:
    """Return the result of the job with ImageFeaturizer."""
    from mmlrs.image import ImageFeaturizer

    featurizer = ImageFeaturizer(
        inputCol="content",
        outputCol="features",
        model=str(network.path),
        headless=False,
        channelNormalizationMeans=list(MEANS),
        channelNormalizationStds=list(STDS),
        colorScaleFactor=1.0 / 255.0,
        miniBatchSize=BATCH,
    )
    return featurizer.transform(source).select("features")
