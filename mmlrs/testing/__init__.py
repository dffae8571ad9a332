"""What a stage must do, as checks anyone can run, and small data to try things with."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._generated.testing import Identity
from mmlrs._names import public
from mmlrs.engine.expr import quoted
from mmlrs.testing.checks import Report, Tags, check_stage, checks_of, sample_stage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "Identity",
    "Report",
    "Tags",
    "check_stage",
    "checks_of",
    "reversed_columns",
    "sample_image",
    "sample_model",
    "sample_stage",
    "sample_text_model",
    "sample_tokenizer",
    "worker_counters",
]

__dir__ = public(globals())


def sample_image(format: str = "jpeg") -> bytes:
    """Return a small natural-looking picture, 48 x 64 pixels, encoded as "jpeg" or "png"."""
    return bytes(_native.sample_image(format))


def reversed_columns(dataset: Any) -> Any:
    """Return the columns of a Spark DataFrame or a `pyarrow.Table` in reverse order: a function for `Lambda` to run."""
    if isinstance(dataset, pa.Table):
        return dataset.select(dataset.column_names[::-1])
    return dataset.select([quoted(name) for name in reversed(dataset.columns)])


def sample_model() -> bytes:
    """Return a tiny ONNX model: input `x` of shape [N, 4], internal tensor `features`, output `scores`."""
    return bytes(_native.sample_model())


def sample_text_model() -> bytes:
    """Return a tiny ONNX model of texts of up to 32 tokens of `sample_tokenizer`, with vectors of 8 numbers."""
    return _content_of_sample("TextEmbedder", "model")


def sample_tokenizer() -> bytes:
    """Return a tokenizer.json with a vocabulary of a few words and the letters from a to z."""
    return _content_of_sample("HuggingFaceTokenizer", "tokenizer")


def _content_of_sample(stage: str, param: str) -> bytes:
    """Return the bytes that a param of a stage's sample refers to."""
    params, _ = _native.sample(stage)
    content = _native.get_blob(json.loads(params)[param]["sha256"])
    assert content is not None, f"the sample of {stage} stores its {param}"
    return content


#: How often `worker_counters` asks: far more often than workers are alive.
_ROUNDS = 100


def worker_counters(spark: SparkSession, *, tasks: int = 2, reset: bool = False) -> list[dict[str, Any]]:
    """Return the counters of the Python workers that are alive, one dict per process with its `pid`.

    Without worker reuse (`spark.python.worker.reuse=false`) a worker ends with its task and takes its counters along: the
    answer is that of the processes that were asked, one per task, which did nothing before.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        With worker reuse (the default), so that the processes that did a job still live.
    tasks : int
        How many tasks ask at the same time: the number of cores.
    reset : bool
        Set the counters to zero after reading them.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.pandas.functions import arrow_udf

    def ask(column: pa.Array) -> pa.Array:
        text = json.dumps({"pid": os.getpid(), **_native.counters()})
        if reset:
            _native.reset_counters()
        time.sleep(0.1)  # keeps this worker busy, so that the other tasks go to the others
        return pa.array([text] * len(column))

    function = arrow_udf(ask, returnType="string")  # type: ignore[call-overload]
    query = spark.range(0, tasks, 1, tasks).select(function(F.col("id")).alias("text"))
    reused = (spark.conf.get("spark.python.worker.reuse", "true") or "true").lower() != "false"
    found: dict[int, dict[str, Any]] = {}
    # More workers than tasks may be alive, and Spark hands them out in turn: ask until none is new. Where workers end
    # for another reason there is always a new one.
    for _ in range(_ROUNDS if reused else 1):
        known = len(found)
        for row in query.collect():
            answer = json.loads(row[0])
            found.setdefault(answer["pid"], answer)
        if len(found) == known:
            break
    return list(found.values())
