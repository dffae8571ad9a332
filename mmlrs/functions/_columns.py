"""Functions of one column of images or texts: each is a stage with its default model."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from mmlrs._messages import shown
from mmlrs._names import no_param
from mmlrs.base import stage_class, stage_spec
from mmlrs.errors import InvalidParamError, MmlrsError
from mmlrs.functions._stage import StageFunction, check_session

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from mmlrs.models import ModelLike

__all__ = ["classify_image", "classify_text", "detect_objects", "embed_image", "embed_text", "register_all"]

#: The beginning of an unquoted identifier of SQL, or nothing.
_PREFIX = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)?")
#: The stage of each function.
_STAGES = {
    "classify_image": "ImageClassifier",
    "classify_text": "TextClassifier",
    "detect_objects": "ObjectDetector",
    "embed_image": "ImageFeaturizer",
    "embed_text": "TextEmbedder",
}


def embed_image(col: Column | str, model: ModelLike | None = None, **params: Any) -> Column:
    """Return the features of images, computed by a neural network.

    Parameters
    ----------
    col : Column or str
        A column of images, or its name: image structs, encoded bytes, or structs of path and bytes.
    model : ModelLike, default `efficientnet-lite0` from the extra `models`
        The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    **params
        Params of `ImageFeaturizer`, except those that name columns. With the default `handleInvalid="error"`, a null or an
        image that cannot be decoded is an error when the query runs. With "keep" its result is null.

    Returns
    -------
    Column
        `array<float>`; 1,280 numbers with the default model.

    Raises
    ------
    InvalidParamError
        `col` is neither a column nor a name, there is no such param or model, or a param has an invalid value.
    ModelLoadError, IoError
        The model is not installed, damaged, or cannot be read.
    ExecutionError
        No Spark session is active.

    Notes
    -----
    A call reads and prepares the network on the driver. A worker process loads it once. Images are decoded straight into the
    input of the network.

    Examples
    --------
    >>> from mmlrs import functions as F
    >>> from mmlrs.testing import sample_image
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> df = spark.createDataFrame([(bytearray(sample_image()),)], "photo binary")
    >>> len(df.select(F.embed_image("photo").alias("vector")).first().vector)
    1280
    """
    return _column("embed_image", col, {"model": model, **params})


def embed_text(
    col: Column | str, model: ModelLike | None = None, tokenizer: ModelLike | None = None, **params: Any
) -> Column:
    """Return the embeddings of texts, computed by a transformer model.

    Parameters
    ----------
    col : Column or str
        A string column, or its name.
    model : ModelLike, default `minilm` from the extra `models`
        The ONNX model: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    tokenizer : ModelLike, default that of `minilm`
        The model's tokenizer.json: the name of a model, a path, bytes or a handle. A `model` that is a name brings its own.
    **params
        Params of `TextEmbedder`, except those that name columns. With the default `handleInvalid="error"`, a null is an error
        when the query runs. With "keep" its result is null.

    Returns
    -------
    Column
        `array<float>`, of Euclidean length 1 unless `normalize` is false; 384 numbers with the default model.

    Raises
    ------
    InvalidParamError
        `col` is neither a column nor a name, `tokenizer` is missing, there is no such param or model, or a param has an
        invalid value.
    ModelLoadError, IoError
        The model is not installed, damaged, or cannot be read.
    ExecutionError
        No Spark session is active.

    Notes
    -----
    A call reads and prepares the model on the driver. A worker process loads it once. A literal is embedded once per row.

    Examples
    --------
    >>> from mmlrs import functions as F
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> df = spark.createDataFrame([("A cat is asleep.",)], "text string")
    >>> len(df.select(F.embed_text("text").alias("vector")).first().vector)
    384
    """
    return _column("embed_text", col, {"model": model, "tokenizer": tokenizer, **params})


def classify_image(
    col: Column | str,
    model: ModelLike | None = None,
    labels: Sequence[str] | None = None,
    topK: int = 5,
    **params: Any,
) -> Column:
    """Return the most probable classes of images, with their names and probabilities.

    Parameters
    ----------
    col : Column or str
        A column of images, or its name: image structs, encoded bytes, or structs of path and bytes.
    model : ModelLike, default `efficientnet-lite0` from the extra `models`
        The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    labels : sequence of str, optional
        Names of the classes, in the order of the network's scores. If not set, those of the model's metadata.
    topK : int, default 5
        Number of classes per image, at least 1.
    **params
        Params of `ImageClassifier`, except those that name columns. With the default `handleInvalid="error"`, a null or an
        image that cannot be decoded is an error when the query runs. With "keep" its result is null.

    Returns
    -------
    Column
        `array<struct<class: string, description: string, probability: float>>`, the most probable class first.

    Raises
    ------
    InvalidParamError
        `col` is neither a column nor a name, there is no such param or model, or a param has an invalid value.
    ModelLoadError, IoError
        The model is not installed, damaged, or cannot be read.
    ExecutionError
        No Spark session is active.

    Notes
    -----
    A call reads and prepares the network on the driver. A worker process loads it once.

    Examples
    --------
    >>> from mmlrs import functions as F
    >>> from mmlrs.testing import sample_image
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> df = spark.createDataFrame([(bytearray(sample_image()),)], "photo binary")
    >>> len(df.select(F.classify_image("photo", topK=3).alias("classes")).first().classes)
    3
    """
    return _column("classify_image", col, {"model": model, "labels": labels, "topK": topK, **params})


def detect_objects(
    col: Column | str, model: ModelLike, labels: Sequence[str] | None = None, **params: Any
) -> Column:
    """Return the objects in images, and where they are.

    Parameters
    ----------
    col : Column or str
        A column of images, or its name: image structs, encoded bytes, or structs of path and bytes.
    model : ModelLike
        The ONNX network, a YOLO or a DETR: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    labels : sequence of str, optional
        Names of the classes, in the order of the network's scores. If not set, those of the model's metadata.
    **params
        Params of `ObjectDetector`, except those that name columns, such as `scoreThreshold`. With the default
        `handleInvalid="error"`, a null or an image that cannot be decoded is an error when the query runs. With "keep" its
        result is null, while that of an image without objects is empty.

    Returns
    -------
    Column
        `array<struct<label: string, score: double, x: double, y: double, width: double, height: double>>`, the most probable
        object first; positions and sizes are fractions of the image.

    Raises
    ------
    InvalidParamError
        `col` is neither a column nor a name, the network is no detector, there is no such param, or a param has an invalid
        value.
    ModelLoadError, IoError
        The model is damaged, or cannot be read.
    ExecutionError
        No Spark session is active.

    Notes
    -----
    A call reads and prepares the network on the driver. A worker process loads it once.

    Examples
    --------
    >>> from mmlrs import functions as F
    >>> from mmlrs.testing import sample_detector, sample_image
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> df = spark.createDataFrame([(bytearray(sample_image()),)], "photo binary")
    >>> df.select(F.detect_objects("photo", sample_detector()).label.alias("labels")).first().labels
    ['cat', 'dog']
    """
    return _column("detect_objects", col, {"model": model, "labels": labels, **params})


def classify_text(
    col: Column | str,
    labels: Sequence[str] | None = None,
    model: ModelLike | None = None,
    tokenizer: ModelLike | None = None,
    topK: int = 5,
    **params: Any,
) -> Column:
    """Return the most probable classes of texts, with their names and probabilities.

    Parameters
    ----------
    col : Column or str
        A string column, or its name.
    labels : sequence of str
        The classes. With a model that embeds texts, such as the default one, any short descriptions: each text is compared with
        them. With a model that was trained to classify, its classes, by default those of its metadata.
    model : ModelLike, default `minilm` from the extra `models`
        The ONNX model: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    tokenizer : ModelLike, default that of `minilm`
        The model's tokenizer.json: the name of a model, a path, bytes or a handle. A `model` that is a name brings its own.
    topK : int, default 5
        Number of classes per text, at least 1.
    **params
        Params of `TextClassifier`, except those that name columns. With the default `handleInvalid="error"`, a null is an error
        when the query runs. With "keep" its result is null.

    Returns
    -------
    Column
        `array<struct<class: string, description: string, probability: float>>`, the most probable class first.

    Raises
    ------
    InvalidParamError
        `col` is neither a column nor a name, `labels` or `tokenizer` is missing, there is no such param or model, or a param has
        an invalid value.
    ModelLoadError, IoError
        The model is not installed, damaged, or cannot be read.
    ExecutionError
        No Spark session is active.

    Notes
    -----
    A call reads and prepares the model on the driver. A worker process loads it once.

    Examples
    --------
    >>> from mmlrs import functions as F
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> df = spark.createDataFrame([("Shares fell sharply today.",)], "text string")
    >>> df.select(F.classify_text("text", ["sports", "business"])[0]["class"].alias("topic")).first()
    Row(topic='business')
    """
    chosen = {"labels": labels, "model": model, "tokenizer": tokenizer, "topK": topK}
    return _column("classify_text", col, chosen | params)


def register_all(
    spark: SparkSession,
    prefix: str = "",
    *,
    handleInvalid: Literal["error", "keep"] = "error",
    labels: Sequence[str] | None = None,
    detector: ModelLike | None = None,
) -> list[str]:
    """Register `classify_image`, `embed_image` and `embed_text` as SQL functions, with their default models.

    With `labels` it also registers `classify_text`, which chooses among them, and with `detector` it registers `detect_objects`.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        Classic or Connect.
    prefix : str, default ""
        Text before each name, such as "try_": letters of ASCII, digits and "_".
    handleInvalid : {"error", "keep"}, default "error"
        How the functions handle a null or a damaged image: "error" fails the query, "keep" returns null.
    labels : sequence of str, optional
        The classes of `classify_text`.
    detector : ModelLike, optional
        The network of `detect_objects`.

    Returns
    -------
    list of str
        The names of the functions, which exist as long as the session. Vectors are `array<float>`.

    Raises
    ------
    InvalidParamError
        `spark` is not a session, `prefix` is not the beginning of a name in SQL, or `handleInvalid` is none of the two,
        or `labels` are no strings, or `detector` is no detector.
    ModelLoadError
        A model is not installed, or cannot be read; the message says what to install. No function is registered.

    Notes
    -----
    The models are read and prepared once, here, and not for each query.

    Examples
    --------
    >>> import mmlrs
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> mmlrs.register_all(spark)
    ['classify_image', 'embed_image', 'embed_text']
    >>> spark.sql("SELECT size(embed_text('A cat is asleep.')) AS size").first()
    Row(size=384)
    """
    check_session("register_all", spark)
    text: Any = prefix
    if not isinstance(text, str) or not _PREFIX.fullmatch(text):
        raise InvalidParamError(
            'register_all: param `prefix` must be the beginning of the name of a function: letters, digits and "_", not first a '
            f'digit, such as "try_", got {shown(prefix)}'
        )
    remedy = 'register_all(spark, handleInvalid="keep") registers a function that returns null instead'
    made = {}
    for name, stage in _STAGES.items():
        params: dict[str, Any] = {"handleInvalid": handleInvalid}
        if stage == "TextClassifier":
            if labels is None:
                continue
            params["labels"] = labels
        if stage == "ObjectDetector":
            if detector is None:
                continue
            params["model"] = detector
        with _named("register_all", stage):
            function = _function(name, _argument(name), params)
            function.called(prefix + name, "the argument", remedy)
            made[prefix + name] = function.for_sql(spark, arrays=True)
    for name, udf in made.items():
        spark.udf.register(name, udf)
    return list(made)


def _argument(function: str) -> str:
    """Return the name of a function's argument, for messages."""
    return "text" if function.endswith("text") else "image"


