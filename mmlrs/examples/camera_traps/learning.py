"""Training on cached features: scores of the training cameras by models that have not seen them, and models of all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.versions import table_of
from mmlrs.examples.camera_traps.cameras import Split, sides
from mmlrs.examples.camera_traps.variants import Settings, Variant, learner
from mmlrs.stages import EnsembleByKey

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Scored", "averaged_over_bursts", "learn"]

#: Fits that run at a time. A fit has short jobs, between which it leaves a core idle.
_AT_ONCE = 2


class Scored:
    """What a variant without its averages over bursts has learnt.

    Parameters
    ----------
    model : pyspark.ml.PipelineModel
        Trained on all training cameras.
    train, test : pyarrow.Table
        The columns `file` and `probability`: cross-fitted for the training cameras, and of `model` for the test cameras.
    """

    def __init__(self, model: Any, train: pa.Table, test: pa.Table) -> None:
        self.model = model
        self.train = train
        self.test = test


def learn(frame: DataFrame, variant: Variant, split: Split, settings: Settings) -> Scored:
    """Train a variant on all training cameras and, for their own scores, on all parts of them but one.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        The cached features.
    variant : Variant
        What to learn from. Its averages over bursts are not made here.
    split : Split
        The cameras of both sides, and the parts of the training cameras.
    settings : Settings
        Iterations.
    """
    rows = _rows(frame, variant, sides(split))
    held_out = [*range(split.count), -1]

    def part(number: int) -> tuple[Any, pa.Table]:
        """Train without a part and the test cameras, and score the part; -1 is the test cameras."""
        training = rows.where((rows.part != number) & (rows.part != -1))
        model = learner(variant.features, settings).fit(training)
        return model, _scores(model, rows.where(rows.part == number), variant.flips)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = list(pool.map(part, held_out))
    *folds, (model, test) = done
    return Scored(model, pa.concat_tables(scores for _, scores in folds), test)


def _rows(frame: DataFrame, variant: Variant, parts: dict[str, int]) -> DataFrame:
    """Return the rows to learn from and to score: two per picture with flips. `part` is -1 for the test cameras."""
    from pyspark.sql import functions as F

    names, numbers = F.array(*map(F.lit, parts)), F.array(*map(F.lit, parts.values()))
    part = F.map_from_arrays(names, numbers)[F.col("location")].alias("part")
    # A fit makes a pass per iteration, and each task of a pass costs more than its rows.
    few = frame.coalesce(max(1, frame.sparkSession.sparkContext.defaultParallelism))
    copies = [
        few.select("file", "target", part, F.col(column).alias("features"))
        for column in ([variant.features, "mirrored"] if variant.flips else [variant.features])
    ]
    return copies[0] if len(copies) == 1 else copies[0].unionByName(copies[1])


def _scores(model: Any, rows: DataFrame, flips: bool) -> pa.Table:
    """Return the probability that each picture shows the target, averaged over its copies."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    probability = vector_to_array(F.col("probability"))[1].alias("probability")
    table = table_of(model.transform(rows).select("file", probability))
    if not flips:
        return table
    return EnsembleByKey(keys=["file"], cols=["probability"], colNames=["probability"]).transform(table)


def averaged_over_bursts(scores: pa.Table, sequences: dict[str, str]) -> pa.Table:
    """Return scores, each the mean of its burst.

    Parameters
    ----------
    scores : pyarrow.Table
        The columns `file` and `probability`.
    sequences : dict of str to str
        The burst of each file.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.examples.camera_traps.learning import averaged_over_bursts
    >>> scores = pa.table({"file": ["1", "2", "3"], "probability": [0.5, 1.0, 0.25]})
    >>> averaged_over_bursts(scores, {"1": "a", "2": "a", "3": "b"})["probability"].to_pylist()
    [0.75, 0.75, 0.25]
    """
    bursts = pa.array([sequences[file] for file in scores["file"].to_pylist()], pa.string())
    keyed = scores.append_column("sequence", bursts)
    mean = EnsembleByKey(
        keys=["sequence"], cols=["probability"], colNames=["mean"], collapseGroup=False
    ).transform(keyed)
    return pa.table({"file": mean["file"], "probability": mean["mean"]})
