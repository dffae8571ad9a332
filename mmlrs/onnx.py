"""ONNX models as pipeline stages."""

from __future__ import annotations

from typing import Any, Self

from mmlrs._generated import onnx as _generated
from mmlrs._generated.onnx import *  # noqa: F403 (a stage that is all native needs no line here)
from mmlrs._names import public
from mmlrs.models import model_info

__all__ = ["ONNXModel"]
__all__ += _generated.__all__

__dir__ = public(globals())


class ONNXModel(_generated.ONNXModel):
    __doc__ = _generated.ONNXModel.__doc__
    __module__ = "mmlrs.onnx"

    def model_inputs(self) -> list[dict[str, Any]]:
        """Return name, type and shape of what the model reads; no runtime is started."""
        inputs: list[dict[str, Any]] = self._info()["inputs"]
        return inputs

    def model_outputs(self) -> list[dict[str, Any]]:
        """Return name, type and shape of what the model writes; no runtime is started."""
        outputs: list[dict[str, Any]] = self._info()["outputs"]
        return outputs

    def cut_at(self, name: str, outputCol: str | None = None) -> Self:
        """Return a copy of the stage that ends at an internal tensor.

        Parameters
        ----------
        name : str
            Name of the tensor; everything behind it is dropped from the graph.
        outputCol : str, optional
            The new column; the tensor's name by default.
        """
        stage = self.copy()
        for param in ("outputCol", "softMaxDict", "argMaxDict"):
            stage.clear(stage.getParam(param))
        stage._set(fetchDict={outputCol or name: name})
        return stage

    def _info(self) -> dict[str, Any]:
        self._check_params()
        model = self.getModel()
        assert model is not None
        return model_info(model)
