"""ONNX models as pipeline stages."""

from __future__ import annotations

from typing import Any

from mmlrs._generated import onnx as _generated
from mmlrs._generated.onnx import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs._quantization.kinds import QuantizesTensors
from mmlrs._typing import Self
from mmlrs.models import model_info

__all__ = ["ONNXModel"]
__all__ += _generated.__all__

__dir__ = public(globals())


class ONNXModel(QuantizesTensors, _generated.ONNXModel):
    __doc__ = _generated.ONNXModel.__doc__
    __module__ = "mmlrs.onnx"

    def model_inputs(self) -> list[dict[str, Any]]:
        """Return the inputs of the model, without starting ONNX Runtime.

        Returns
        -------
        list of dict
            `name`, `type` and `shape` of each input, as for `mmlrs.models.model_info`.

        Raises
        ------
        InvalidParamError
            The param `model` is not set.
        ModelLoadError, IoError
            The model is missing, truncated or not ONNX.

        Examples
        --------
        >>> from mmlrs.onnx import ONNXModel
        >>> from mmlrs.testing import sample_model
        >>> [tensor["name"] for tensor in ONNXModel(model=sample_model()).model_inputs()]
        ['x']
        """
        inputs: list[dict[str, Any]] = self._info()["inputs"]
        return inputs

    def model_outputs(self) -> list[dict[str, Any]]:
        """Return the outputs of the model, without starting ONNX Runtime.

        Returns
        -------
        list of dict
            `name`, `type` and `shape` of each output, as for `mmlrs.models.model_info`.

        Raises
        ------
        InvalidParamError
            The param `model` is not set.
        ModelLoadError, IoError
            The model is missing, truncated or not ONNX.
        """
        outputs: list[dict[str, Any]] = self._info()["outputs"]
        return outputs

    def cut_at(self, name: str, outputCol: str | None = None) -> Self:
        """Return a copy of the stage that ends at an internal tensor.

        Parameters
        ----------
        name : str
            Name of the tensor. The nodes that follow it are removed from the graph.
        outputCol : str, optional
            Name of the output column; by default the name of the tensor.

        Returns
        -------
        ONNXModel
            The copy has no `softMaxDict`, `argMaxDict`, `topKDict` and `labels`. A tensor that the model does not have is an
            error when the copy is used.

        Examples
        --------
        >>> from mmlrs.onnx import ONNXModel
        >>> from mmlrs.testing import sample_model
        >>> ONNXModel(model=sample_model()).cut_at("h", outputCol="features").getFetchDict()
        {'features': 'h'}
        """
        stage = self.copy()
        for param in ("outputCol", "softMaxDict", "argMaxDict", "topKDict", "labels"):
            stage.clear(stage.getParam(param))
        stage._set(fetchDict={outputCol or name: name})
        return stage

    def _info(self) -> dict[str, Any]:
        self._check_params()
        model = self.getModel()
        assert model is not None
        return model_info(model)
