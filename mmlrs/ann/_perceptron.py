"""Multilayer perceptrons."""

from __future__ import annotations

from typing import Any

from mmlrs._generated import ann as _generated
from mmlrs.ann._estimator import NetworkEstimator
from mmlrs.ann._labels import indexing, levels_in, size_in
from mmlrs.ann._specification import FULL_BATCH
from mmlrs.ann._trained import TrainedNetwork
from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError

__all__ = ["MultilayerPerceptronClassificationModel", "MultilayerPerceptronClassifier"]


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
        if self._value("dropout") > 0 and self._value("solver") in FULL_BATCH:
            raise InvalidParamError(
                f'{self._stage}: param `dropout` needs batches; use solver="adam", "adamw" or "sgd"'
            )

    def _sizes(self, dataset: Any, columns: Columns) -> list[int]:
        """Return the sizes of the layers for a dataset."""
        layers = list(self._value("layers"))
        if layers[0] == 0:
            layers[0] = size_in(self, dataset, columns.resolve(self._value("featuresCol")))
        return layers

    def _hidden(self, sizes: list[int]) -> list[dict[str, Any]]:
        """Return the description of the layers."""
        layers: list[dict[str, Any]] = []
        for size in sizes[1:-1]:
            layers += [{"kind": "dense", "size": size}, {"kind": self._value("activation")}]
            if self._value("dropout") > 0:
                layers.append({"kind": "dropout", "rate": self._value("dropout")})
        return [*layers, {"kind": "dense", "size": sizes[-1]}]


class MultilayerPerceptronClassifier(Perceptron, _generated.MultilayerPerceptronClassifier):
    __doc__ = _generated.MultilayerPerceptronClassifier.__doc__
    __module__ = "mmlrs.ann"

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        sizes = self._sizes(dataset, columns)
        label = columns.resolve(self._value("labelCol"))
        if sizes[-1] == 0:
            levels = levels_in(dataset, label)
            if levels is None:
                raise InvalidParamError(
                    f"{self._stage}: param `layers` ends with 0, and column `{label}` has no levels in its metadata; "
                    f"{indexing(label)}, or end `layers` with the number of classes"
                )
            sizes[-1] = len(levels)
        if sizes[-1] < 2:
            raise InvalidParamError(
                f"{self._stage}: a classifier has at least two classes, but there is {sizes[-1]}; the last number of `layers` is "
                "the number of classes"
            )
        self._check_classes(sizes[-1])
        loss: dict[str, Any] = {"kind": "cross_entropy", "smoothing": self._value("labelSmoothing")}
        if self._value("classWeights") is not None:
            loss["class_weights"] = self._value("classWeights")
        return {"version": 1, "input": [sizes[0]], "layers": self._hidden(sizes), "loss": loss}

    def _check_classes(self, classes: int) -> None:
        """Raise unless the params with one number per class have that many."""
        for param in ("classWeights", "thresholds"):
            value = self._value(param)
            if value is not None and (len(value) != classes or any(number < 0 for number in value)):
                raise InvalidParamError(
                    f"{self._stage}: param `{param}` must have one number of at least 0 for each of {classes} classes, got {value}"
                )

    def _model_params(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        levels = levels_in(dataset, columns.resolve(self._value("labelCol")))
        layers = self._value("layers")
        # Metadata of another number of levels is not that of the classes.
        fits = levels is not None and layers[-1] in (0, len(levels))
        return {"labels": levels} if fits else {}


class MultilayerPerceptronClassificationModel(
    TrainedNetwork, _generated.MultilayerPerceptronClassificationModel
):
    __doc__ = _generated.MultilayerPerceptronClassificationModel.__doc__
    __module__ = "mmlrs.ann"
