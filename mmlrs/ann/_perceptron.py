"""Multilayer perceptrons."""

from __future__ import annotations

from typing import Any

from mmlrs._generated import ann as _generated
from mmlrs.ann._estimator import ClassifierMixin, NetworkEstimator, RegressorMixin
from mmlrs.ann._labels import indexing, levels_in, size_in
from mmlrs.ann._trained import TrainedNetwork
from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError

__all__ = [
    "MultilayerPerceptronClassificationModel",
    "MultilayerPerceptronClassifier",
    "MultilayerPerceptronRegressionModel",
    "MultilayerPerceptronRegressor",
]


class Perceptron(NetworkEstimator):
    """An estimator whose network is a list of fully connected layers."""

    def _check_params(self) -> None:
        super()._check_params()
        layers = self._value("layers")
        wrong = len(layers) < 2 or any(size < 1 for size in layers[1:-1]) or min(layers[0], layers[-1]) < 0
        if wrong:
            raise InvalidParamError(
                f"{self._stage}: param `layers` must have at least two numbers, of which only the first and the last may be 0, got "
                f"{layers}"
            )
        self._check_batches({"dropout"} if self._value("dropout") > 0 else set())

    def _first(self, dataset: Any, columns: Columns) -> int:
        """Return the size of the features."""
        first: int = self._value("layers")[0]
        return first or size_in(self, dataset, columns.resolve(self._value("featuresCol")))

    def _layers(self, last: int) -> list[dict[str, Any]]:
        """Return the description of the layers, of which the last one has this size."""
        layers: list[dict[str, Any]] = []
        for size in self._value("layers")[1:-1]:
            layers += [{"kind": "dense", "size": size}, {"kind": self._value("activation")}]
            if self._value("dropout") > 0:
                layers.append({"kind": "dropout", "rate": self._value("dropout")})
        return [*layers, {"kind": "dense", "size": last}]

    def _sized_by(self) -> str:
        return "param `layers`"


class MultilayerPerceptronClassifier(ClassifierMixin, Perceptron, _generated.MultilayerPerceptronClassifier):
    __doc__ = _generated.MultilayerPerceptronClassifier.__doc__
    __module__ = "mmlrs.ann"

    def _classes(self, dataset: Any, columns: Columns) -> int:
        classes: int = self._value("layers")[-1]
        if classes == 0:
            label = columns.resolve(self._value("labelCol"))
            levels = levels_in(dataset, label)
            if levels is None:
                raise InvalidParamError(
                    f"{self._stage}: param `layers` ends with 0, and column `{label}` has no levels in its metadata; "
                    f"{indexing(label)}, or end `layers` with the number of classes"
                )
            classes = len(levels)
        return classes

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        classes = self._classes(dataset, columns)
        loss = self._class_loss(classes)
        first = self._first(dataset, columns)
        return {"version": 1, "input": [first], "layers": self._layers(classes), "loss": loss}


class MultilayerPerceptronRegressor(RegressorMixin, Perceptron, _generated.MultilayerPerceptronRegressor):
    __doc__ = _generated.MultilayerPerceptronRegressor.__doc__
    __module__ = "mmlrs.ann"

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        last = self._value("layers")[-1]
        if last == 0:
            last = size_in(self, dataset, columns.resolve(self._value("labelCol")), "labels")
        loss = self._value_loss(dataset, columns, last)
        first = self._first(dataset, columns)
        return {"version": 1, "input": [first], "layers": self._layers(last), "loss": loss}


class MultilayerPerceptronClassificationModel(
    TrainedNetwork, _generated.MultilayerPerceptronClassificationModel
):
    __doc__ = _generated.MultilayerPerceptronClassificationModel.__doc__
    __module__ = "mmlrs.ann"


class MultilayerPerceptronRegressionModel(TrainedNetwork, _generated.MultilayerPerceptronRegressionModel):
    __doc__ = _generated.MultilayerPerceptronRegressionModel.__doc__
    __module__ = "mmlrs.ann"