def _column(function: str, col: Any, params: dict[str, Any]) -> Column:
    """Return the column of a function of a column or of its name."""
    from pyspark.sql import Column

    stage = _STAGES[function]
    if not isinstance(col, Column) and not (isinstance(col, str) and col):
        raise InvalidParamError(
            f"{function}: param `col` must be a Spark column or its name, got {shown(col)}; on a table use "
            f"{stage}(...).transform(table)"
        )
    with _named(function, stage):
        # The name is only that in messages.
        source = col if isinstance(col, str) else _argument(function)
        words = f"column `{col}`" if isinstance(col, str) else "the argument"
        made = _function(function, source, params).called(
            function, words, 'handleInvalid="keep" returns null'
        )
        return made.column([col], function, arrays=True)


def _function(function: str, source: str, params: dict[str, Any]) -> StageFunction:
    """Return the stage of a function with params, as a function of the column `source`."""
    stage = _STAGES[function]
    # A function always returns vectors as arrays.
    names = [
        p["name"] for p in stage_spec(stage)["params"] if p["role"] == "plain" and p["name"] != "outputType"
    ]
    for name in params:
        if name not in names:
            raise no_param(function, name, names)
    create: Callable[..., Any] = stage_class(stage)
    return StageFunction(create(inputCol=source, **params))


@contextlib.contextmanager
def _named(function: str, stage: str) -> Iterator[None]:
    """Name a function instead of its stage in errors that are raised before anything runs."""
    try:
        yield
    except MmlrsError as error:
        cause = str(error).removeprefix(f"{stage}: ").removeprefix(f"{function}: ")
        if function == "register_all":  # which has no params of models
            cause = cause.removeprefix("param `model`: ").removeprefix("param `tokenizer`: ")
        raise type(error)(f"{function}: {cause}") from None
