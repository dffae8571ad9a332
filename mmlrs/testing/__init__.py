"""The contract of stages as checks, and small samples of data and models."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._generated.testing import Identity
from mmlrs._names import public
from mmlrs.engine.expr import quoted
from mmlrs.engine.sent import sent_function
from mmlrs.testing.checks import Report, Tags, check_stage, checks_of, sample_stage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mmlrs._types import FrameOrTable

__all__ = [
    "Identity",
    "Report",
    "Tags",
    "check_stage",
    "checks_of",
    "reversed_columns",
    "sample_detector",
    "sample_image",
    "sample_model",
    "sample_stage",
    "sample_text_model",
    "sample_tokenizer",
    "worker_counters",
]

__dir__ = public(globals())


def sample_image(format: str = "jpeg") -> bytes:
    r"""Return a small natural-looking image of 48 x 64 pixels (rows x columns), encoded as "jpeg" or "png".

    Examples
    --------
    >>> from mmlrs.testing import sample_image
    >>> sample_image("png")[:4]
    b'\x89PNG'
    """
    return bytes(_native.sample_image(format))


def reversed_columns(dataset: FrameOrTable) -> Any:
    """Return a Spark DataFrame or a `pyarrow.Table` with its columns in reverse order, as an example for `Lambda`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.testing import reversed_columns
    >>> reversed_columns(pa.table({"a": [1], "b": [2]})).column_names
    ['b', 'a']
    """
    if isinstance(dataset, pa.Table):
        return dataset.select(dataset.column_names[::-1])
    return dataset.select([quoted(name) for name in reversed(dataset.columns)])


def sample_model() -> bytes:
    """Return a tiny ONNX model with input `x` of shape [N, 4], internal tensor `features` and output `scores`.

    Examples
    --------
    >>> from mmlrs.models import model_info
    >>> from mmlrs.testing import sample_model
    >>> [tensor["name"] for tensor in model_info(sample_model())["outputs"]]
    ['scores']
    """
    return bytes(_native.sample_model())


def sample_detector() -> bytes:
    """Return a tiny ONNX detector with the outputs of a YOLOv8, which finds a cat and a dog in every image.

    Examples
    --------
    >>> from mmlrs.models import model_info
    >>> from mmlrs.testing import sample_detector
    >>> model_info(sample_detector())["outputs"]
    [{'name': 'output0', 'type': 'float32', 'shape': ['N', 6, 84]}]
    """
    return _content_of_sample("ObjectDetector", "model")


def sample_text_model() -> bytes:
    """Return a tiny ONNX model that embeds up to 32 tokens of `sample_tokenizer` as vectors of 8 numbers.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.testing import sample_text_model, sample_tokenizer
    >>> from mmlrs.text import TextEmbedder
    >>> embedder = TextEmbedder(
    ...     inputCol="text",
    ...     outputCol="vector",
    ...     model=sample_text_model(),
    ...     tokenizer=sample_tokenizer(),
    ...     maxLength=32,
    ... )
    >>> len(embedder.transform(pa.table({"text": ["a b"]}))["vector"][0])
    8
    """
    return _content_of_sample("TextEmbedder", "model")


def sample_tokenizer() -> bytes:
    """Return a tokenizer.json with a vocabulary of a few words and the letters a to z.

    Examples
    --------
    >>> import json
    >>> from mmlrs.testing import sample_tokenizer
    >>> "a" in json.loads(sample_tokenizer())["model"]["vocab"]
    True
    """
    return _content_of_sample("HuggingFaceTokenizer", "tokenizer")


def _content_of_sample(stage: str, param: str) -> bytes:
    """Return the bytes that a param of a stage's sample refers to."""
    params, _ = _native.sample(stage)
    content = _native.get_blob(json.loads(params)[param]["sha256"])
    assert content is not None, f"the sample of {stage} stores its {param}"
    return content


#: Maximum number of queries of `worker_counters`, which is far above the number of workers.
_ROUNDS = 100


def _counters_of_worker(reset: bool, column: pa.Array) -> pa.Array:
    text = json.dumps({"pid": os.getpid(), **_native.counters()})
    if reset:
        _native.reset_counters()
    time.sleep(0.1)  # keeps this worker busy, so that other workers get the other tasks
    return pa.array([text] * len(column))


def worker_counters(spark: SparkSession, *, tasks: int = 2, reset: bool = False) -> list[dict[str, Any]]:
    """Return the counters of the live Python workers of Spark.

    Without worker reuse (`spark.python.worker.reuse=false`), a worker ends with its task and its counters are lost. The result
    then has the counters of new processes, one per task.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        A session with worker reuse (the default), so that the workers of a job are still alive.
    tasks : int, default 2
        Number of tasks that query workers at the same time. Use the number of cores.
    reset : bool, default False
        Set the counters to zero after they are read.

    Returns
    -------
    list of dict
        One dict per process, with its `pid` and the counters of `mmlrs.counters`.

    Examples
    --------
    >>> from mmlrs.testing import worker_counters
    >>> from pyspark.sql import SparkSession
    >>> workers = worker_counters(SparkSession.builder.getOrCreate())
    >>> "image_decodes" in workers[0]
    True
    """
    from pyspark.sql import functions as F

    from mmlrs.engine.versions import arrow_udf

    function = arrow_udf(sent_function(partial(_counters_of_worker, reset), "ask"), returnType="string")
    query = spark.range(0, tasks, 1, tasks).select(function(F.col("id")).alias("text"))
    reused = (spark.conf.get("spark.python.worker.reuse", "true") or "true").lower() != "false"
    counters: dict[int, dict[str, Any]] = {}
    # There may be more live workers than tasks, and Spark uses them in turn, so query until there is no new one. If workers
    # end for another reason, there is always a new one.
    for _ in range(_ROUNDS if reused else 1):
        count = len(counters)
        for row in query.collect():
            answer = json.loads(row[0])
            counters.setdefault(answer["pid"], answer)
        if len(counters) == count:
            break
    return list(counters.values())
