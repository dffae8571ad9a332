"""How stages for images and stages for tensors compute the inputs of their network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated.image import ImageFeaturizer
from mmlrs._generated.shared import HasDecodeOptions, HasNetworkInput
from mmlrs._quantization.stage import Quantizable, fetched
from mmlrs._quantization.types import Row
from mmlrs.errors import MmlrsError
from mmlrs.models import ModelHandle
from mmlrs.params import types_of

if TYPE_CHECKING:
    from onnx import ModelProto


__all__ = ["QuantizesImages", "QuantizesTensors"]


class QuantizesImages(Quantizable):
    """A stage with a network that reads images."""

    def _network_rows(self, network: ModelProto, table: pa.Table) -> Iterator[Row]:
        from mmlrs._quantization.rows import echo_of_pictures, pictures

        handle = ModelHandle.from_bytes(echo_of_pictures(network))
        stage = self._featurizer(handle, cutOutputLayers=0, pooling="none", outputCol="mmlrs_echo")
        yield from pictures(stage.setOutputType("array").setHandleInvalid("skip"), network, table)

    def _featurizer(self, handle: ModelHandle, **params: Any) -> ImageFeaturizer:
        """Return an ImageFeaturizer that reads images as this stage does."""
        names = [name for kind in (HasNetworkInput, HasDecodeOptions) for name in types_of(kind).all]
        own = {name: self._value(name) for name in ["inputCol", "originCol", *names] if self.hasParam(name)}
        return ImageFeaturizer(
            model=handle, **{name: v for name, v in own.items() if v is not None}, **params
        )

    def _network_settings(self, schema: pa.Schema) -> dict[str, Any]:
        """Return the names of the last layers, which are searched for in the graph of floats."""
        count = self._value("cutOutputLayers") if self.hasParam("cutOutputLayers") else 1
        output = self._value("outputTensorName") if self.hasParam("outputTensorName") else None
        names: list[str] = []
        for layers in range(max(1, count) + 1):
            stage = self._featurizer(self._value(self._network_param), cutOutputLayers=layers)
            stage._set(outputTensorName=output, device="cpu")
            try:
                names += fetched(stage, schema, "model")
            except MmlrsError:  # as many as there are
                break
        return {"layerNames": names}


class QuantizesTensors(Quantizable):
    """A stage with a network that reads numbers and arrays: `ONNXModel`."""

    def _network_rows(self, network: ModelProto, table: pa.Table) -> Iterator[Row]:
        from mmlrs._quantization.rows import echo, tensors

        made, names = echo(network)
        stage = self.copy()
        for param in ("outputCol", "softMaxDict", "argMaxDict", "topKDict", "labels", "errorCol"):
            stage.clear(stage.getParam(param))
        stage._set(model=ModelHandle.from_bytes(made), fetchDict={name: name for name in names})
        stage._set(outputType="tensor", handleInvalid="skip", device="cpu")
        yield from tensors(stage, names, table)
