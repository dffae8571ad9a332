"""Networks of any layers, on vectors and images."""

from __future__ import annotations

import json
from typing import Any

from mmlrs._generated import ann as _generated
from mmlrs._messages import shown
from mmlrs.ann._estimator import ClassifierMixin, NetworkEstimator, RegressorMixin
from mmlrs.ann._trained import TrainedNetwork
from mmlrs.ann.layers import Sequential
from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError

__all__ = [
    "NeuralNetworkClassificationModel",
    "NeuralNetworkClassifier",
    "NeuralNetworkRegressionModel",
    "NeuralNetworkRegressor",
]


def _kinds(layers: list[dict[str, Any]]) -> set[str]:
    """Return the kinds of layers, those inside of others too."""
    return {kind for layer in layers for kind in {layer["kind"], *_kinds(layer.get("layers", []))}}


class AnyNetwork(NetworkEstimator):
    """An estimator whose network is a param."""

    def _sequential(self) -> Sequential:
        """Return the network."""
        try:
            return Sequential.from_json(self._value("network"))
        except InvalidParamError as error:
            message = str(error).removeprefix("Sequential: ")
            raise InvalidParamError(f"{self._stage}: param `network`: {message}") from None

    def _check_params(self) -> None:
        super()._check_params()
        network = self._sequential()
        changes = self._value("augmentation") or []
        unknown = [change for change in changes if change not in ("mirror", "shift")]
        if unknown:
            raise InvalidParamError(
                f'{self._stage}: param `augmentation` must have "mirror" and "shift" only, got {shown(unknown[0])}'
            )
        if changes and len(network.input) == 1:
            raise InvalidParamError(
                f"{self._stage}: param `augmentation` needs a network that reads images, with input=(height, width, channels)"
            )
        self._check_batches(_kinds(json.loads(network.to_json())["layers"]))

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"augmentation": self._value("augmentation") or []}

    def _sized_by(self) -> str:
        return "the last layer of param `network`"


class NeuralNetworkClassifier(ClassifierMixin, AnyNetwork, _generated.NeuralNetworkClassifier):
    __doc__ = _generated.NeuralNetworkClassifier.__doc__
    __module__ = "mmlrs.ann"

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        network = self._sequential()
        return network.describe(self._class_loss(network.outputs))

    def _classes(self, dataset: Any, columns: Columns) -> int:
        return self._sequential().outputs


class NeuralNetworkRegressor(RegressorMixin, AnyNetwork, _generated.NeuralNetworkRegressor):
    __doc__ = _generated.NeuralNetworkRegressor.__doc__
    __module__ = "mmlrs.ann"

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        network = self._sequential()
        return network.describe(self._value_loss(dataset, columns, network.outputs))


class NetworkOfImages(TrainedNetwork):
    """A model whose network may read images."""

    def _image_settings(self) -> dict[str, Any]:
        return {"scale": 1 / 255}


class NeuralNetworkClassificationModel(NetworkOfImages, _generated.NeuralNetworkClassificationModel):
    __doc__ = _generated.NeuralNetworkClassificationModel.__doc__
    __module__ = "mmlrs.ann"


class NeuralNetworkRegressionModel(NetworkOfImages, _generated.NeuralNetworkRegressionModel):
    __doc__ = _generated.NeuralNetworkRegressionModel.__doc__
    __module__ = "mmlrs.ann"
