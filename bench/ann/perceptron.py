"""MultilayerPerceptronClassifier beside Spark's class of the same name."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bench.ann.datasets import Rows, digits
from bench.measure import Comparison, Figure, Setting, seconds, side_by_side
from bench.session import CORES, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Times that the digits are repeated.
TIMES = 20
#: Iterations of the comparison of losses.
LOSSES = 20
#: Rows of a block of Spark's class: its default, and the size at which its products are faster.
BLOCKS = (128, 1024)


@dataclass(frozen=True)
class Case:
    """A network, the iterations whose times are subtracted, and how many times faster than Spark an iteration must be."""

    layers: tuple[int, ...]
    few: int
    many: int
    target: float

    @property
    def name(self) -> str:
        return "-".join(map(str, self.layers))


CASES = (Case((64, 512, 512, 10), 2, 12, 10.0), Case((64, 256, 10), 2, 22, 5.0))


def initial(layers: Sequence[int], seed: int = 0) -> np.ndarray:
    """Return normal weights of deviation 1.5 over the root of the inputs.

    Spark's own are so small that 20 iterations hardly move a network with two hidden layers of sigmoids.
    """
    random = np.random.default_rng(seed)
    pairs = pairwise(layers)
    drawn = [random.normal(0.0, 1.5 / inputs**0.5, (inputs + 1) * outputs) for inputs, outputs in pairs]
    return np.concatenate(drawn).astype(np.float32)


def as_table(rows: Rows) -> pa.Table:
    """Return rows as lists of doubles, with the class as a double."""
    width = rows.x.shape[1]
    features = pa.FixedSizeListArray.from_arrays(pa.array(rows.x.ravel().astype(np.float64)), width)
    return pa.table({"features": features.cast(pa.list_(pa.float64())), "label": rows.y.astype(np.float64)})


def as_frame(spark: SparkSession, table: pa.Table, partitions: int) -> DataFrame:
    """Return rows as vectors in cached partitions of equal size."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    vectors = spark.createDataFrame(table).select(
        array_to_vector(F.col("features")).alias("features"), "label"
    )
    cached = vectors.repartition(partitions).cache()
    cached.count()
    return cached


def ours(rows: Any, layers: Sequence[int], weights: Any, **params: Any) -> Any:
    """Fit with mmlrs."""
    from mmlrs.ann import MultilayerPerceptronClassifier

    return MultilayerPerceptronClassifier(layers=list(layers), initialWeights=weights, tol=0.0, **params).fit(
        rows
    )


def theirs(rows: DataFrame, layers: Sequence[int], weights: Any, **params: Any) -> Any:
    """Fit with Spark."""
    from pyspark.ml.classification import MultilayerPerceptronClassifier
    from pyspark.ml.linalg import Vectors

    start = Vectors.dense(weights.astype(float))
    return MultilayerPerceptronClassifier(layers=list(layers), initialWeights=start, tol=0.0, **params).fit(
        rows
    )


def per_iteration(fit: Callable[[int], Any], case: Case) -> float:
    """Return the difference of the whole times of two fits, per iteration between them."""
    few, many = (seconds(partial(fit, count)) for count in (case.few, case.many))
    return (many - few) / (case.many - case.few)


def _best_block(frame: DataFrame, case: Case, weights: np.ndarray) -> int:
    """Return the size of blocks with which Spark is faster."""

    def time(block: int) -> float:
        return seconds(lambda: theirs(frame, case.layers, weights, maxIter=case.few, blockSize=block))

    time(BLOCKS[0])  # to warm up
    return min(BLOCKS, key=time)


def _detail(timed: Comparison, case: Case, block: int) -> str:
    ours, theirs = (statistics.median(times) for times in (timed.ours, timed.theirs))
    return (
        f"{ours:.3f} s against {theirs:.3f} s with Spark's class and blockSize={block}: whole fits of {case.many} less those of "
        f"{case.few} iterations, per iteration; {len(timed.ours)} pairs"
    )


def speed(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Yield how many times faster an iteration is, on Spark and on a table."""
    table = as_table(digits(1 if setting.quick else TIMES))
    frame = as_frame(spark, table, CORES)
    for case in CASES:
        weights = initial(case.layers)
        block = _best_block(frame, case, weights)

        def peer(count: int, case: Case = case, weights: Any = weights, block: int = block) -> Any:
            return theirs(frame, case.layers, weights, maxIter=count, blockSize=block)

        for where, rows, target in ((f"Spark local[{CORES}]", frame, case.target), ("a table", table, None)):

            def own(count: int, rows: Any = rows, case: Case = case, weights: Any = weights) -> Any:
                return ours(rows, case.layers, weights, maxIter=count)

            own(1)
            timed = side_by_side(
                partial(per_iteration, own, case),
                partial(per_iteration, peer, case),
                setting.pairs(3),
                warm_up=False,
                clock=lambda measure: measure(),
            )
            yield Figure(
                f"iteration of L-BFGS on {where}, {case.name}, {table.num_rows:,} digits, against Spark on local[{CORES}]",
                timed.ratio,
                target=target,
                detail=_detail(timed, case, block),
            )
    frame.unpersist()


def losses(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Yield how the losses after the same number of iterations differ. In one block, Spark's loss is that of all rows."""
    table = as_table(digits())
    frame = as_frame(spark, table, 1)
    for case in CASES:
        weights, block = initial(case.layers), table.num_rows
        count = 5 if setting.quick else LOSSES
        history = (
            theirs(frame, case.layers, weights, maxIter=count, blockSize=block).summary().objectiveHistory
        )
        found = ours(frame, case.layers, weights, maxIter=count).history["loss"].to_pylist()
        yield Figure(
            f"loss after {count} iterations from the same initial weights, {case.name}, beyond that of Spark",
            100.0 * (found[-1] / history[-1] - 1),
            "%",
            target=0.5,
            at_least=False,
            detail=f"{found[-1]:.5f} against {history[-1]:.5f}; first loss {found[0]:.6f} against {history[0]:.6f}",
        )
    yield from _gradient(frame, table)
    frame.unpersist()


def _gradient(frame: DataFrame, table: pa.Table) -> Iterator[Figure]:
    """Yield how the first loss and gradient differ. One step of gradient descent of size 1 subtracts the gradient."""
    layers = CASES[-1].layers
    weights = initial(layers)
    step = {"solver": "gd", "maxIter": 1, "stepSize": 1.0}
    peer, own = (
        theirs(frame, layers, weights, blockSize=table.num_rows, **step),
        ours(frame, layers, weights, **step),
    )
    expected, got = weights - peer.weights.toArray(), weights - own.weights
    largest = float(np.abs(expected).max())
    first, peer_first = own.history["loss"][0].as_py(), peer.summary().objectiveHistory[0]
    for what, apart in (
        ("loss, of its value", abs(first / peer_first - 1)),
        ("gradient, of its largest value", float(np.abs(got - expected).max()) / largest),
    ):
        yield Figure(
            f"largest difference of the first {what}, in hundred-thousandths",
            1e5 * apart,
            "",
            target=1.0,
            at_least=False,
        )


def perceptron(setting: Setting) -> Iterator[Figure]:
    """L-BFGS of MultilayerPerceptronClassifier beside Spark's class, in one session on the same cached rows."""
    with spark_session() as spark:
        yield from losses(spark, setting)
        yield from speed(spark, setting)
