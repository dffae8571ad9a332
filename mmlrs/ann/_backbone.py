"""The network that a fine tuner builds on: what it reads, and the stage that computes its features."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs._quantization.stage import fetched
from mmlrs.engine.callers import Owner, errors_of, reworded, run_as
from mmlrs.engine.fields import is_text, is_vector_struct
from mmlrs.errors import InvalidParamError, ModelLoadError
from mmlrs.models import ModelHandle, model_info
from mmlrs.vectors import as_lists

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs.base import NativeTransformer

__all__ = ["Backbone", "kind_of", "owner", "read", "reader"]

#: The input of networks that read tokens.
TOKENS = "input_ids"
#: A column of each kind, for a plan without data.
_COLUMNS = {"image": pa.binary(), "text": pa.string(), "vector": pa.list_(pa.float64())}
#: The column of features in a plan without data. No tensor has this name.
_PLANNED = "mmlrs_features"
#: Numbers of tokens to try with networks that have fewer positions than strings may have tokens.
_LENGTHS = (256, 128, 64, 32, 16)
#: The params of the stages that read networks, as a fine tuner calls them.
_RENAMED = (("outputTensorName", "featureTensorName"), ("fetchDict", "featureTensorName"))


def owner(stage: str, param: str = "model", *words: tuple[str, str]) -> Owner:
    """Return the stage that errors of inner stages name, whose param has the network. `words` are further replacements."""
    return Owner(stage, (("param `model`", f"param `{param}`"), *_RENAMED, *words))


def kind_of(dataset: Any, column: str) -> str:
    """Return what a column holds: "image", "text" or "vector"."""
    if isinstance(dataset, pa.Table):
        kind = dataset.schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if is_text(kind):
            return "text"
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
        struct = pa.types.is_struct(kind) and not is_vector_struct(kind)
        members = {field.name for field in kind} if struct else set()
    else:
        spark = dataset.schema[column].dataType
        if spark.typeName() in ("string", "char", "varchar"):
            return "text"
        binary = spark.typeName() == "binary"
        members = set(spark.names) if spark.typeName() == "struct" else set()
    # A struct without a path or a height holds a tensor.
    return "image" if binary or members & {"path", "height", "bytes"} else "vector"


def reader(
    kind: str,
    model: ModelHandle,
    tensor: str | None,
    columns: tuple[str, str],
    invalid: str,
    tokenizer: ModelHandle | None = None,
    *,
    features: bool = True,
) -> NativeTransformer:
    """Return the stage that reads a tensor of a network as a vector. `columns` are the one to read and the one to add.

    `features` says whether the tensor has features or values to take as they are.
    """
    from mmlrs.image import ImageFeaturizer
    from mmlrs.onnx import ONNXModel
    from mmlrs.text import TextEmbedder

    source, output = columns
    shared: dict[str, Any] = {"model": model, "inputCol": source, "handleInvalid": invalid}
    if kind == "image":
        shared["pooling"] = "auto" if features else "none"
        return ImageFeaturizer(**shared, outputCol=output, featureTensorName=tensor)
    if kind == "text":
        return _of_fitting_length(
            TextEmbedder(
                **shared, outputCol=output, tokenizer=tokenizer, outputTensorName=tensor, normalize=features
            )
        )
    return ONNXModel(**shared, fetchDict={output: tensor or ""}, outputType="vector")


def read(stage: NativeTransformer, owner: Owner, dataset: Any) -> Any:
    """Add the vectors of a stage that `reader` returned. Errors name the owner."""
    [column] = stage._columns("input")
    if not isinstance(dataset, pa.Table) or not is_vector_struct(dataset.schema.field(column).type):
        return run_as(owner, stage, dataset)
    with errors_of(owner, stage._stage):
        # On Spark, stages read vectors as lists; in a table these are another type.
        [output] = stage._columns("output")
        lists = f"{output}_read"
        chunks = [
            as_lists(chunk, f"column `{column}`", np.iinfo(np.int32).max, np.float64)
            for chunk in dataset[column].chunks
        ]
        with_lists = dataset.append_column(lists, pa.chunked_array(chunks, pa.list_(pa.float64())))
        with reworded((f"`{lists}`", f"`{column}`")):
            made = stage.copy({"inputCol": lists}).transform(with_lists)
        return made.drop_columns([lists])


def _of_fitting_length(embedder: NativeTransformer) -> NativeTransformer:
    """Return a stage that cuts strings to the most tokens, of some powers of two, that its network has positions for.

    It is unchanged if the usual length, which the tokenizer or the network may say, is not too long.
    """
    schema = pa.schema([(embedder._value("inputCol"), pa.string())])
    for length in (None, *_LENGTHS):
        stage = embedder if length is None else embedder.copy({"maxLength": length})
        try:
            stage._core().plan(schema)
        except InvalidParamError as error:
            if "param `maxLength`" not in str(error) or length == _LENGTHS[-1]:
                raise
        else:
            return stage
    return embedder


@dataclass(frozen=True)
class Backbone:
    """A network whose features are the input of a head.

    Parameters
    ----------
    stage : Stage
        The estimator, whose name errors have.
    param : str
        Its param with the network.
    kind : {"image", "text", "vector"}
        What the network reads.
    tokenizer : ModelHandle, optional
        The tokenizer of a network that reads texts.
    """

    stage: Stage
    param: str
    kind: str
    tokenizer: ModelHandle | None = None

    @property
    def model(self) -> ModelHandle:
        """The network."""
        model: ModelHandle = self.stage._value(self.param)
        return model

    def check(self, column: str) -> None:
        """Raise if the network does not read such a column."""
        inputs = [item["name"] for item in self._info["inputs"]]
        listed = ", ".join(f"`{name}`" for name in inputs)
        where = f"{self.stage._stage}: param `{self.param}`:"
        if self.kind == "text":
            if TOKENS not in inputs:
                raise InvalidParamError(
                    f"{where} column `{column}` holds text, but the network does not read tokens: it has no input `{TOKENS}`; its "
                    f"inputs are {listed}"
                )
            if self.tokenizer is None:
                other = (
                    "set param `tokenizer`"
                    if self.stage.hasParam("tokenizer")
                    else "use DeepTextClassifier, which has a param `tokenizer`"
                )
                raise InvalidParamError(
                    f"{where} the network reads text, and only models with a name bring their tokenizer; {other}"
                )
        elif len(inputs) != 1:
            raise InvalidParamError(
                f"{where} the network must have one input for column `{column}`; its inputs are {listed}"
            )

    @cached_property
    def _info(self) -> dict[str, Any]:
        with self._as_own("model_info"):
            return model_info(self.model)

    @cached_property
    def tensor(self) -> str:
        """The name of the tensor with the features."""
        named: str | None = self.stage._value("featureTensorName")
        if named is None and self.kind == "vector":
            named = self._last_features()
        stage = self._reader(named)
        try:
            with self._as_own(stage._stage):
                [name] = fetched(stage, self._schema, "model")
        except ModelLoadError as error:
            text = str(error).removeprefix(f"{self.stage._stage}: ")
            if named is None or f"`{named}`" not in text:
                raise
            raise InvalidParamError(f"{self.stage._stage}: param `featureTensorName`: {text}") from None
        return name

    @cached_property
    def size(self) -> int | None:
        """The number of features, if it is known before a row is read."""
        return self._size(self._reader(self.tensor))

    @cached_property
    def is_pooled(self) -> bool:
        """Whether the features are the means over the rows and columns of maps."""
        if self.kind != "image":
            return False
        return self.size != self._size(self._reader(self.tensor, features=False))

    def features(self, dataset: Any, column: str, output: str, invalid: str) -> Any:
        """Add the features to a dataset."""
        stage = reader(self.kind, self.model, self.tensor, (column, output), invalid, self.tokenizer)
        return read(stage, self._owner, dataset)

    def _reader(self, tensor: str | None, *, features: bool = True) -> NativeTransformer:
        columns = ("x", _PLANNED)
        return reader(self.kind, self.model, tensor, columns, "error", self.tokenizer, features=features)

    def check_padding(self) -> None:
        """Raise if padding would be a part of the features: without a mask, the graph cannot leave it out."""
        inputs = {item["name"]: item["shape"] for item in self._info["inputs"]}
        outputs = {item["name"]: item["shape"] for item in self._info["outputs"]}
        is_vector = len(outputs.get(self.tensor) or ()) == 2
        if self.kind != "text" or "attention_mask" in inputs or is_vector:
            return
        if isinstance((inputs[TOKENS] or (None, None))[1], int):
            raise InvalidParamError(
                f"{self.stage._stage}: param `{self.param}`: the network reads texts of {inputs[TOKENS][1]} tokens without an "
                "`attention_mask`, so padding would be a part of the features; export it with the mask, or with any number of tokens"
            )

    @property
    def _schema(self) -> pa.Schema:
        return pa.schema([("x", _COLUMNS[self.kind])])

    def _size(self, stage: NativeTransformer) -> int | None:
        with self._as_own(stage._stage):
            field = stage._core().plan(self._schema).schema.field(_PLANNED)
        attributes = json.loads((field.metadata or {}).get(b"ml_attr", b"{}"))
        size: int | None = attributes.get("num_attrs")
        if size is None and pa.types.is_fixed_size_list(field.type):
            size = field.type.list_size
        return size

    def _last_features(self) -> str:
        """Return the tensor with the features of a network for vectors."""
        from mmlrs.ann._merge import feature_tensor, parsed

        found = feature_tensor(parsed(self.stage._stage, self.model))
        if found is None:
            outputs = ", ".join(f"`{item['name']}`" for item in self._info["outputs"])
            raise InvalidParamError(
                f"{self.stage._stage}: param `featureTensorName` must be set: the graph does not show which tensor has the features; "
                f"the outputs of the network are {outputs}"
            )
        return found

    def _as_own(self, inner: str) -> AbstractContextManager[None]:
        """Raise errors of another stage as errors of the estimator."""
        return errors_of(self._owner, inner)

    @property
    def _owner(self) -> Owner:
        return owner(self.stage._stage, self.param)
