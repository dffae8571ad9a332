"""Static quantization of an ONNX network with ONNX Runtime's tools, which need the package onnx."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._typing import Self
from mmlrs.errors import ExecutionError, InvalidParamError, MissingPackageError, MmlrsError, ModelLoadError
from mmlrs.models._content import IMAGE_SETTINGS

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from mmlrs._quantization.types import Row

__all__ = ["LAYERS", "QuantizedNetwork"]

#: The operations whose weights are quantized.
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
#: Operations, or the first characters of their names, that only quantized networks have.
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantize", "QLinear", "QGemm", "QAttention")
_QUANTIZED_ENDS = ("Integer", "NBits", "IntegerToFloat")
#: The first layers, one of so many, stay in floats: they take little time, and their rounding errors grow through all others.
#: With the first ten of its fifty layers in floats, EfficientNet-Lite0 keeps its class for 98% of real pictures, else for 94%.
_FLOAT_SHARE = 5
#: Rows per run of the network, unless its batch is fixed.
_BATCH = 8


class QuantizedNetwork:
    """The work on one network, between `parsed` and `finish`. As a context it has a folder for the rows and the networks.

    Parameters
    ----------
    owner : str
        The method that errors name.
    param : str
        The stage's param with the network.
    """

    def __init__(self, owner: str, param: str) -> None:
        self.owner, self.param = owner, param
        try:
            import onnx
            import onnxruntime.quantization
            import onnxruntime.quantization.shape_inference
        except ImportError as error:
            raise MissingPackageError(
                f'{owner}: onnx and onnxruntime are needed ({error}): pip install "mmlrs[quantize]"'
            ) from None
        self.onnx, self.tools = onnx, onnxruntime.quantization
        self.batches: list[Path] = []
        self._waiting: list[Row] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="mmlrs-quantize-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def _path(self, name: str) -> Path:
        return Path(self._folder.name, name)

    def parsed(self, data: bytes) -> ModelProto:
        """Return the network. Raise if it cannot be parsed, is quantized already or has nothing to quantize."""
        try:
            network = self.onnx.ModelProto.FromString(data)
        except Exception as error:  # noqa: BLE001 (the class of the error is protobuf's, by version)
            raise ModelLoadError(f"{self.owner}: param `{self.param}`: cannot be parsed: {error}") from None
        kinds = [node.op_type for node in network.graph.node]
        found = [kind for kind in kinds if kind.startswith(_QUANTIZED) or kind.endswith(_QUANTIZED_ENDS)]
        if found:
            raise InvalidParamError(
                f"{self.owner}: param `{self.param}`: the network is quantized already (it has the operation {found[0]}); use the "
                "stage as it is, or start from the network in floats"
            )
        if not set(kinds) & set(LAYERS):
            raise InvalidParamError(
                f"{self.owner}: param `{self.param}`: the network has no layer to quantize ({', '.join(LAYERS)}); use the stage "
                "as it is"
            )
        self.network = network
        [*shape] = network.graph.input[0].type.tensor_type.shape.dim if network.graph.input else []
        self._fixed = bool(shape) and shape[0].dim_value > 0
        self._size = shape[0].dim_value if self._fixed else _BATCH
        return network

    def add(self, row: Row) -> None:
        """Store one row. Rows of the same shapes run together."""
        if self._waiting and any(row[name].shape != value.shape for name, value in self._waiting[0].items()):
            self._store()
        self._waiting.append(row)
        if len(self._waiting) == self._size:
            self._store()

    def _store(self) -> None:
        rows = self._waiting
        if rows and self._fixed:
            rows = rows + rows[-1:] * (self._size - len(rows))  # a fixed batch must be full
        if rows:
            path = self._path(f"rows-{len(self.batches)}.npz")
            np.savez(path, *(np.stack([row[name] for row in rows]) for name in rows[0]))
            self._names = list(rows[0])
            self.batches.append(path)
        self._waiting = []

    def feeds(self) -> Iterator[Row]:
        """Yield the inputs of the runs."""
        for path in self.batches:
            with np.load(path) as stored:
                yield {name: stored[f"arr_{i}"] for i, name in enumerate(self._names)}

    def finish(self, needed: list[str], settings: dict[str, Any]) -> bytes:
        """Return the quantized network, with the tensors that the stage needs and with additional image settings."""
        self._store()
        settings = {**settings, **self._settings()}
        kept = [*needed, *settings.get("layerNames", [])]
        with self._reporting():
            floats = self._prepared(kept)
            made = self._quantized(floats, kept)
        nodes = {name for node in made.graph.node for name in node.output}
        lost = [name for name in needed if name not in nodes]
        if lost or not any(node.op_type == "QuantizeLinear" for node in made.graph.node):
            why = f"the tensor `{lost[0]}` is lost" if lost else "no layer could be quantized"
            raise ExecutionError(f"{self.owner}: onnxruntime's tools failed: {why}; use the stage as it is")
        return bytes(self._described(made, settings).SerializeToString())

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Raise errors of the tools as one error. What they log is for their own users."""
        loggers = [logging.getLogger(), logging.getLogger("onnxruntime.quantization.shape_inference")]
        for logger in loggers:
            logger.addFilter(_is_foreign)
        try:
            yield
        except MmlrsError:
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise ExecutionError(
                f"{self.owner}: onnxruntime's tools cannot quantize the network of param `{self.param}`: {cause}; use the stage as "
                "it is, or quantize the network yourself and set the param to the result"
            ) from error
        finally:
            for logger in loggers:
                logger.removeFilter(_is_foreign)

    def _prepared(self, kept: list[str]) -> ModelProto:
        """Return the network in floats with folded constants, known shapes, and these tensors as additional outputs."""
        network = self.onnx.ModelProto.FromString(self.network.SerializeToString())
        del network.metadata_props[:]
        made = {name for node in network.graph.node for name in node.output}
        present = {output.name for output in network.graph.output}
        for name in dict.fromkeys(kept):
            if name in made - present:
                network.graph.output.append(self.onnx.ValueInfoProto(name=name))
        self.onnx.save(network, self._path("given.onnx"))
        self.tools.shape_inference.quant_pre_process(
            self._path("given.onnx"), self._path("floats.onnx"), skip_symbolic_shape=True
        )
        floats = self.onnx.load(self._path("floats.onnx"))
        for i, node in enumerate(floats.graph.node):
            node.name = f"node_{i}"
        self.onnx.save(floats, self._path("floats.onnx"))
        return floats

    def _quantized(self, floats: ModelProto, kept: list[str]) -> ModelProto:
        from mmlrs._quantization.bias import with_corrected_biases

        feeds, nodes = self.feeds(), list(floats.graph.node)
        # The tools give the input of a rectifier the range of its output, but a kept input has its negative values.
        rectifiers = [node for node in nodes if node.op_type in ("Clip", "Relu") and node.input[0] in kept]

        class Reader(self.tools.CalibrationDataReader):  # type: ignore[name-defined]
            def get_next(self) -> Row | None:
                return next(feeds, None)

        self.tools.quantize_static(
            self._path("floats.onnx"),
            self._path("integers.onnx"),
            Reader(),
            quant_format=self.tools.QuantFormat.QDQ,
            per_channel=True,
            activation_type=self.tools.QuantType.QUInt8,
            weight_type=self.tools.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in (*_first(nodes), *rectifiers)],
        )
        return with_corrected_biases(self.onnx.load(self._path("integers.onnx")), floats, self.feeds)

    def _settings(self) -> dict[str, Any]:
        """Return the network's own image settings. ImageFeaturizer has checked them."""
        for entry in self.network.metadata_props:
            if entry.key == IMAGE_SETTINGS:
                settings: dict[str, Any] = json.loads(entry.value)
                return {key: value for key, value in settings.items() if value not in (None, [])}
        return {}

    def _described(self, made: ModelProto, settings: dict[str, Any]) -> ModelProto:
        """Return the network with the outputs and the metadata of the given one."""
        names = [output.name for output in self.network.graph.output]
        outputs = [output for output in made.graph.output if output.name in names]
        del made.graph.output[:], made.metadata_props[:]
        made.graph.output.extend(outputs)
        used = {node.domain for node in made.graph.node} | {"", "ai.onnx"}
        opsets = [opset for opset in made.opset_import if opset.domain in used]
        del made.opset_import[:]
        made.opset_import.extend(opsets)
        others = {e.key: e.value for e in self.network.metadata_props if e.key != IMAGE_SETTINGS}
        described = {IMAGE_SETTINGS: json.dumps(settings)} if settings else {}
        self.onnx.helper.set_model_props(made, {**others, **described})
        return made


def _first(nodes: list[NodeProto]) -> list[NodeProto]:
    """Return the nodes before the first layer that is quantized."""
    places = [i for i, node in enumerate(nodes) if node.op_type in LAYERS]
    return nodes[: places[len(places) // _FLOAT_SHARE]] if places else []


def _is_foreign(record: logging.LogRecord) -> bool:
    """Return whether a log record is not by ONNX Runtime's tools."""
    return "onnxruntime" not in record.pathname
